// The adjoint of gaussian.h: from a Gaussian's sums over its pixels back to its parameters and to the
// camera.
#pragma once

#include "math/gaussian.h"
#include "math/project_adjoint.h"

namespace avatar_rt::AVATAR_RT_ISA {

// ∂L/∂ of Seen's ax and ay.
template <class R>
struct RowAdjoint {
  Vec3<R> ax, ay;
};

// out: of the covariance's six numbers, each of which stands for two entries where it is not on the
// diagonal.
template <class R>
AVATAR_RT_INLINE RowAdjoint<R> covariance_adjoint(const Seen<R>& seen, const R (&v)[6],
                                                  const EllipseAdjoint<R>& e, R (&out)[6]) {
  const Vec3<R> ax = seen.ax, ay = seen.ay;
  const Vec3<R> vx = symmetric_times(v, ax), vy = symmetric_times(v, ay);
  const Vec3<R> hx = e.xx * ax + e.xy * ay, hy = e.xy * ax + e.yy * ay;
  out[0] = ax.x * hx.x + ay.x * hy.x;
  out[1] = 2.0f * (ax.x * hx.y + ay.x * hy.y);
  out[2] = 2.0f * (ax.x * hx.z + ay.x * hy.z);
  out[3] = ax.y * hx.y + ay.y * hy.y;
  out[4] = 2.0f * (ax.y * hx.z + ay.y * hy.z);
  out[5] = ax.z * hx.z + ay.z * hy.z;
  return {2.0f * e.xx * vx + 2.0f * e.xy * vy, 2.0f * e.xy * vx + 2.0f * e.yy * vy};
}

// out: of the quaternion before it was divided by its length, and of the scales.
template <class R>
AVATAR_RT_INLINE RowAdjoint<R> axes_adjoint(const Seen<R>& seen, const Axes<R>& axes,
                                            const Quat<R>& q, R per_length,
                                            const EllipseAdjoint<R>& e, Quat<R>& of_quat,
                                            R (&of_scale)[3]) {
  RowAdjoint<R> out{};
  Vec3<R> of_column[3];
  for (int k = 0; k < 3; ++k) {
    const RootAdjoint<R> of_t = root_adjoint(e, axes.tx[k], axes.ty[k]);
    of_scale[k] = of_t.x * dot(seen.ax, axes.column[k]) + of_t.y * dot(seen.ay, axes.column[k]);
    const R x = axes.scale[k] * of_t.x, y = axes.scale[k] * of_t.y;
    out.ax = out.ax + x * axes.column[k];
    out.ay = out.ay + y * axes.column[k];
    of_column[k] = x * seen.ax + y * seen.ay;
  }
  of_quat = rotation_adjoint(q, per_length, of_column);
  return out;
}

// Of the mean: in camera space, and in the world.
template <class R>
struct MeanAdjoint {
  Vec3<R> seen, world;
};
template <class R>
AVATAR_RT_INLINE MeanAdjoint<R> mean_adjoint(const Rigid& view, const Lens& lens,
                                             const Seen<R>& seen, const EllipseAdjoint<R>& e,
                                             const RowAdjoint<R>& rows) {
  const float* rotation = view.rotation;
  const Vec3<R> of_mean = footprint_adjoint(seen.mean, seen.foot, lens, e.x, e.y,
                                            turned(rotation, rows.ax), turned(rotation, rows.ay));
  return {of_mean, turned_back(rotation, of_mean)};
}

inline constexpr int kViewNumbers = 12;

// out: of the view's rotation, row by row, and of its translation.
template <class R>
AVATAR_RT_INLINE void view_adjoint(const Seen<R>& seen, Vec3<R> world, const RowAdjoint<R>& rows,
                                   Vec3<R> of_mean, R* out) {
  const R along[3] = {of_mean.x, of_mean.y, of_mean.z};
  const R row_x[3] = {seen.foot.row_x.x, seen.foot.row_x.y, seen.foot.row_x.z};
  const R row_y[3] = {seen.foot.row_y.x, seen.foot.row_y.y, seen.foot.row_y.z};
  for (int k = 0; k < 3; ++k) {
    const Vec3<R> line = along[k] * world + row_x[k] * rows.ax + row_y[k] * rows.ay;
    out[3 * k] = line.x;
    out[3 * k + 1] = line.y;
    out[3 * k + 2] = line.z;
    out[9 + k] = along[k];
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
