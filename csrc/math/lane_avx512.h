// Sixteen floats a lane: AVX-512 F, BW, DQ, VL and VBMI2. Included by lane.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "math/inline.h"

namespace avatar_rt::AVATAR_RT_ISA {

inline constexpr int kWidth = 16;
typedef float F __attribute__((vector_size(64)));
typedef std::int32_t I __attribute__((vector_size(64)));
using M = __mmask16;

AVATAR_RT_INLINE F min(F a, F b) { return (F)_mm512_min_ps((__m512)a, (__m512)b); }
AVATAR_RT_INLINE F max(F a, F b) { return (F)_mm512_max_ps((__m512)a, (__m512)b); }
AVATAR_RT_INLINE I min(I a, I b) { return (I)_mm512_min_epi32((__m512i)a, (__m512i)b); }
AVATAR_RT_INLINE I max(I a, I b) { return (I)_mm512_max_epi32((__m512i)a, (__m512i)b); }
AVATAR_RT_INLINE F rough_rsqrt(F a) { return (F)_mm512_rsqrt14_ps((__m512)a); }
AVATAR_RT_INLINE F rsqrt(F a) {
  const F r = rough_rsqrt(a);
  return r * (1.5f - 0.5f * a * r * r);
}
AVATAR_RT_INLINE F rcp(F a) {
  const F r = (F)_mm512_rcp14_ps((__m512)a);
  return r * (2.0f - a * r);
}
AVATAR_RT_INLINE M less(F a, F b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
AVATAR_RT_INLINE M at_least(F a, F b) {
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ);
}
AVATAR_RT_INLINE M less(I a, I b) { return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b); }
AVATAR_RT_INLINE M both(M a, M b) { return static_cast<M>(a & b); }
AVATAR_RT_INLINE M either(M a, M b) { return static_cast<M>(a | b); }
AVATAR_RT_INLINE M first_lanes(int n) { return static_cast<M>((1u << n) - 1u); }
AVATAR_RT_INLINE unsigned bits(M m) { return m; }
AVATAR_RT_INLINE F select(M m, F a, F b) {
  return (F)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a);
}
AVATAR_RT_INLINE I select(M m, I a, I b) {
  return (I)_mm512_mask_blend_epi32(m, (__m512i)b, (__m512i)a);
}
AVATAR_RT_INLINE F masked_product(M m, F a, F b) {
  return (F)_mm512_maskz_mul_ps(m, (__m512)a, (__m512)b);
}
AVATAR_RT_INLINE I floor_int(F a) {
  return (I)_mm512_cvt_roundps_epi32((__m512)a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
AVATAR_RT_INLINE I ceil_int(F a) {
  return (I)_mm512_cvt_roundps_epi32((__m512)a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
AVATAR_RT_INLINE I nearest_int(F a) { return (I)_mm512_cvtps_epi32((__m512)a); }
AVATAR_RT_INLINE F to_float(I a) { return (F)_mm512_cvtepi32_ps((__m512i)a); }
// 0 where n is not within 0 … 31.
AVATAR_RT_INLINE I shift_left(I a, I n) {
  return (I)_mm512_sllv_epi32((__m512i)a, (__m512i)n);
}
AVATAR_RT_INLINE int largest(I a) { return _mm512_reduce_max_epi32((__m512i)a); }
AVATAR_RT_INLINE float sum(F a) { return _mm512_reduce_add_ps((__m512)a); }
AVATAR_RT_INLINE F gather(const float* p, I i) {
  return (F)_mm512_i32gather_ps((__m512i)i, p, 4);
}
// Lane k of the result is table[i[k]], 0 ≤ i[k] < kWidth.
AVATAR_RT_INLINE F look_up(const float* table, I i) {
  return (F)_mm512_permutexvar_ps((__m512i)i, _mm512_loadu_ps(table));
}
AVATAR_RT_INLINE F load_int16(const std::int16_t* p) {
  return (F)_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i*)p)));
}

// Four floats, again and again.
AVATAR_RT_INLINE F repeat4(const float* p) { return (F)_mm512_broadcast_f32x4(_mm_loadu_ps(p)); }
// Has v made here: the compiler moves no part of its making beyond this place.
AVATAR_RT_INLINE void settle(F& v) { asm("" : "+v"(v)); }

// The lowest byte of each lane.
AVATAR_RT_INLINE void store_bytes(std::uint8_t* p, I a) {
  _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8((__m512i)a));
}

// A row of bytes, one to an entry: which entries have bit `column` set.
inline constexpr int kHits = 64;
struct HitRow {
  __m512i bytes;
  AVATAR_RT_INLINE explicit HitRow(const std::uint8_t* p) : bytes(_mm512_loadu_si512(p)) {}
  AVATAR_RT_INLINE std::uint64_t operator()(int column) const {
    return _mm512_movepi8_mask(_mm512_sll_epi16(bytes, _mm_cvtsi32_si128(7 - column)));
  }
};
// Writes first + k for every set bit k of hits; list has room for all kHits of them.
AVATAR_RT_INLINE int list_hits(std::uint16_t* list, std::uint64_t hits, int first) {
  const __m512i count = _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
                                         16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i low = _mm512_add_epi16(count, _mm512_set1_epi16(static_cast<short>(first)));
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(32));
  const auto lower = static_cast<std::uint32_t>(hits), upper = static_cast<std::uint32_t>(hits >> 32);
  _mm512_storeu_si512(list, _mm512_maskz_compress_epi16(lower, low));
  const int n = __builtin_popcount(lower);
  _mm512_storeu_si512(list + n, _mm512_maskz_compress_epi16(upper, high));
  return n + __builtin_popcount(upper);
}
// Of the first `count` ≤ kHits bytes those that share a bit with `columns`: those bits, and first + k
// for byte k. Returns how many; there is room for all kHits.
AVATAR_RT_INLINE int keep_hits(const std::uint8_t* bytes, unsigned columns, int count, int first,
                               std::uint8_t* hits, std::uint16_t* places) {
  const __m512i found =
      _mm512_and_si512(_mm512_loadu_si512(bytes), _mm512_set1_epi8(static_cast<char>(columns)));
  const std::uint64_t kept =
      _mm512_test_epi8_mask(found, found) & (~std::uint64_t{0} >> (kHits - count));
  _mm512_storeu_si512(hits, _mm512_maskz_compress_epi8(kept, found));
  return list_hits(places, kept, first);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
