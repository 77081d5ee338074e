// Where a thread stands. The scheduler writes this whenever it goes on to another thread.
#pragma once

#include "emulated/vectors.h"

namespace emulated {

struct Standing {
  uint3 thread, block;
  dim3 threads, blocks;
};
extern Standing standing;

}  // namespace emulated

inline constexpr const uint3& threadIdx = emulated::standing.thread;
inline constexpr const uint3& blockIdx = emulated::standing.block;
inline constexpr const dim3& blockDim = emulated::standing.threads;
inline constexpr const dim3& gridDim = emulated::standing.blocks;
inline constexpr int warpSize = 32;
