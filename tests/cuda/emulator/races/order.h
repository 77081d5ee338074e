// Which accesses are ordered before what a thread does now. A thread has a time, which rises whenever
// others may learn of its past: at __syncwarp, at a fence, and at __syncthreads, where all of a block
// agree on a later one. An access is known by its thread and that thread's time.
//
// Between blocks of a launch, a thread that fences (__threadfence) and later writes a location by an
// atomic function hands on all that it knew at the fence to whoever reads the location by an atomic
// function or past the caches. Where all threads of a block have fenced what they wrote and then meet
// at a barrier, any of them may hand it on.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "emulated/vectors.h"
#include "knowledge.h"

namespace emulated::races {

inline constexpr std::uint32_t kBlockThreads = 1024;

struct Moment {
  std::uint32_t thread;  // number of the block in the grid × kBlockThreads + number in the block
  std::uint32_t time;
};

class Order {
 public:
  void launch_starts();
  void block_starts(std::uint32_t block, int threads);
  void thread_runs(int number) { me_ = number; }
  void barrier_passed();
  void synced(int first_thread, unsigned mask);
  void fenced();
  void wrote() { threads_[me_].unfenced = true; }
  void observed(std::uintptr_t address);   // read by an atomic function, or past the caches
  void published(std::uintptr_t address);  // written by one

  Moment now() const { return {id(me_), threads_[me_].now}; }
  std::uint32_t block() const { return block_; }
  bool before_now(Moment access) const;

 private:
  struct Fence {
    std::uint32_t start = 0, time = 0;       // of the block, and of the thread; 0: there was none
    std::uint32_t seen[32];
    Knowledge known;
  };
  struct Thread {
    std::uint32_t now;
    std::uint32_t seen[32];                  // of its warp's lanes: their past up to this time
    Knowledge known;
    Fence fence;
    bool unfenced;                           // has written device memory since its last fence
  };

  std::uint32_t id(int number) const {
    return block_ * kBlockThreads + static_cast<std::uint32_t>(number);
  }
  void snapshot(Thread& thread);

  Thread threads_[kBlockThreads];
  int count_ = 0, me_ = 0;
  std::uint32_t block_ = 0, start_ = 0;      // everything in this block before `start_` is known
  bool any_fence_ = false;                   // since the last barrier
  std::unordered_map<std::uintptr_t, Knowledge> published_;
};

}  // namespace emulated::races
