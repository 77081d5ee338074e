// From a triangle's corners to the frame that its Gaussians live in, and from there to one of them.
#pragma once

#include "math/inline.h"
#include "math/scalar.h"

namespace avatar_rt::AVATAR_RT_ISA {

template <class R>
struct Vec3 {
  R x, y, z;
};
template <class R>
AVATAR_RT_INLINE Vec3<R> operator+(Vec3<R> a, Vec3<R> b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}
template <class R>
AVATAR_RT_INLINE Vec3<R> operator-(Vec3<R> a, Vec3<R> b) {
  return {a.x - b.x, a.y - b.y, a.z - b.z};
}
template <class R>
AVATAR_RT_INLINE Vec3<R> operator*(R s, Vec3<R> a) {
  return {s * a.x, s * a.y, s * a.z};
}
template <class R>
AVATAR_RT_INLINE R dot(Vec3<R> a, Vec3<R> b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
template <class R>
AVATAR_RT_INLINE Vec3<R> cross(Vec3<R> a, Vec3<R> b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

// R·a and Rᵀ·a, R (3, 3) row-major.
template <class R>
AVATAR_RT_INLINE Vec3<R> turned(const float* r, Vec3<R> a) {
  return {r[0] * a.x + r[1] * a.y + r[2] * a.z, r[3] * a.x + r[4] * a.y + r[5] * a.z,
          r[6] * a.x + r[7] * a.y + r[8] * a.z};
}
template <class R>
AVATAR_RT_INLINE Vec3<R> turned_back(const float* r, Vec3<R> a) {
  return {r[0] * a.x + r[3] * a.y + r[6] * a.z, r[1] * a.x + r[4] * a.y + r[7] * a.z,
          r[2] * a.x + r[5] * a.y + r[8] * a.z};
}
// v·a, v a symmetric matrix: xx xy xz yy yz zz.
template <class R>
AVATAR_RT_INLINE Vec3<R> symmetric_times(const R (&v)[6], Vec3<R> a) {
  return {v[0] * a.x + v[1] * a.y + v[2] * a.z, v[1] * a.x + v[3] * a.y + v[4] * a.z,
          v[2] * a.x + v[4] * a.y + v[5] * a.z};
}

// A triangle's frame: a point with offset o and barycentric weights b1, b2 (of corners 1 and 2)
// lies at origin + Σ axis[k]·o[k] + b1·edge1 + b2·edge2. In the frame's own coordinates edge1 is
// (along1, 0, 0) and edge2 is (along2, flat2, across2).
template <class R>
struct TriangleFrame {
  Vec3<R> axis[3], origin;
  R along1, along2, flat2, across2;
};

// Columns e1, e2 and n·√|e1 × e2|; the edges are axes themselves. tiny keeps a triangle without
// area finite.
template <class R>
AVATAR_RT_INLINE TriangleFrame<R> affine_frame(Vec3<R> v0, Vec3<R> v1, Vec3<R> v2, R tiny) {
  const R zero{}, one = zero + 1;
  const Vec3<R> e1 = v1 - v0, e2 = v2 - v0, n = cross(e1, e2);
  // n/|n|·√|n| = n·|n|^(-1/2)
  const R scale = sqrt(rsqrt(max(dot(n, n), tiny)));
  return {{e1, e2, scale * n}, v0, one, zero, one, zero};
}

// s·(a0, n, a0 × n), s the mean of base and height (GaussianAvatars, Qian et al. 2024, §3.2).
template <class R>
AVATAR_RT_INLINE TriangleFrame<R> similarity_frame(Vec3<R> v0, Vec3<R> v1, Vec3<R> v2, R tiny) {
  const R zero{};
  const Vec3<R> e1 = v1 - v0, e2 = v2 - v0, normal = cross(e1, e2);
  const R per_length = rsqrt(max(dot(e1, e1), tiny));
  const Vec3<R> a0 = per_length * e1;
  const Vec3<R> n = rsqrt(max(dot(normal, normal), tiny)) * normal;
  const Vec3<R> a1 = cross(a0, n);
  const R length = dot(a0, e1), along = dot(a0, e2), across = dot(a1, e2);
  const R s = (length + max(across, -across)) / 2;
  const R per_scale = rcp(max(s, sqrt(tiny)));
  return {{s * a0, s * n, s * a1}, v0, length * per_scale, along * per_scale, zero,
          across * per_scale};
}

// A Gaussian's place in its triangle's frame, the barycentric part folded in.
template <class R>
AVATAR_RT_INLINE Vec3<R> local_mean(const TriangleFrame<R>& frame, Vec3<R> offset, R b1, R b2) {
  return {offset.x + b1 * frame.along1 + b2 * frame.along2, offset.y + b2 * frame.flat2,
          offset.z + b2 * frame.across2};
}

template <class R>
AVATAR_RT_INLINE Vec3<R> to_world(const TriangleFrame<R>& frame, Vec3<R> local) {
  return frame.origin + local.x * frame.axis[0] + local.y * frame.axis[1] +
         local.z * frame.axis[2];
}

}  // namespace avatar_rt::AVATAR_RT_ISA
