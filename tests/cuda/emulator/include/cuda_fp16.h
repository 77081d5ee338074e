// Half-precision numbers: storage and conversions, rounded to the nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>

#include "emulated/vectors.h"

struct alignas(2) __half {
  std::uint16_t bits;
};
struct alignas(4) __half2 {
  __half x, y;
};
using half = __half;
using half2 = __half2;

inline float __half2float(__half h) {
  const std::uint32_t sign = std::uint32_t(h.bits & 0x8000u) << 16, low = h.bits & 0x7fffu;
  if (low >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | low << 13);
  // scaled by 2^112, subnormals come out right as well
  const float scaled = std::bit_cast<float>(low << 13) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(scaled));
}

inline __half __float2half_rn(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value), low = bits & 0x7fffffffu;
  const auto sign = std::uint32_t(bits >> 16 & 0x8000u);
  std::uint32_t out;
  if (low > 0x7f800000u) {
    out = 0x7fffu;                     // NaN
  } else if (low >= 0x477ff000u) {
    out = 0x7c00u;                     // 65520 and more round to infinity
  } else if (low < 0x38800000u) {      // subnormal: the addition rounds to units of 2^-24
    out = std::bit_cast<std::uint32_t>(std::bit_cast<float>(low) + 0.5f) - 0x3f000000u;
  } else {
    out = (low - 0x38000000u + 0xfffu + (low >> 13 & 1u)) >> 13;
  }
  return {std::uint16_t(sign | out)};
}

inline __half __float2half(float x) { return __float2half_rn(x); }
inline __half2 __floats2half2_rn(float x, float y) {
  return {__float2half_rn(x), __float2half_rn(y)};
}
inline __half2 __float22half2_rn(float2 v) { return __floats2half2_rn(v.x, v.y); }
inline __half2 __float2half2_rn(float x) { return __floats2half2_rn(x, x); }
inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
inline __half __low2half(__half2 v) { return v.x; }
inline __half __high2half(__half2 v) { return v.y; }
inline float __low2float(__half2 v) { return __half2float(v.x); }
inline float __high2float(__half2 v) { return __half2float(v.y); }
inline float2 __half22float2(__half2 v) { return {__low2float(v), __high2float(v)}; }
inline unsigned short __half_as_ushort(__half h) { return h.bits; }
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
