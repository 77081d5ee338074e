// Rows of a few numbers in plain arrays, to lanes and back: row k goes to and from lane k.
// Four columns at a time are transposed in registers, several times as fast as gathering each.
#pragma once

#include <cstddef>
#include <cstdint>

#include "math/lane.h"

namespace avatar_rt::AVATAR_RT_ISA {

inline constexpr int kGroups = kWidth / 4;  // a lane's groups of four

// Within each group of four: entries p, q, r and s of a's four (0 … 3) and b's (4 … 7).
template <int p, int q, int r, int s, class V>
AVATAR_RT_INLINE V mix(V a, V b) {
#define AVATAR_RT_AT(g, i) (i < 4 ? 4 * g + i : kWidth + 4 * g + i - 4)
#define AVATAR_RT_GROUP(g) \
  AVATAR_RT_AT(g, p), AVATAR_RT_AT(g, q), AVATAR_RT_AT(g, r), AVATAR_RT_AT(g, s)
  if constexpr (sizeof(V) == 16) {
    return __builtin_shufflevector(a, b, AVATAR_RT_GROUP(0));
  } else if constexpr (sizeof(V) == 32) {
    return __builtin_shufflevector(a, b, AVATAR_RT_GROUP(0), AVATAR_RT_GROUP(1));
  } else {
    return __builtin_shufflevector(a, b, AVATAR_RT_GROUP(0), AVATAR_RT_GROUP(1),
                                   AVATAR_RT_GROUP(2), AVATAR_RT_GROUP(3));
  }
#undef AVATAR_RT_GROUP
#undef AVATAR_RT_AT
}

// Each group of four lanes of a … d as a 4×4 matrix, transposed.
AVATAR_RT_INLINE void transpose_groups(F& a, F& b, F& c, F& d) {
  const F ab0 = mix<0, 4, 1, 5>(a, b), ab1 = mix<2, 6, 3, 7>(a, b);
  const F cd0 = mix<0, 4, 1, 5>(c, d), cd1 = mix<2, 6, 3, 7>(c, d);
  a = mix<0, 1, 4, 5>(ab0, cd0);
  b = mix<2, 3, 6, 7>(ab0, cd0);
  c = mix<0, 1, 4, 5>(ab1, cd1);
  d = mix<2, 3, 6, 7>(ab1, cd1);
}

template <class V>
AVATAR_RT_INLINE F4 group(V v, int g) {
  if constexpr (sizeof(V) == 16) {
    return v;
  } else if constexpr (sizeof(V) == 32) {
    return g == 0 ? __builtin_shufflevector(v, v, 0, 1, 2, 3)
                  : __builtin_shufflevector(v, v, 4, 5, 6, 7);
  } else {
    return g == 0   ? __builtin_shufflevector(v, v, 0, 1, 2, 3)
           : g == 1 ? __builtin_shufflevector(v, v, 4, 5, 6, 7)
           : g == 2 ? __builtin_shufflevector(v, v, 8, 9, 10, 11)
                    : __builtin_shufflevector(v, v, 12, 13, 14, 15);
  }
}

template <int kBytes>
AVATAR_RT_INLINE auto join(const F4* p) {
  if constexpr (kBytes == 16) {
    return p[0];
  } else if constexpr (kBytes == 32) {
    return __builtin_shufflevector(p[0], p[1], 0, 1, 2, 3, 4, 5, 6, 7);
  } else {
    return __builtin_shufflevector(join<kBytes / 2>(p), join<kBytes / 2>(p + 2), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                   11, 12, 13, 14, 15);
  }
}

// column[i] = entry i of what part(k) gives for each lane k, i = 0 … 3.
template <class Function>
AVATAR_RT_INLINE void columns_of(const Function& part, F (&column)[4]) {
  for (int i = 0; i < 4; ++i) {
    F4 parts[kGroups];
    for (int g = 0; g < kGroups; ++g) parts[g] = part(4 * g + i);
    column[i] = join<sizeof(F)>(parts);
  }
  transpose_groups(column[0], column[1], column[2], column[3]);
}

// parts[k] = lane k of the four columns.
AVATAR_RT_INLINE void parts_of(F a, F b, F c, F d, F4 (&parts)[kWidth]) {
  transpose_groups(a, b, c, d);
  for (int g = 0; g < kGroups; ++g) {
    parts[4 * g] = group(a, g);
    parts[4 * g + 1] = group(b, g);
    parts[4 * g + 2] = group(c, g);
    parts[4 * g + 3] = group(d, g);
  }
}

// The first n of four. Not through memory: reading back what was written piecemeal stalls.
template <int n>
AVATAR_RT_INLINE F4 load_part(const float* p) {
  if constexpr (n == 4) return load4(p);
  return F4{p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, 0};
}
template <int n>
AVATAR_RT_INLINE void store_part(float* p, F4 part) {
  if constexpr (n == 4) return store4(p, part);
  for (int i = 0; i < n; ++i) p[i] = part[i];
}

// The first `lanes` rows; what lies behind them is read as the last one.
template <int kColumns, int c = 0>
AVATAR_RT_INLINE void load_rows(const float* rows, int lanes, F (&out)[kColumns]) {
  constexpr int n = kColumns - c < 4 ? kColumns - c : 4;
  F column[4];
  columns_of(
      [&](int k) __attribute__((always_inline)) {
        return load_part<n>(rows + kColumns * (k < lanes ? k : lanes - 1) + c);
      },
      column);
  for (int i = 0; i < n; ++i) out[c + i] = column[i];
  if constexpr (c + 4 < kColumns) load_rows<kColumns, c + 4>(rows, lanes, out);
}

// The first `lanes` of them; where `add`, to what is there.
template <int kColumns, int c = 0>
AVATAR_RT_INLINE void store_rows(float* rows, int lanes, bool add, const F (&values)[kColumns]) {
  constexpr int n = kColumns - c < 4 ? kColumns - c : 4;
  F4 parts[kWidth];
  parts_of(values[c], n > 1 ? values[c + (n > 1)] : F{}, n > 2 ? values[c + 2 * (n > 2)] : F{},
           n > 3 ? values[c + 3 * (n > 3)] : F{}, parts);
  for (int k = 0; k < lanes; ++k) {
    float* row = rows + kColumns * k + c;
    store_part<n>(row, add ? parts[k] + load_part<n>(row) : parts[k]);
  }
  if constexpr (c + 4 < kColumns) store_rows<kColumns, c + 4>(rows, lanes, add, values);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
