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
AVATAR_RT_INLINE F rsqrt(F a) {
  const F r = (F)_mm512_rsqrt14_ps((__m512)a);
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

// For each lane, up to sixteen 16-bit rows, split into the left and the right byte of a row and the
// upper and the lower eight rows: the four 8×8 bit masks of two by two tiles.
struct TileMasks {
  __m512i part[4][2] = {};  // upper left, upper right, lower left, lower right; lanes 0–7, 8–15

  AVATAR_RT_INLINE TileMasks() {
    for (auto& p : part) p[0] = p[1] = _mm512_setzero_si512();
  }
  AVATAR_RT_INLINE void add_row(I row_bits, I row) {
    const __m512i bit = _mm512_slli_epi32((__m512i)row, 3);
    const __m512i word = (__m512i)row_bits;
    for (int h = 0; h < 2; ++h) {
      const __m512i wide = _mm512_cvtepu32_epi64(h == 0 ? _mm512_castsi512_si256(word)
                                                        : _mm512_extracti64x4_epi64(word, 1));
      const __m512i up = _mm512_cvtepi32_epi64(h == 0 ? _mm512_castsi512_si256(bit)
                                                      : _mm512_extracti64x4_epi64(bit, 1));
      const __m512i down = _mm512_sub_epi64(up, _mm512_set1_epi64(64));
      const __m512i left = _mm512_and_si512(wide, _mm512_set1_epi64(0xff));
      const __m512i right = _mm512_srli_epi64(wide, 8);
      part[0][h] = _mm512_or_si512(part[0][h], _mm512_sllv_epi64(left, up));
      part[1][h] = _mm512_or_si512(part[1][h], _mm512_sllv_epi64(right, up));
      part[2][h] = _mm512_or_si512(part[2][h], _mm512_sllv_epi64(left, down));
      part[3][h] = _mm512_or_si512(part[3][h], _mm512_sllv_epi64(right, down));
    }
  }
  AVATAR_RT_INLINE void store(std::uint64_t (*out)[kWidth]) const {
    for (int q = 0; q < 4; ++q) {
      _mm512_storeu_si512(out[q], part[q][0]);
      _mm512_storeu_si512(out[q] + 8, part[q][1]);
    }
  }
};

}  // namespace avatar_rt::AVATAR_RT_ISA
