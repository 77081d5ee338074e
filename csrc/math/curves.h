// What powers of 2 are drawn from, from the roughest on.
//
// A power is kept in the exponent's own scale, power = (log2 alpha + kOffset)·2²³, so that the
// integer nearest to it is a float's bits: those of the exponent are right as they are, and the
// mantissa m in [1, 2) stands for 2^(m-1), for which there is a curve. Each curve's leading
// coefficient is 1, and so costs nothing: its real value is in the offset.
#pragma once

#include "math/inline.h"

namespace avatar_rt {

enum class Curve { rough, parabola, cubic };

// The bits themselves, m for 2^(m-1), centred: within 3 % of alpha. Here the offset holds the
// float's bias too.
struct Rough {
  static constexpr float kOffset = 127.0f - 0.0436f;
};

struct Parabola {  // relative error 1.7e-3 (minimax): less than 8-bit colours can tell
  static constexpr float kOffset = -1.56836878f;
  template <class R>
  AVATAR_RT_INLINE static R of(R m) {
    const R t = m - 0.024826683f;
    return t * t + 2.01984412f;
  }
};

struct Cubic {  // relative error 7.5e-5 (minimax)
  static constexpr float kOffset = -3.67992822f;
  template <class R>
  AVATAR_RT_INLINE static R of(R m) {
    return ((m - 0.102614381f) * m + 6.12336522f) * m + 5.79477121f;
  }
};

inline float offset_of(Curve curve) {
  return curve == Curve::rough      ? Rough::kOffset
         : curve == Curve::parabola ? Parabola::kOffset
                                    : Cubic::kOffset;
}

}  // namespace avatar_rt
