// One step of alpha blending, front to back.
//
// A Gaussian's alpha is found in the exponent's own scale: power = (log2 alpha + 127)·2²³, so that
// the integer nearest to it is almost the float 2^(log2 alpha) itself. u and v of project.h carry
// the factor kExponentRoot, and log2 of the opacity is folded in as `level`.
#pragma once

#include "math/constants.h"
#include "math/inline.h"
#include "math/lane.h"

namespace avatar_rt::AVATAR_RT_ISA {

inline constexpr float kMantissa = 8388608.0f;                 // 2²³
inline constexpr float kExponentRoot = 2459.8987f;             // √(2²³ · log2(e) / 2)
inline constexpr float kExponentBias = 127.0f;

inline constexpr float kMaxPower =
    (kExponentBias - 0.0144995697f) * kMantissa;               // log2 of kAlphaMax

AVATAR_RT_INLINE float exponent_level(float log2_alpha) {
  return (log2_alpha + kExponentBias) * kMantissa;
}

// 2^(power/2²³ - 127) where power ≥ threshold, else 0. The exponent bits are right as they are; the
// mantissa m in [1, 2) stands for 2^(m-1), fitted by a cubic (minimax, relative error 7.5e-5).
AVATAR_RT_INLINE F alpha_of(F power, F threshold) {
  const M kept = at_least(power, threshold);
  const I bits = nearest_int(power);
  const F m = (F)((bits & 0x007fffff) | 0x3f800000);
  const F curve =
      ((0.078024541f * m - 0.008006440f) * m + 0.477772761f) * m + 0.452134364f;
  return masked_product(kept, curve, (F)(bits & 0x7f800000));
}

}  // namespace avatar_rt::AVATAR_RT_ISA
