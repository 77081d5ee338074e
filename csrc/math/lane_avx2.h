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
AVATAR_RT_INLINE F rsqrt(F a) {
  const F r = (F)_mm256_rsqrt_ps((__m256)a);
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

// For each lane, up to sixteen 16-bit rows, split into the left and the right byte of a row and the
// upper and the lower eight rows: the four 8×8 bit masks of two by two tiles.
struct TileMasks {
  __m256i part[4][2];  // upper left, upper right, lower left, lower right; lanes 0–3, 4–7

  AVATAR_RT_INLINE TileMasks() {
    for (auto& p : part) p[0] = p[1] = _mm256_setzero_si256();
  }
  AVATAR_RT_INLINE void add_row(I row_bits, I row) {
    const __m256i bit = _mm256_slli_epi32((__m256i)row, 3);
    const __m256i word = (__m256i)row_bits;
    for (int h = 0; h < 2; ++h) {
      const __m256i wide = _mm256_cvtepu32_epi64(h == 0 ? _mm256_castsi256_si128(word)
                                                        : _mm256_extracti128_si256(word, 1));
      const __m256i up = _mm256_cvtepi32_epi64(h == 0 ? _mm256_castsi256_si128(bit)
                                                      : _mm256_extracti128_si256(bit, 1));
      const __m256i down = _mm256_sub_epi64(up, _mm256_set1_epi64x(64));
      const __m256i left = _mm256_and_si256(wide, _mm256_set1_epi64x(0xff));
      const __m256i right = _mm256_srli_epi64(wide, 8);
      part[0][h] = _mm256_or_si256(part[0][h], _mm256_sllv_epi64(left, up));
      part[1][h] = _mm256_or_si256(part[1][h], _mm256_sllv_epi64(right, up));
      part[2][h] = _mm256_or_si256(part[2][h], _mm256_sllv_epi64(left, down));
      part[3][h] = _mm256_or_si256(part[3][h], _mm256_sllv_epi64(right, down));
    }
  }
  AVATAR_RT_INLINE void store(std::uint64_t (*out)[kWidth]) const {
    for (int q = 0; q < 4; ++q) {
      _mm256_storeu_si256((__m256i*)out[q], part[q][0]);
      _mm256_storeu_si256((__m256i*)(out[q] + 4), part[q][1]);
    }
  }
};

}  // namespace avatar_rt::AVATAR_RT_ISA
