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
AVATAR_RT_INLINE F rough_rsqrt(F a) { return rsqrt(a); }
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
// 0 where n is not within 0 … 31.
AVATAR_RT_INLINE I shift_left(I a, I n) { return (a << (n & 31)) & ((n & 31) == n); }
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

// Four floats, again and again.
AVATAR_RT_INLINE F repeat4(const float* p) {
  F v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
// Has v made here: the compiler moves no part of its making beyond this place.
AVATAR_RT_INLINE void settle([[maybe_unused]] F& v) {
#if defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
}

// The lowest byte of each lane.
AVATAR_RT_INLINE void store_bytes(std::uint8_t* p, I a) {
  for (int k = 0; k < kWidth; ++k) p[k] = static_cast<std::uint8_t>(a[k]);
}

// A row of bytes, one to an entry: which entries have bit `column` set.
inline constexpr int kHits = 8;
struct HitRow {
  std::uint64_t bytes;
  AVATAR_RT_INLINE explicit HitRow(const std::uint8_t* p) {
    bytes = 0;
    for (int k = 0; k < 8; ++k) bytes |= static_cast<std::uint64_t>(p[k]) << (8 * k);
  }
  AVATAR_RT_INLINE std::uint64_t operator()(int column) const {
    // the bits at 0, 8, 16 … are brought together at 56 … 63
    return ((bytes >> column & 0x0101010101010101u) * 0x0102040810204080u) >> 56;
  }
};
// Writes first + k for every set bit k of hits; list has room for all kHits of them.
AVATAR_RT_INLINE int list_hits(std::uint16_t* list, std::uint64_t hits, int first) {
  int n = 0;
  for (; hits != 0; hits &= hits - 1) {
    list[n++] = static_cast<std::uint16_t>(first + __builtin_ctzll(hits));
  }
  return n;
}
// Of the first `count` ≤ kHits bytes those that share a bit with `columns`: those bits, and first + k
// for byte k. Returns how many; there is room for all kHits.
AVATAR_RT_INLINE int keep_hits(const std::uint8_t* bytes, unsigned columns, int count, int first,
                               std::uint8_t* hits, std::uint16_t* places) {
  int n = 0;
  for (int k = 0; k < count; ++k) {
    hits[n] = static_cast<std::uint8_t>(bytes[k] & columns);
    places[n] = static_cast<std::uint16_t>(first + k);
    n += hits[n] != 0;
  }
  return n;
}

}  // namespace avatar_rt::AVATAR_RT_ISA
