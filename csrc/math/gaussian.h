// A Gaussian of plain arrays, seen by a camera.
#pragma once

#include "math/project.h"
#include "math/rotation.h"

namespace avatar_rt::AVATAR_RT_ISA {

template <class R>
struct Seen {
  Vec3<R> mean;                    // camera space
  Footprint<R> foot;
  Vec3<R> ax, ay;                  // ∂(pixel)/∂(world): the rows of Jacobian · view rotation
};
template <class R>
AVATAR_RT_INLINE Seen<R> seen_from(const Rigid& view, const Lens& lens, Vec3<R> world) {
  const float* t = view.translation;
  Vec3<R> mean = turned(view.rotation, world);
  mean = {mean.x + t[0], mean.y + t[1], mean.z + t[2]};
  const Footprint<R> foot = footprint(mean, lens);
  return {mean, foot, turned_back(view.rotation, foot.row_x),
          turned_back(view.rotation, foot.row_y)};
}

// v: the covariance, xx xy xz yy yz zz.
template <class R>
AVATAR_RT_INLINE Ellipse<R> ellipse_of_covariance(const Seen<R>& seen, const R (&v)[6]) {
  const Vec3<R> vx = symmetric_times(v, seen.ax), vy = symmetric_times(v, seen.ay);
  const R xx = dot(seen.ax, vx), xy = dot(seen.ay, vx), yy = dot(seen.ay, vy);
  return ellipse(seen.foot.x, seen.foot.y, seen.mean.z, xx, xy, yy, xx * yy - xy * xy);
}

// The axes of a covariance, and what of each a pixel's x and y see.
template <class R>
struct Axes {
  Vec3<R> column[3];               // unit length
  R scale[3], tx[3], ty[3];
};
// q: of unit length.
template <class R>
AVATAR_RT_INLINE Axes<R> axes_of(const Seen<R>& seen, const Quat<R>& q, const R (&scale)[3]) {
  Axes<R> out;
  rotation_columns(q, out.column);
  for (int k = 0; k < 3; ++k) {
    out.scale[k] = scale[k];
    out.tx[k] = scale[k] * dot(seen.ax, out.column[k]);
    out.ty[k] = scale[k] * dot(seen.ay, out.column[k]);
  }
  return out;
}
template <class R>
AVATAR_RT_INLINE Ellipse<R> ellipse_of_axes(const Seen<R>& seen, const Axes<R>& axes) {
  return ellipse_of_root(seen.foot.x, seen.foot.y, seen.mean.z, axes.tx, axes.ty);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
