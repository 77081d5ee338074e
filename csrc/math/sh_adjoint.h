// The adjoint of sh.h in the direction.
#pragma once

#include "math/sh.h"

namespace avatar_rt::AVATAR_RT_ISA {

// ∂L/∂ of the unit direction d as if it were free, given ∂L/∂ of the first `count` basis functions.
template <class R>
AVATAR_RT_INLINE Vec3<R> sh_basis_adjoint(Vec3<R> d, int count, const R (&g)[16]) {
  const R x = d.x, y = d.y, z = d.z;
  Vec3<R> out = {R{}, R{}, R{}};
  if (count < 4) return out;
  out.x = -0.4886025119029199f * g[3];
  out.y = -0.4886025119029199f * g[1];
  out.z = 0.4886025119029199f * g[2];
  if (count < 9) return out;
  const R xy = 1.0925484305920792f * g[4], yz = -1.0925484305920792f * g[5];
  const R xz = -1.0925484305920792f * g[7];
  const R zonal = 0.31539156525252005f * g[6], sides = 0.5462742152960396f * g[8];
  out.x += xy * y + xz * z + 2.0f * (sides - zonal) * x;
  out.y += xy * x + yz * z - 2.0f * (sides + zonal) * y;
  out.z += yz * y + xz * x + 4.0f * zonal * z;
  if (count < 16) return out;
  const R xx = x * x, yy = y * y, zz = z * z;
  const R a = -0.5900435899266435f * g[9], b = 2.890611442640554f * g[10];
  const R c = -0.4570457994644658f * g[11], e = 0.3731763325901154f * g[12];
  const R f = -0.4570457994644658f * g[13], h = 1.445305721320277f * g[14];
  const R k = -0.5900435899266435f * g[15];
  out.x += 6.0f * a * x * y + b * y * z - 2.0f * c * x * y - 6.0f * e * x * z +
           f * (4.0f * zz - 3.0f * xx - yy) + 2.0f * h * x * z + 3.0f * k * (xx - yy);
  out.y += 3.0f * a * (xx - yy) + b * x * z + c * (4.0f * zz - xx - 3.0f * yy) -
           6.0f * e * y * z - 2.0f * f * x * y - 2.0f * h * y * z - 6.0f * k * x * y;
  out.z += b * x * y + 8.0f * c * y * z + 3.0f * e * (2.0f * zz - xx - yy) + 8.0f * f * x * z +
           h * (xx - yy);
  return out;
}

// The unit direction of `v`, and the adjoint of that step.
template <class R>
struct Direction {
  Vec3<R> unit;
  R per_length;
};
template <class R>
AVATAR_RT_INLINE Direction<R> direction_of(Vec3<R> v) {
  const R per_length = rsqrt(max(dot(v, v), R{} + kTinySquare));
  return {per_length * v, per_length};
}
template <class R>
AVATAR_RT_INLINE Vec3<R> direction_adjoint(const Direction<R>& d, Vec3<R> g) {
  return d.per_length * (g - dot(d.unit, g) * d.unit);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
