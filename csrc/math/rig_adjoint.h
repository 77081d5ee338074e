// The adjoint of rig.h: from a Gaussian in the world back to its place in its triangle's frame, and
// from that frame back to the triangle's corners.
#pragma once

#include "math/rig.h"
#include "math/rotation.h"

namespace avatar_rt::AVATAR_RT_ISA {

// A Gaussian in its triangle's frame. b1 and b2 are the barycentric weights of corners 1 and 2; that
// of corner 0 is what they leave of one.
template <class R>
struct LocalGaussian {
  Vec3<R> offset;
  R b1, b2;
  Quat<R> quat;  // over its length
  R per_length;
  R scale[3];
};

// In the world: its covariance is Σ root[k]·root[k]ᵀ; turned[k] is root[k] by a scale of one.
template <class R>
struct PlacedGaussian {
  Vec3<R> local, mean, column[3], turned[3], root[3];
};

template <class R>
AVATAR_RT_INLINE PlacedGaussian<R> place(const TriangleFrame<R>& frame,
                                         const LocalGaussian<R>& own) {
  PlacedGaussian<R> out;
  out.local = local_mean(frame, own.offset, own.b1, own.b2);
  out.mean = to_world(frame, out.local);
  rotation_columns(own.quat, out.column);
  for (int k = 0; k < 3; ++k) {
    const Vec3<R> c = out.column[k];
    out.turned[k] = c.x * frame.axis[0] + c.y * frame.axis[1] + c.z * frame.axis[2];
    out.root[k] = own.scale[k] * out.turned[k];
  }
  return out;
}

// xx xy xz yy yz zz
template <class R>
AVATAR_RT_INLINE void covariance(const PlacedGaussian<R>& placed, R (&out)[6]) {
  const Vec3<R>(&r)[3] = placed.root;
  out[0] = r[0].x * r[0].x + r[1].x * r[1].x + r[2].x * r[2].x;
  out[1] = r[0].x * r[0].y + r[1].x * r[1].y + r[2].x * r[2].y;
  out[2] = r[0].x * r[0].z + r[1].x * r[1].z + r[2].x * r[2].z;
  out[3] = r[0].y * r[0].y + r[1].y * r[1].y + r[2].y * r[2].y;
  out[4] = r[0].y * r[0].z + r[1].y * r[1].z + r[2].y * r[2].z;
  out[5] = r[0].z * r[0].z + r[1].z * r[1].z + r[2].z * r[2].z;
}

template <class R>
struct LocalGradient {
  Vec3<R> offset;
  R b1, b2;
  Quat<R> quat;
  R scale[3];
};

// In an affine frame the last three stand for constants, and nothing reads them.
template <class R>
struct FrameGradient {
  Vec3<R> axis[3], origin;
  R along1, along2, across2;
};

// `mean` and `covar` are the gradients of the mean and of the covariance's six numbers.
template <class R>
AVATAR_RT_INLINE void place_adjoint(const TriangleFrame<R>& frame, const LocalGaussian<R>& own,
                                    const PlacedGaussian<R>& placed, Vec3<R> mean,
                                    const R (&covar)[6], LocalGradient<R>& local,
                                    FrameGradient<R>& of_frame) {
  of_frame.axis[0] = placed.local.x * mean;
  of_frame.axis[1] = placed.local.y * mean;
  of_frame.axis[2] = placed.local.z * mean;
  of_frame.origin = mean;
  const Vec3<R> g = {dot(frame.axis[0], mean), dot(frame.axis[1], mean), dot(frame.axis[2], mean)};
  local.offset = g;
  local.b1 = g.x * frame.along1;
  local.b2 = g.x * frame.along2 + g.y * frame.flat2 + g.z * frame.across2;
  of_frame.along1 = own.b1 * g.x;
  of_frame.along2 = own.b2 * g.x;
  of_frame.across2 = own.b2 * g.z;

  // Σ = W·Wᵀ: the gradient of W is (G + Gᵀ)·W, and G's off-diagonal entries stand for two
  const R xx = covar[0] + covar[0], yy = covar[3] + covar[3], zz = covar[5] + covar[5];
  Vec3<R> of_column[3];
  for (int k = 0; k < 3; ++k) {
    const Vec3<R> w = placed.root[k];
    const Vec3<R> of_root = {xx * w.x + covar[1] * w.y + covar[2] * w.z,
                             covar[1] * w.x + yy * w.y + covar[4] * w.z,
                             covar[2] * w.x + covar[4] * w.y + zz * w.z};
    local.scale[k] = dot(of_root, placed.turned[k]);
    const Vec3<R> of_turned = own.scale[k] * of_root, c = placed.column[k];
    of_column[k] = {dot(frame.axis[0], of_turned), dot(frame.axis[1], of_turned),
                    dot(frame.axis[2], of_turned)};
    of_frame.axis[0] = of_frame.axis[0] + c.x * of_turned;
    of_frame.axis[1] = of_frame.axis[1] + c.y * of_turned;
    of_frame.axis[2] = of_frame.axis[2] + c.z * of_turned;
  }
  local.quat = rotation_adjoint(own.quat, own.per_length, of_column);
}

// A triangle without area has no shape to change: its frame's gradient moves only its corner 0, as
// that is the frame's origin. The other factors are set to zero instead of dividing by nothing.
template <class R>
AVATAR_RT_INLINE void affine_frame_adjoint(Vec3<R> v0, Vec3<R> v1, Vec3<R> v2, R tiny,
                                           const FrameGradient<R>& g, Vec3<R> (&corner)[3]) {
  const Vec3<R> e1 = v1 - v0, e2 = v2 - v0, n = cross(e1, e2);
  const R area2 = dot(n, n);
  const R per_area = select(at_least(area2, tiny), rsqrt(max(area2, tiny)), R{});
  // axis 2 is n·(n·n)^(-1/4)
  const R along = dot(g.axis[2], n) * per_area * per_area / (R{} + 2);
  const Vec3<R> of_n = sqrt(per_area) * (g.axis[2] - along * n);
  corner[1] = g.axis[0] + cross(e2, of_n);
  corner[2] = g.axis[1] + cross(of_n, e1);
  corner[0] = g.origin - corner[1] - corner[2];
}

template <class R>
AVATAR_RT_INLINE void similarity_frame_adjoint(Vec3<R> v0, Vec3<R> v1, Vec3<R> v2, R tiny,
                                               const FrameGradient<R>& g, Vec3<R> (&corner)[3]) {
  const R zero{};
  const Vec3<R> e1 = v1 - v0, e2 = v2 - v0, normal = cross(e1, e2);
  const R length2 = dot(e1, e1), area2 = dot(normal, normal);
  const auto solid = both(at_least(length2, tiny), at_least(area2, tiny));
  const R per_length = select(solid, rsqrt(max(length2, tiny)), zero);
  const R per_area = select(solid, rsqrt(max(area2, tiny)), zero);
  const Vec3<R> a0 = per_length * e1, n = per_area * normal, a1 = cross(a0, n);
  const R length = dot(a0, e1), along = dot(a0, e2), across = dot(a1, e2);
  const R s = (length + max(across, -across)) / (zero + 2);
  const R per_scale = select(solid, rcp(max(s, sqrt(tiny))), zero);

  R of_length = g.along1 * per_scale;
  const R of_along = g.along2 * per_scale;
  R of_across = g.across2 * per_scale;
  const R of_scale = dot(g.axis[0], a0) + dot(g.axis[1], n) + dot(g.axis[2], a1) -
                     per_scale * (of_length * length + of_along * along + of_across * across);
  const R half = of_scale / (zero + 2);
  of_length += half;
  of_across += select(at_least(across, zero), half, -half);
  const Vec3<R> of_a1 = s * g.axis[2] + of_across * e2;
  const Vec3<R> of_a0 = s * g.axis[0] + of_along * e2 + cross(n, of_a1);
  const Vec3<R> of_n = s * g.axis[1] + cross(of_a1, a0);
  const Vec3<R> of_normal = per_area * (of_n - dot(of_n, n) * n);
  corner[1] = of_length * a0 + per_length * (of_a0 - dot(of_a0, a0) * a0) + cross(e2, of_normal);
  corner[2] = of_across * a1 + of_along * a0 + cross(of_normal, e1);
  corner[0] = g.origin - corner[1] - corner[2];
}

}  // namespace avatar_rt::AVATAR_RT_ISA
