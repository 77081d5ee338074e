// A Gaussian seen by a camera: EWA splatting (Zwicker et al. 2001; Kerbl et al. 2023, §4).
#pragma once

#include "math/camera.h"
#include "math/constants.h"
#include "math/rig.h"

namespace avatar_rt::AVATAR_RT_ISA {

// What is drawn of a Gaussian. With (dx, dy) a pixel's distance to the centre,
//   u = l11·dx + l21·dy,  v = l22·dy,  alpha = opacity·exp(-(u² + v²)/2):
// the inverse covariance's Cholesky factor, which stays accurate for needles where the quadratic
// form cancels.
template <class R>
struct Ellipse {
  R x, y, depth;
  R l11, l21, l22;
  R xx, xy, yy, det;  // the 2D covariance, low-pass included
};

// Where a Gaussian at `mean` (camera space) is drawn, and the rows of its projection's Jacobian.
template <class R>
struct Footprint {
  R x, y, per_depth;
  Vec3<R> row_x, row_y;  // ∂(pixel)/∂(camera space)
};

template <class R>
AVATAR_RT_INLINE Footprint<R> footprint(Vec3<R> mean, const Lens& lens) {
  const R per_depth = rcp(mean.z);
  const R u = mean.x * per_depth, v = mean.y * per_depth;
  const R slope_x = min(max(u, R{} + lens.left), R{} + lens.right);
  const R slope_y = min(max(v, R{} + lens.top), R{} + lens.bottom);
  const R gx = lens.fx * per_depth, gy = lens.fy * per_depth;
  return {lens.fx * u + lens.cx,
          lens.fy * v + lens.cy,
          per_depth,
          {gx, R{}, -gx * slope_x},
          {R{}, gy, -gy * slope_y}};
}

// From the 2D covariance without low-pass; det0 is its determinant, given apart because the caller
// may know it without cancellation.
template <class R>
AVATAR_RT_INLINE Ellipse<R> ellipse(R x, R y, R depth, R xx0, R xy, R yy0, R det0) {
  const R xx = xx0 + kLowPass, yy = yy0 + kLowPass;
  const R det = det0 + kLowPass * (xx0 + yy0) + kLowPass * kLowPass;
  const R per_y = rsqrt(yy), per_area = rsqrt(det), both = per_y * per_area;
  return {x, y, depth, yy * both, -xy * both, per_y, xx, xy, yy, det};
}

// The covariance of a Gaussian whose square root in 3D has the columns t[0..2] after projection to
// x (t.x) and y (t.y).
template <class R>
AVATAR_RT_INLINE Ellipse<R> ellipse_of_root(R x, R y, R depth, const R (&tx)[3],
                                            const R (&ty)[3]) {
  const R xx = tx[0] * tx[0] + tx[1] * tx[1] + tx[2] * tx[2];
  const R xy = tx[0] * ty[0] + tx[1] * ty[1] + tx[2] * ty[2];
  const R yy = ty[0] * ty[0] + ty[1] * ty[1] + ty[2] * ty[2];
  const Vec3<R> area = cross(Vec3<R>{tx[0], tx[1], tx[2]}, Vec3<R>{ty[0], ty[1], ty[2]});
  return ellipse(x, y, depth, xx, xy, yy, dot(area, area));
}

// How far in x the ellipse u² + v² ≤ reach goes within the band low ≤ v ≤ high; it lies beyond the
// band where .room is negative. reach may be in any scale that l11, l21 and l22 share.
template <class R>
struct Span {
  R left, right, room;
};
// dx = per_l11·u + slope·v, and tip is v at the ellipse's rightmost point, for a reach of 1.
template <class R>
struct SpanMaker {
  R per_l11, slope, tip;
};

template <class R>
AVATAR_RT_INLINE SpanMaker<R> span_maker(R l11, R l21, R l22) {
  const R per_l11 = rcp(l11), slope = -l21 * per_l11 * rcp(l22);
  // on the circle dx is greatest where (u, v) has the direction (per_l11, slope)
  return {per_l11, slope, slope * rsqrt(per_l11 * per_l11 + slope * slope)};
}

// tip is the maker's, times the square root of reach. The left end is counted from x_left, the right
// one from x_right.
template <class R>
AVATAR_RT_INLINE Span<R> span(const SpanMaker<R>& s, R reach, R tip, R low, R high, R x_left,
                              R x_right) {
  const R right = min(max(tip, low), high), left = min(max(-tip, low), high);
  const R room = reach - right * right;
  return {(s.slope * left + x_left) - s.per_l11 * rough_sqrt(reach - left * left),
          (s.slope * right + x_right) + s.per_l11 * rough_sqrt(room), room};
}

}  // namespace avatar_rt::AVATAR_RT_ISA
