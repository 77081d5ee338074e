// One block at a time: its threads are fibers, run in an order that a seed shuffles and changed only
// where they meet (barriers, collectives) or pause. A meeting that can never take place ends the
// program with a message.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "emulated/collectives.h"
#include "emulated/launch.h"
#include "fiber.h"
#include "ready.h"
#include "seed.h"

namespace emulated {

struct Thread {
  Thread(void (*body)(void*), int number) : fiber(body, this, number), number(number) {}

  Fiber fiber;
  int number;                   // within the block
  uint3 index{};
  const char* waits = nullptr;  // for what, if it does
  Where where;
  std::uint64_t answer = 0;     // of the collective that it waited for
};

// Lanes that came to a collective, by the lowest lane of the mask that they gave.
struct Group {
  Gathering what;
  unsigned mask, arrived = 0;
  Where where;
};
struct Warp {
  unsigned lanes = 0, exited = 0;
  Group groups[32];
  std::uint64_t values[32];
  int sources[32];
};

class Block {
 public:
  void start(const Kernel& kernel, dim3 block, std::uint64_t seed);
  void run(uint3 index);

  bool running() const { return current_ != nullptr; }
  Thread& current() { return *current_; }
  const Kernel& kernel() const { return *kernel_; }
  int meet(Meeting what, bool predicate, Where where);
  std::uint64_t gather(Gathering what, unsigned mask, std::uint64_t value, int source, Where where);
  void pause();

 private:
  static void live(void* thread);
  void go_on();
  void step_to(Fiber& from, Thread& next);
  void exit();
  void release_barrier();
  void resolve(Warp& warp, Group& group, int first_thread);
  [[noreturn]] void stuck();

  const Kernel* kernel_ = nullptr;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<int> order_;
  Warp warps_[32];
  Ready ready_;
  Fiber outside_;
  Thread* current_ = nullptr;
  Seed seed_;
  int count_ = 0, live_ = 0;
  int arrived_ = 0, agreed_ = 0, barrier_answer_ = 0;
  Meeting meeting_ = Meeting::barrier;
  Where barrier_where_;
  bool depth_first_ = false;
  int pauses_ = 0;              // since anything else happened
};

Block& block();  // the one that runs, or will

}  // namespace emulated
