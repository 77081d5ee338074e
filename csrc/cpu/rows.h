// Rows of a few numbers in plain arrays, to lanes and back: row k goes to and from lane k.
// Four columns at a time are transposed in registers, several times as fast as gathering each.
#pragma once

#include <cstddef>
#include <cstdint>

#include "math/transpose.h"

namespace avatar_rt::AVATAR_RT_ISA {

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
