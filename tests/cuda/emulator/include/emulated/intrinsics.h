// Arithmetic that CUDA names and C++ does not. Where the device is less exact (__expf, rsqrtf …) the
// result here is the exact one, rounded.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(unsigned(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(unsigned(x)) + 1; }
inline int __ffsll(long long x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1;
}
inline unsigned __brev(unsigned x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}
inline unsigned long long __brevll(unsigned long long x) {
  return static_cast<unsigned long long>(__brev(unsigned(x))) << 32 | __brev(unsigned(x >> 32));
}
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
  const std::uint64_t bytes = std::uint64_t(high) << 32 | low;
  unsigned out = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned pick = selector >> (4 * i) & 15u;
    unsigned byte = unsigned(bytes >> (8 * (pick & 7u))) & 255u;
    if ((pick & 8u) != 0) byte = (byte & 128u) != 0 ? 255u : 0u;  // its sign, repeated
    out |= byte << (8 * i);
  }
  return out;
}
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(std::uint64_t(a) * b >> 32); }
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return unsigned((std::uint64_t(high) << 32 | low) << (shift & 31u) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return unsigned((std::uint64_t(high) << 32 | low) >> (shift & 31u));
}

inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }

namespace emulated {

// The device's conversions saturate, and make 0 of NaN.
template <class T>
T whole(float rounded) {
  constexpr float low = float(std::is_signed_v<T> ? -0x1p31 : 0.0);
  constexpr float high = float(std::is_signed_v<T> ? 0x1p31 : 0x1p32);
  if (!(rounded == rounded)) return 0;
  if (rounded < low) return std::is_signed_v<T> ? T(INT32_MIN) : T(0);
  if (rounded >= high) return std::is_signed_v<T> ? T(INT32_MAX) : T(UINT32_MAX);
  return T(rounded);
}

}  // namespace emulated

inline int __float2int_rn(float x) { return emulated::whole<int>(std::nearbyint(x)); }
inline int __float2int_rd(float x) { return emulated::whole<int>(std::floor(x)); }
inline int __float2int_ru(float x) { return emulated::whole<int>(std::ceil(x)); }
inline int __float2int_rz(float x) { return emulated::whole<int>(std::trunc(x)); }
inline unsigned __float2uint_rn(float x) { return emulated::whole<unsigned>(std::nearbyint(x)); }
inline unsigned __float2uint_rd(float x) { return emulated::whole<unsigned>(std::floor(x)); }
inline unsigned __float2uint_ru(float x) { return emulated::whole<unsigned>(std::ceil(x)); }
inline unsigned __float2uint_rz(float x) { return emulated::whole<unsigned>(std::trunc(x)); }
inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned x) { return float(x); }

inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
inline float rsqrtf(float x) { return float(1.0 / std::sqrt(double(x))); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline void __sincosf(float x, float* s, float* c) { *s = std::sin(x), *c = std::cos(x); }
// <cmath> declares these names for itself, so they are replaced and not defined
#define __expf(x) (std::exp(float(x)))
#define __exp2f(x) (std::exp2(float(x)))
#define __logf(x) (std::log(float(x)))
#define __log2f(x) (std::log2(float(x)))
#define __sinf(x) (std::sin(float(x)))
#define __cosf(x) (std::cos(float(x)))
#define __powf(x, y) (std::pow(float(x), float(y)))

#define AVATAR_RT_EXTREMES(a, b, result) \
  constexpr result min(a x, b y) {       \
    const result left = x, right = y;    \
    return left < right ? left : right;  \
  }                                      \
  constexpr result max(a x, b y) {       \
    const result left = x, right = y;    \
    return left > right ? left : right;  \
  }
AVATAR_RT_EXTREMES(int, int, int)
AVATAR_RT_EXTREMES(unsigned, unsigned, unsigned)
AVATAR_RT_EXTREMES(int, unsigned, unsigned)
AVATAR_RT_EXTREMES(unsigned, int, unsigned)
AVATAR_RT_EXTREMES(long, long, long)
AVATAR_RT_EXTREMES(unsigned long, unsigned long, unsigned long)
AVATAR_RT_EXTREMES(long long, long long, long long)
AVATAR_RT_EXTREMES(unsigned long long, unsigned long long, unsigned long long)
#undef AVATAR_RT_EXTREMES
// a number wins over NaN, as on the device
inline float min(float x, float y) { return std::fmin(x, y); }
inline float max(float x, float y) { return std::fmax(x, y); }
inline double min(double x, double y) { return std::fmin(x, y); }
inline double max(double x, double y) { return std::fmax(x, y); }
