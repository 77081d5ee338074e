// Eight floats a lane: AVX2, FMA and BMI. Included by lane.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "math/inline.h"

namespace avatar_rt::AVATAR_RT_ISA {

inline constexpr int kWidth = 8;
typedef float F __attribute__((vector_size(32)));
typedef std::int32_t I __attribute__((vector_size(32)));
using M = I;  // all bits set or clear

AVATAR_RT_INLINE F min(F a, F b) { return (F)_mm256_min_ps((__m256)a, (__m256)b); }
AVATAR_RT_INLINE F max(F a, F b) { return (F)_mm256_max_ps((__m256)a, (__m256)b); }
AVATAR_RT_INLINE I min(I a, I b) { return (I)_mm256_min_epi32((__m256i)a, (__m256i)b); }
AVATAR_RT_INLINE I max(I a, I b) { return (I)_mm256_max_epi32((__m256i)a, (__m256i)b); }
AVATAR_RT_INLINE F rough_rsqrt(F a) { return (F)_mm256_rsqrt_ps((__m256)a); }
AVATAR_RT_INLINE F rsqrt(F a) {
  const F r = rough_rsqrt(a);
  return r * (1.5f - 0.5f * a * r * r);
}
AVATAR_RT_INLINE F rcp(F a) {
  const F r = (F)_mm256_rcp_ps((__m256)a);
  return r * (2.0f - a * r);
}
AVATAR_RT_INLINE M less(F a, F b) {
  return (M)_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_LT_OQ);
}
AVATAR_RT_INLINE M at_least(F a, F b) {
  return (M)_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_GE_OQ);
}
AVATAR_RT_INLINE M less(I a, I b) { return (M)_mm256_cmpgt_epi32((__m256i)b, (__m256i)a); }
AVATAR_RT_INLINE M both(M a, M b) { return a & b; }
AVATAR_RT_INLINE M either(M a, M b) { return a | b; }
AVATAR_RT_INLINE M first_lanes(int n) {
  const I k = {0, 1, 2, 3, 4, 5, 6, 7};
  return less(k, I{} + n);
}
AVATAR_RT_INLINE unsigned bits(M m) {
  return static_cast<unsigned>(_mm256_movemask_ps((__m256)m));
}
AVATAR_RT_INLINE F select(M m, F a, F b) {
  return (F)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
}
AVATAR_RT_INLINE I select(M m, I a, I b) {
  return (I)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)m);
}
AVATAR_RT_INLINE F masked_product(M m, F a, F b) { return (F)((I)(a * b) & m); }
AVATAR_RT_INLINE I floor_int(F a) { return (I)_mm256_cvtps_epi32(_mm256_floor_ps((__m256)a)); }
AVATAR_RT_INLINE I ceil_int(F a) { return (I)_mm256_cvtps_epi32(_mm256_ceil_ps((__m256)a)); }
AVATAR_RT_INLINE I nearest_int(F a) { return (I)_mm256_cvtps_epi32((__m256)a); }
AVATAR_RT_INLINE F to_float(I a) { return (F)_mm256_cvtepi32_ps((__m256i)a); }
// 0 where n is not within 0 … 31.
AVATAR_RT_INLINE I shift_left(I a, I n) {
  return (I)_mm256_sllv_epi32((__m256i)a, (__m256i)n);
}
AVATAR_RT_INLINE int largest(I a) {
  int top = a[0];
  for (int k = 1; k < kWidth; ++k) top = a[k] > top ? a[k] : top;
  return top;
}
AVATAR_RT_INLINE float sum(F a) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128((__m256)a), _mm256_extractf128_ps((__m256)a, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
AVATAR_RT_INLINE F gather(const float* p, I i) {
  return (F)_mm256_i32gather_ps(p, (__m256i)i, 4);
}
// Lane k of the result is table[i[k]], 0 ≤ i[k] < kWidth.
AVATAR_RT_INLINE F look_up(const float* table, I i) {
  return (F)_mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)i);
}
AVATAR_RT_INLINE F load_int16(const std::int16_t* p) {
  return (F)_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i*)p)));
}

// Four floats, again and again.
AVATAR_RT_INLINE F repeat4(const float* p) { return (F)_mm256_broadcast_ps((const __m128*)p); }
// Has v made here: the compiler moves no part of its making beyond this place.
AVATAR_RT_INLINE void settle(F& v) { asm("" : "+x"(v)); }

// The lowest byte of each lane.
AVATAR_RT_INLINE void store_bytes(std::uint8_t* p, I a) {
  const __m256i in_order = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                            -1, 0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                            -1, -1);
  const __m256i halves = _mm256_shuffle_epi8((__m256i)a, in_order);
  _mm_storel_epi64((__m128i*)p, _mm_unpacklo_epi32(_mm256_castsi256_si128(halves),
                                                   _mm256_extracti128_si256(halves, 1)));
}

// A row of bytes, one to an entry: which entries have bit `column` set.
inline constexpr int kHits = 32;
struct HitRow {
  __m256i bytes;
  AVATAR_RT_INLINE explicit HitRow(const std::uint8_t* p)
      : bytes(_mm256_loadu_si256((const __m256i*)p)) {}
  AVATAR_RT_INLINE std::uint64_t operator()(int column) const {
    const __m256i up = _mm256_sll_epi16(bytes, _mm_cvtsi32_si128(7 - column));
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(up));
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
  const __m256i found = _mm256_and_si256(_mm256_loadu_si256((const __m256i*)bytes),
                                         _mm256_set1_epi8(static_cast<char>(columns)));
  const auto none = static_cast<std::uint32_t>(
      _mm256_movemask_epi8(_mm256_cmpeq_epi8(found, _mm256_setzero_si256())));
  int n = 0;
  for (std::uint32_t kept = ~none & (~0u >> (kHits - count)); kept != 0; kept &= kept - 1) {
    const int k = __builtin_ctz(kept);
    hits[n] = static_cast<std::uint8_t>(bytes[k] & columns);
    places[n++] = static_cast<std::uint16_t>(first + k);
  }
  return n;
}

}  // namespace avatar_rt::AVATAR_RT_ISA
