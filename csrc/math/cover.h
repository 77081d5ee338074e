// Whether an ellipse on the screen touches a rectangle: exactly, not by its box.
#pragma once

#include "math/rig.h"

namespace avatar_rt::AVATAR_RT_ISA {

// Of u² + v², u = l11·dx + l21·dy and v = l22·dy: at a given dx it is least at dy = per_x·dx, at a
// given dy at dx = per_y·dy.
template <class R>
struct Slopes {
  R per_x, per_y;
};
template <class R>
AVATAR_RT_INLINE Slopes<R> slopes_of(R l11, R l21, R l22) {
  return {-l11 * l21 * rcp(l21 * l21 + l22 * l22), -l21 * rcp(l11)};
}

// The least u² + v² where left ≤ dx ≤ right and top ≤ dy ≤ bottom. Being convex and 0 at the centre,
// it is least on an edge that faces the centre.
template <class R>
AVATAR_RT_INLINE R least_square(R l11, R l21, R l22, const Slopes<R>& slopes, R left, R right,
                                R top, R bottom) {
  const R zero{};
  const R x = min(max(zero, left), right), y = min(max(zero, top), bottom);
  const R beside_y = min(max(slopes.per_x * x, top), bottom);
  const R below_x = min(max(slopes.per_y * y, left), right);
  const R u1 = l11 * x + l21 * beside_y, v1 = l22 * beside_y;
  const R u2 = l11 * below_x + l21 * y, v2 = l22 * y;
  return min(u1 * u1 + v1 * v1, u2 * u2 + v2 * v2);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
