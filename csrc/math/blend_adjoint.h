// The adjoint of one step of blending.
//
// A pixel shows Σ w·c + T_end·background, w = alpha·T. For the loss L let a Gaussian's worth be what
// its colour brings per weight, p = ∂L/∂pixel · c, and let `behind` be what everything later brings:
// Σ w·p over the Gaussians behind it, and T_end·(∂L/∂pixel · background - ∂L/∂alpha). Then
//   ∂L/∂alpha = T·p - behind/(1 - alpha),  so  ∂L/∂(log alpha) = w·(p - behind/T_next).
// The sum of all w·p is known from the picture itself, so that one walk from front to back does it.
#pragma once

#include "math/scalar.h"

namespace avatar_rt::AVATAR_RT_ISA {

// Σ g, Σ g·u … Σ g·v² over a Gaussian's pixels: g = ∂L/∂(log alpha), and (u, v) of project.h, whose
// level sets are circles, so that no moment of a needle cancels.
template <class R>
struct Moments {
  R one, u, v, uu, uv, vv;
};

// ∂L/∂(log alpha) of one Gaussian in one pixel; `next` is the transmittance behind it.
template <class R>
AVATAR_RT_INLINE R log_alpha_gradient(R weight, R worth, R behind, R next) {
  return weight * (worth - behind * rcp(next));
}

template <class R>
AVATAR_RT_INLINE void add_moments(Moments<R>& sum, R g, R u, R v) {
  const R gu = g * u, gv = g * v;
  sum.one += g;
  sum.u += gu;
  sum.v += gv;
  sum.uu += gu * u;
  sum.uv += gu * v;
  sum.vv += gv * v;
}

}  // namespace avatar_rt::AVATAR_RT_ISA
