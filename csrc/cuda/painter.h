// Draws batches of views on one device: plans for their shapes, kept and replaced as they prove too
// small or too large, and the frame's way through them.
#pragma once

#include <memory>
#include <vector>

#include "core/views.h"
#include "cuda/plan.h"
#include "cuda/resident.h"

namespace avatar_rt::cuda {

struct FaceOrder {                 // an avatar in a pose
  const Resident* avatar;
  PoseView pose;
};

struct ViewOrder {                 // a picture of a face
  int face;
  CameraView camera;
  const float* background;         // (3,)
  PixelFormat format;
  Quality quality;
  void* image;                     // on the device: where it is drawn
  void* pixels;                    // the processor's: where it is copied to; or null
  int top_row, bottom_row;         // tiles; all_rows() says which those of a whole picture are
  std::uint32_t skipped;           // out
};
int all_rows(const CameraView& camera);
std::size_t picture_bytes(PixelFormat format, int width, int height);

// One caller at a time.
class Painter {
 public:
  explicit Painter(int device);

  // Draws all views, copies them, and waits. Raises DeviceMemoryError where that is too much at once.
  void draw(const std::vector<FaceOrder>& faces, std::vector<ViewOrder>& views);
  // Seconds of the device for each of `frames` times the same, its first counted out.
  double seconds(const std::vector<FaceOrder>& faces, std::vector<ViewOrder>& views, int frames);

  void vertices(const FaceOrder& face, float* out);
  void gaussians(const FaceOrder& face, float* means, float* covars);

  cudaStream_t stream() const { return stream_.get(); }
  int device() const { return device_; }

 private:
  using Views = std::vector<ViewOrder>;
  Plan& plan_for(const Shape& shape);
  Plan& filled(const std::vector<FaceOrder>& faces, const Views& views);
  void replace(const Plan& plan, std::uint64_t entries);
  void add_plan(const Shape& shape, std::uint32_t capacity);
  void draw_rows(const std::vector<FaceOrder>& faces, ViewOrder& view);
  void wait();

  int device_;
  Stream stream_;
  std::vector<std::unique_ptr<Plan>> plans_;  // the last used last
};

}  // namespace avatar_rt::cuda
