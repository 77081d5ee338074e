// What splatting plain arrays takes on a device, kept from one batch to the next.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "cuda/plan.h"
#include "cuda/runtime.h"

namespace avatar_rt::cuda {

struct Workspace {
  explicit Workspace(int device_) : device(device_), recorder(make_stream()) {}

  int device;
  Stream recorder;                 // where the plan was recorded
  std::unique_ptr<Plan> plan;      // null in a new one
  Memory<float> shaded, sums;
  Memory<double> totals;
  Pinned<double> totals_read;
};

// Idle ones.
class Workspaces {
 public:
  // The process's. Never destroyed: CUDA may be gone before a static's end.
  static Workspaces& all();

  // One with a plan for that shape, or a new one.
  std::unique_ptr<Workspace> take(int device, const Shape& shape);
  // One that no device works on any more.
  void give_back(std::unique_ptr<Workspace> workspace);
  // Lets go of them all, for others to have their memory.
  void clear();

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;
};

}  // namespace avatar_rt::cuda
