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

template <class R>
AVATAR_RT_INLINE R exponent_level(R log2_alpha) {
  return (log2_alpha + kExponentBias) * kMantissa;
}

// alpha = 2^(power/2²³ - 127), at most kAlphaMax, where power ≥ threshold, else 0. The exponent's bits
// are right as they are; the mantissa m in [1, 2) stands for 2^(m-1), for which there is a curve. At
// kMaxPower it gives kAlphaMax to the last bit: behind such a splat an error counts a hundredfold.
struct Cubic {  // relative error 7.5e-5 (minimax)
  static constexpr float kMaxPower = (kExponentBias - 0.0144323185f) * kMantissa;
  AVATAR_RT_INLINE static F of(F m) {
    return ((0.078024541f * m - 0.008006440f) * m + 0.477772761f) * m + 0.452134364f;
  }
};
struct Parabola {  // relative error 1.7e-3 (minimax): less than 8-bit colours can tell
  static constexpr float kMaxPower = (kExponentBias - 0.0124644580f) * kMantissa;
  AVATAR_RT_INLINE static F of(F m) {
    return (0.33718943f * m - 0.01674259f) * m + 0.68127792f;
  }
};

template <class Curve>
AVATAR_RT_INLINE F alpha_of(F power, F threshold) {
  power = min(power, splat(Curve::kMaxPower));
  const M kept = at_least(power, threshold);
  const I bits = nearest_int(power);
  const F m = (F)((bits & 0x007fffff) | 0x3f800000);
  return masked_product(kept, Curve::of(m), (F)(bits & 0x7f800000));
}

// T·alpha with the curve left out, m itself in its place: at most 6 % too much. There is no maximum.

AVATAR_RT_INLINE F rough_weight(F T, F power, F threshold) {
  return masked_product(at_least(power, threshold), (F)nearest_int(power), T);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
