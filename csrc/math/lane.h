// A lane is a pack of kWidth floats that one instruction handles: F floats, I 32-bit integers, M a
// mask. Arithmetic on F and I is the compiler's own vector arithmetic; what it lacks is here, once
// per instruction set. The templates of csrc/math take F, or float and double through scalar.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "math/constants.h"
#include "math/inline.h"

#if defined(__AVX512F__)
#include "math/lane_avx512.h"
#elif defined(__AVX2__)
#include "math/lane_avx2.h"
#else
#include "math/lane_portable.h"
#endif

namespace avatar_rt::AVATAR_RT_ISA {

AVATAR_RT_INLINE F load(const float* p) {
  F v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
AVATAR_RT_INLINE I load(const std::int32_t* p) {
  I v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
AVATAR_RT_INLINE void store(float* p, F v) { std::memcpy(p, &v, sizeof v); }
AVATAR_RT_INLINE void store(std::int32_t* p, I v) { std::memcpy(p, &v, sizeof v); }
// x - 0 is x, which x + 0 is not where x is -0: the compiler leaves the former out
AVATAR_RT_INLINE F splat(float x) { return x - F{}; }
AVATAR_RT_INLINE I splat(std::int32_t x) { return I{} + x; }
AVATAR_RT_INLINE F clamp(F v, F low, F high) { return min(max(v, low), high); }
AVATAR_RT_INLINE I clamp(I v, I low, I high) { return min(max(v, low), high); }
// Within 4e-4 of itself; 0 for what is negative.
AVATAR_RT_INLINE F rough_sqrt(F v) {
  v = max(v, splat(kTinySquare));
  return v * rough_rsqrt(v);
}
AVATAR_RT_INLINE F sqrt(F v) { return v * rsqrt(max(v, splat(kTinySquare))); }

// Four floats, on every processor.
typedef float F4 __attribute__((vector_size(16)));
AVATAR_RT_INLINE F4 load4(const float* p) {
  F4 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
AVATAR_RT_INLINE void store4(float* p, F4 v) { std::memcpy(p, &v, sizeof v); }

}  // namespace avatar_rt::AVATAR_RT_ISA
