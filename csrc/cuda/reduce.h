// Sums and maxima over a warp, and sums in memory.
#pragma once

#include "cuda/cover.h"

namespace avatar_rt::cuda {

template <class T>
__device__ __forceinline__ T warp_sum(T value) {
  for (int beside = kWarp / 2; beside > 0; beside /= 2) {
    value += __shfl_xor_sync(kAll, value, beside);
  }
  return value;
}

__device__ __forceinline__ std::uint32_t warp_max(std::uint32_t value) {
  for (int beside = kWarp / 2; beside > 0; beside /= 2) {
    const std::uint32_t other = __shfl_xor_sync(kAll, value, beside);
    value = other > value ? other : value;
  }
  return value;
}

// The same pointer, known to point to global memory: additions to what might also be shared memory
// take twice the code.
template <class T>
__device__ __forceinline__ T* global(T* data) {
#if defined(__CUDA_ARCH__)
  __builtin_assume(__isGlobal(data));
#endif
  return data;
}

inline constexpr int kFolded = 8;

// kCount sums at once over each kLanes lanes of the warp; eight of 32 lanes take nine exchanges where
// one by one would take forty: halves of the lanes each go on with half of the sums. Lane
// (kLanes / kCount)·k of them has that of values[k].
template <int kLanes = kWarp, int kCount>
__device__ __forceinline__ float fold(float (&values)[kCount]) {
  int beside = kLanes / 2;
  for (int half = kCount / 2; half > 0; half /= 2, beside /= 2) {
    const bool upper = (lane_of() & beside) != 0;
    for (int k = 0; k < half; ++k) {
      const float sent = upper ? values[k] : values[k + half];
      const float kept = upper ? values[k + half] : values[k];
      values[k] = kept + __shfl_xor_sync(kAll, sent, beside);
    }
  }
  float sum = values[0];
  for (; beside > 0; beside /= 2) sum += __shfl_xor_sync(kAll, sum, beside);
  return sum;
}

}  // namespace avatar_rt::cuda
