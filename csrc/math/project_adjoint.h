// The adjoints of project.h: from an ellipse on the screen back to a Gaussian in space and to the
// camera. A struct FooAdjoint holds ∂L/∂ of Foo's fields.
#pragma once

#include "math/blend_adjoint.h"
#include "math/project.h"

namespace avatar_rt::AVATAR_RT_ISA {

// Of an ellipse's centre and of its 2D covariance, as dL = xx·dΣxx + 2·xy·dΣxy + yy·dΣyy.
template <class R>
struct EllipseAdjoint {
  R x, y, xx, xy, yy;
};

// With A = (l11 l21; 0 l22) and w = A·d = (u, v): ∂(log alpha)/∂centre = Σ⁻¹d = Aᵀw and
// ∂(log alpha)/∂Σ = ½ Σ⁻¹d dᵀΣ⁻¹ = ½ Aᵀ(w wᵀ)A.
template <class R>
AVATAR_RT_INLINE EllipseAdjoint<R> ellipse_adjoint(const Ellipse<R>& e, const Moments<R>& m) {
  const R u_y = m.uu * e.l21 + m.uv * e.l22, v_y = m.uv * e.l21 + m.vv * e.l22;
  return {e.l11 * m.u, e.l21 * m.u + e.l22 * m.v, 0.5f * e.l11 * e.l11 * m.uu, 0.5f * e.l11 * u_y,
          0.5f * (e.l21 * u_y + e.l22 * v_y)};
}

// Of the mean in camera space, given those of the footprint's centre and of its rows.
template <class R>
AVATAR_RT_INLINE Vec3<R> footprint_adjoint(Vec3<R> mean, const Footprint<R>& foot,
                                           const Lens& lens, R x, R y, Vec3<R> row_x,
                                           Vec3<R> row_y) {
  const R zero{};
  const R u = mean.x * foot.per_depth, v = mean.y * foot.per_depth;
  const R slope_x = min(max(u, zero + lens.left), zero + lens.right);
  const R slope_y = min(max(v, zero + lens.top), zero + lens.bottom);
  const R gx = foot.row_x.x, gy = foot.row_y.y;
  // beyond the margin the slopes are frozen
  const auto free_x = both(less(zero + lens.left, u), less(u, zero + lens.right));
  const auto free_y = both(less(zero + lens.top, v), less(v, zero + lens.bottom));
  const R of_u = lens.fx * x - select(free_x, gx * row_x.z, zero);
  const R of_v = lens.fy * y - select(free_y, gy * row_y.z, zero);
  const R of_gx = row_x.x - slope_x * row_x.z, of_gy = row_y.y - slope_y * row_y.z;
  // u, v, gx and gy all go with 1/z
  return {of_u * foot.per_depth, of_v * foot.per_depth,
          -foot.per_depth * (of_u * u + of_v * v + of_gx * gx + of_gy * gy)};
}

// Of the rows t (one axis of the covariance's root, projected to x and y).
template <class R>
struct RootAdjoint {
  R x, y;
};
template <class R>
AVATAR_RT_INLINE RootAdjoint<R> root_adjoint(const EllipseAdjoint<R>& e, R tx, R ty) {
  return {2.0f * (e.xx * tx + e.xy * ty), 2.0f * (e.xy * tx + e.yy * ty)};
}

}  // namespace avatar_rt::AVATAR_RT_ISA
