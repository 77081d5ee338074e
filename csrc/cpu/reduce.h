// Many lanes summed at once: a tree that halves all of them together takes a third of the steps of
// summing each by itself.
#pragma once

#include "math/transpose.h"

namespace avatar_rt::AVATAR_RT_ISA {

// Element k of the result is the sum of in[k]'s elements; kWidth lanes in.
#if defined(__AVX512F__)
AVATAR_RT_INLINE F sums_of(const F (&in)[kWidth]) {
  F quarter[4];
  for (int k = 0; k < 4; ++k) {
    // in[k], in[k + 4], in[k + 8], in[k + 12]: the result's element k of each group of four
    const __m512 a = (__m512)in[k], b = (__m512)in[k + 4];
    const __m512 c = (__m512)in[k + 8], d = (__m512)in[k + 12];
    const __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44),
                                    _mm512_shuffle_f32x4(a, b, 0xee));
    const __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44),
                                    _mm512_shuffle_f32x4(c, d, 0xee));
    quarter[k] = (F)_mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88),
                                  _mm512_shuffle_f32x4(ab, cd, 0xdd));
  }
  const auto pair = [](F a, F b) __attribute__((always_inline)) {
    return _mm512_add_ps(_mm512_unpacklo_ps((__m512)a, (__m512)b),
                         _mm512_unpackhi_ps((__m512)a, (__m512)b));
  };
  const __m512d low = _mm512_castps_pd(pair(quarter[0], quarter[1]));
  const __m512d high = _mm512_castps_pd(pair(quarter[2], quarter[3]));
  return (F)_mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(low, high)),
                          _mm512_castpd_ps(_mm512_unpackhi_pd(low, high)));
}
#elif defined(__AVX2__)
AVATAR_RT_INLINE F sums_of(const F (&in)[kWidth]) {
  F half[4];
  for (int k = 0; k < 4; ++k) {
    const __m256 a = (__m256)in[k], b = (__m256)in[k + 4];
    half[k] = (F)_mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20),
                               _mm256_permute2f128_ps(a, b, 0x31));
  }
  return (F)_mm256_hadd_ps(_mm256_hadd_ps((__m256)half[0], (__m256)half[1]),
                           _mm256_hadd_ps((__m256)half[2], (__m256)half[3]));
}
#else
AVATAR_RT_INLINE F sums_of(const F (&in)[kWidth]) {
  F4 a = in[0], b = in[1], c = in[2], d = in[3];
  transpose_groups(a, b, c, d);
  return (a + b) + (c + d);
}
#endif

}  // namespace avatar_rt::AVATAR_RT_ISA
