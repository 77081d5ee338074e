// One step of alpha blending, front to back.
//
// u and v of project.h carry the factor kExponentRoot, and log2 of the opacity is folded in as
// `level`: what is left of it behind u² + v² is the power of math/curves.h.
#pragma once

#include "math/constants.h"
#include "math/curves.h"
#include "math/inline.h"
#include "math/lane.h"

namespace avatar_rt::AVATAR_RT_ISA {

inline constexpr float kMantissa = 8388608.0f;       // 2²³
inline constexpr float kExponentRoot = 2459.8987f;   // √(2²³ · log2(e) / 2)

template <class R>
AVATAR_RT_INLINE R exponent_level(R log2_alpha) {
  return log2_alpha * kMantissa;
}

// alpha at a power, at most kAlphaMax: behind so dense a splat an error counts a hundredfold.
// Anything where the power is far from what alphas have.
template <class C>
AVATAR_RT_INLINE F unchecked_alpha(F power) {
  const I bits = nearest_int(power), whole = bits & ~0x007fffff;
  const F m = (F)((bits & 0x007fffff) | 0x3f800000);
  return min((F)((I)C::of(m) + whole), splat(kAlphaMax));
}

// Unlike the others this one has no maximum.
template <>
AVATAR_RT_INLINE F unchecked_alpha<Rough>(F power) {
  return (F)nearest_int(power);
}

// 0 where power < threshold.
template <class C>
AVATAR_RT_INLINE F alpha_of(F power, F threshold) {
  return select(at_least(power, threshold), unchecked_alpha<C>(power), F{});
}

// T·alpha_of(power, threshold).
template <class C>
AVATAR_RT_INLINE F weight_of(F T, F power, F threshold) {
  return masked_product(at_least(power, threshold), unchecked_alpha<C>(power), T);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
