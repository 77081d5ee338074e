// One step of alpha blending for a single pixel, where the hardware has a power of two of its own.
// Powers are log2 of alpha; u and v of project.h carry the factor kLog2Root.
#pragma once

#include "math/constants.h"
#include "math/scalar.h"

namespace avatar_rt::AVATAR_RT_ISA {

inline constexpr float kLog2Root = 0.84932180f;  // √(log2(e) / 2)

AVATAR_RT_INLINE float power_of_two(float power) {
#if defined(__CUDA_ARCH__)
  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(power));
  return out;
#else
  return __builtin_exp2f(power);
#endif
}

// alpha where it is at least the minimum, otherwise 0.
AVATAR_RT_INLINE float alpha_at(float power, float log2_alpha_min) {
  return power >= log2_alpha_min ? min(power_of_two(power), kAlphaMax) : 0.0f;
}

}  // namespace avatar_rt::AVATAR_RT_ISA
