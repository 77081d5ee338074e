// Rotations from axis-angles and the skinning of a vertex, each with its adjoint.
#pragma once

#include <cmath>

#include "math/rig.h"

namespace avatar_rt::AVATAR_RT_ISA {

// Rodrigues' formula: R = cos(t)·I + a·[v]ₓ + b·v·vᵀ, t = |v|.
template <class R>
struct Turn {
  R a, b;    // sin(t)/t and (1 - cos t)/t²
  R da, db;  // their derivatives in t, over t
};

// float or double; for lanes there is no sine.
template <class R>
inline Turn<R> turn_of(const R (&v)[3]) {
  const R t2 = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
  if (t2 < R(4e-4)) {  // their power series: what is left out is below 1e-15
    return {1 - t2 / 6 * (1 - t2 / 20 * (1 - t2 / 42)), R(0.5) - t2 / 24 * (1 - t2 / 30),
            -1 / R(3) + t2 / 30 * (1 - t2 / 28), -1 / R(12) + t2 / 180 * (1 - t2 * 3 / 112)};
  }
  const R t = std::sqrt(t2), half = std::sin(t / 2);
  const R a = std::sin(t) / t, b = 2 * half * half / t2;
  return {a, b, (std::cos(t) - a) / t2, (a - 2 * b) / t2};
}

// Row-major 3×3.
template <class R>
inline void turn_matrix(const R (&v)[3], R (&out)[9]) {
  const auto [a, b, da, db] = turn_of(v);
  const R x = v[0], y = v[1], z = v[2];
  const R values[9] = {1 - b * (y * y + z * z), b * x * y - a * z,       b * x * z + a * y,
                       b * x * y + a * z,       1 - b * (x * x + z * z), b * y * z - a * x,
                       b * x * z - a * y,       b * y * z + a * x,       1 - b * (x * x + y * y)};
  for (int k = 0; k < 9; ++k) out[k] = values[k];
}

// out: the gradient of the axis-angle, from that of the matrix.
template <class R>
inline void turn_adjoint(const R (&v)[3], const R (&g)[9], R (&out)[3]) {
  const auto [a, b, da, db] = turn_of(v);
  const R trace = g[0] + g[4] + g[8];
  const R curl[3] = {g[7] - g[5], g[2] - g[6], g[3] - g[1]};
  R both[3];  // (G + Gᵀ)·v
  for (int k = 0; k < 3; ++k) {
    both[k] = 0;
    for (int c = 0; c < 3; ++c) both[k] += (g[3 * k + c] + g[3 * c + k]) * v[c];
  }
  const R spin = curl[0] * v[0] + curl[1] * v[1] + curl[2] * v[2];
  const R square = (both[0] * v[0] + both[1] * v[1] + both[2] * v[2]) / 2;
  // through t: cos' = -a·t, a' = da·t, b' = db·t
  const R radial = -a * trace + da * spin + db * square;
  for (int k = 0; k < 3; ++k) out[k] = radial * v[k] + a * curl[k] + b * both[k];
}

// m: a vertex's blended 3×4 matrix, row-major.
template <class R>
AVATAR_RT_INLINE Vec3<R> skin_vertex(const R (&m)[12], Vec3<R> p) {
  return {m[0] * p.x + m[1] * p.y + m[2] * p.z + m[3], m[4] * p.x + m[5] * p.y + m[6] * p.z + m[7],
          m[8] * p.x + m[9] * p.y + m[10] * p.z + m[11]};
}

// The gradient of p; that of the matrix is g·(p, 1)ᵀ.
template <class R>
AVATAR_RT_INLINE Vec3<R> skin_vertex_adjoint(const R (&m)[12], Vec3<R> g) {
  return {m[0] * g.x + m[4] * g.y + m[8] * g.z, m[1] * g.x + m[5] * g.y + m[9] * g.z,
          m[2] * g.x + m[6] * g.y + m[10] * g.z};
}

}  // namespace avatar_rt::AVATAR_RT_ISA
