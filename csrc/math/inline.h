// How the functions of csrc/math are declared: force-inlined, and in the namespace of the
// instruction set that their file is compiled for (AVATAR_RT_ISA, set by cmake/isa.cmake), so that
// no two objects can share a symbol compiled for different processors.
#pragma once

#if !defined(AVATAR_RT_ISA)
#define AVATAR_RT_ISA scalar  // files that are compiled once, for the baseline
#endif

#if defined(__CUDACC__)
#define AVATAR_RT_INLINE __host__ __device__ __forceinline__
#else
#define AVATAR_RT_INLINE [[gnu::always_inline]] inline
#endif
