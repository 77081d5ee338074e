// CUDA's words for the compiler. Blocks run one after the other on one OS thread, so a variable that
// the threads of a block share is a static one. The race checker's build makes it thread-local, which
// puts all shared variables into one range of addresses that it can find.
#pragma once

#include <memory>  // says __noinline__ itself, in its own meaning

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#if defined(AVATAR_RT_EMULATED_RACES)
#define __shared__ static thread_local
#else
#define __shared__ static
#endif
