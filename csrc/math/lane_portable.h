// Four floats a lane, in GCC's and Clang's vector types alone: x86-64 without extensions, aarch64,
// and whatever else they compile for. Included by lane.h.
#pragma once

#include <cstdint>

#include "math/inline.h"

namespace avatar_rt::AVATAR_RT_ISA {

inline constexpr int kWidth = 4;
typedef float F __attribute__((vector_size(16)));
typedef std::int32_t I __attribute__((vector_size(16)));
using M = I;  // all bits set or clear

AVATAR_RT_INLINE F select(M m, F a, F b) { return (F)((m & (I)a) | (~m & (I)b)); }
AVATAR_RT_INLINE I select(M m, I a, I b) { return (m & a) | (~m & b); }
AVATAR_RT_INLINE M less(F a, F b) { return a < b; }
AVATAR_RT_INLINE M at_least(F a, F b) { return a >= b; }
AVATAR_RT_INLINE M less(I a, I b) { return a < b; }
AVATAR_RT_INLINE M both(M a, M b) { return a & b; }
AVATAR_RT_INLINE M either(M a, M b) { return a | b; }
AVATAR_RT_INLINE F min(F a, F b) { return a < b ? a : b; }
AVATAR_RT_INLINE F max(F a, F b) { return a > b ? a : b; }
AVATAR_RT_INLINE I min(I a, I b) { return a < b ? a : b; }
AVATAR_RT_INLINE I max(I a, I b) { return a > b ? a : b; }
AVATAR_RT_INLINE M first_lanes(int n) {
  const I k = {0, 1, 2, 3};
  return k < I{} + n;
}
AVATAR_RT_INLINE unsigned bits(M m) {
  return static_cast<unsigned>((m[0] & 1) | (m[1] & 2) | (m[2] & 4) | (m[3] & 8));
}
AVATAR_RT_INLINE F rsqrt(F a) {
  for (int k = 0; k < kWidth; ++k) a[k] = 1.0f / __builtin_sqrtf(a[k]);
  return a;
}
AVATAR_RT_INLINE F rcp(F a) { return 1.0f / a; }
AVATAR_RT_INLINE F masked_product(M m, F a, F b) { return (F)((I)(a * b) & m); }
AVATAR_RT_INLINE F to_float(I a) { return __builtin_convertvector(a, F); }
AVATAR_RT_INLINE I nearest_int(F a) {
  return __builtin_convertvector(a + (a < 0.0f ? F{} - 0.5f : F{} + 0.5f), I);
}
AVATAR_RT_INLINE I floor_int(F a) {
  const I i = __builtin_convertvector(a, I);
  return i + (to_float(i) > a);
}
AVATAR_RT_INLINE I ceil_int(F a) {
  const I i = __builtin_convertvector(a, I);
  return i - (to_float(i) < a);
}
AVATAR_RT_INLINE I shift_left(I a, I n) { return a << n; }
AVATAR_RT_INLINE int largest(I a) {
  const int x = a[0] > a[1] ? a[0] : a[1], y = a[2] > a[3] ? a[2] : a[3];
  return x > y ? x : y;
}
AVATAR_RT_INLINE float sum(F a) { return (a[0] + a[1]) + (a[2] + a[3]); }
AVATAR_RT_INLINE F gather(const float* p, I i) { return F{p[i[0]], p[i[1]], p[i[2]], p[i[3]]}; }
// Lane k of the result is table[i[k]], 0 ≤ i[k] < kWidth.
AVATAR_RT_INLINE F look_up(const float* table, I i) { return gather(table, i); }
AVATAR_RT_INLINE F load_int16(const std::int16_t* p) {
  return to_float(I{p[0], p[1], p[2], p[3]});
}

// For each lane, up to sixteen 16-bit rows, split into the left and the right byte of a row and the
// upper and the lower eight rows: the four 8×8 bit masks of two by two tiles.
struct TileMasks {
  std::uint64_t part[4][kWidth] = {};  // upper left, upper right, lower left, lower right

  AVATAR_RT_INLINE void add_row(I row_bits, I row) {
    for (int k = 0; k < kWidth; ++k) {
      const auto left = static_cast<std::uint64_t>(row_bits[k] & 0xff);
      const auto right = static_cast<std::uint64_t>((row_bits[k] >> 8) & 0xff);
      const int below = row[k] < 8 ? 0 : 2, shift = 8 * (row[k] & 7);
      part[below][k] |= left << shift;
      part[below + 1][k] |= right << shift;
    }
  }
  AVATAR_RT_INLINE void store(std::uint64_t (*out)[kWidth]) const {
    for (int q = 0; q < 4; ++q) {
      for (int k = 0; k < kWidth; ++k) out[q][k] = part[q][k];
    }
  }
};

}  // namespace avatar_rt::AVATAR_RT_ISA
