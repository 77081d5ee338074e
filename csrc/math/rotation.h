// The rotation of a quaternion, and its adjoint.
#pragma once

#include "math/rig.h"

namespace avatar_rt::AVATAR_RT_ISA {

template <class R>
struct Quat {
  R w, x, y, z;
};

// The columns of the rotation matrix of a unit quaternion.
template <class R>
AVATAR_RT_INLINE void rotation_columns(const Quat<R>& q, Vec3<R> (&column)[3]) {
  const R w = q.w, x = q.x, y = q.y, z = q.z;
  column[0] = {1.0f - 2.0f * (y * y + z * z), 2.0f * (x * y + w * z), 2.0f * (x * z - w * y)};
  column[1] = {2.0f * (x * y - w * z), 1.0f - 2.0f * (x * x + z * z), 2.0f * (y * z + w * x)};
  column[2] = {2.0f * (x * z + w * y), 2.0f * (y * z - w * x), 1.0f - 2.0f * (x * x + y * y)};
}

// ∂L/∂ of a quaternion of any length, given ∂L/∂ of the columns of its rotation; `q` is the
// quaternion over its length, per_length one over it.
template <class R>
AVATAR_RT_INLINE Quat<R> rotation_adjoint(const Quat<R>& q, R per_length,
                                          const Vec3<R> (&g)[3]) {
  const R w = q.w, x = q.x, y = q.y, z = q.z;
  const Vec3<R> a = g[0], b = g[1], c = g[2];
  const R of_w = (a.y - b.x) * z + (c.x - a.z) * y + (b.z - c.y) * x;
  const R of_x = (a.y + b.x) * y + (a.z + c.x) * z + (b.z - c.y) * w - 2.0f * (b.y + c.z) * x;
  const R of_y = (a.y + b.x) * x + (b.z + c.y) * z + (c.x - a.z) * w - 2.0f * (a.x + c.z) * y;
  const R of_z = (a.z + c.x) * x + (b.z + c.y) * y + (a.y - b.x) * w - 2.0f * (a.x + b.y) * z;
  const R along = w * of_w + x * of_x + y * of_y + z * of_z, scale = 2.0f * per_length;
  return {scale * (of_w - along * w), scale * (of_x - along * x), scale * (of_y - along * y),
          scale * (of_z - along * z)};
}

}  // namespace avatar_rt::AVATAR_RT_ISA
