// The lane functions for one float or double, so that the templates of csrc/math take those too.
#pragma once

#include <cmath>

#include "math/inline.h"

namespace avatar_rt::AVATAR_RT_ISA {

AVATAR_RT_INLINE float min(float a, float b) { return a < b ? a : b; }
AVATAR_RT_INLINE float max(float a, float b) { return a > b ? a : b; }
AVATAR_RT_INLINE double min(double a, double b) { return a < b ? a : b; }
AVATAR_RT_INLINE double max(double a, double b) { return a > b ? a : b; }
#if defined(__CUDA_ARCH__)
// what the hardware has of its own, within 2 units in the last place
AVATAR_RT_INLINE float rsqrt(float a) { return ::rsqrtf(a); }
AVATAR_RT_INLINE float rcp(float a) { return __fdividef(1.0f, a); }
AVATAR_RT_INLINE float sqrt(float a) { return ::sqrtf(a); }
AVATAR_RT_INLINE float rough_sqrt(float a) { return a > 0 ? a * ::rsqrtf(a) : 0.0f; }
AVATAR_RT_INLINE double sqrt(double a) { return ::sqrt(a); }
AVATAR_RT_INLINE double rsqrt(double a) { return ::rsqrt(a); }
#else
AVATAR_RT_INLINE float sqrt(float a) { return __builtin_sqrtf(a); }
AVATAR_RT_INLINE double sqrt(double a) { return __builtin_sqrt(a); }
AVATAR_RT_INLINE float rough_sqrt(float a) { return __builtin_sqrtf(a > 0 ? a : 0); }
AVATAR_RT_INLINE float rsqrt(float a) { return 1.0f / __builtin_sqrtf(a); }
AVATAR_RT_INLINE double rsqrt(double a) { return 1.0 / __builtin_sqrt(a); }
AVATAR_RT_INLINE float rcp(float a) { return 1.0f / a; }
#endif
AVATAR_RT_INLINE double rcp(double a) { return 1.0 / a; }
AVATAR_RT_INLINE bool at_least(float a, float b) { return a >= b; }
AVATAR_RT_INLINE bool at_least(double a, double b) { return a >= b; }
AVATAR_RT_INLINE bool less(float a, float b) { return a < b; }
AVATAR_RT_INLINE bool less(double a, double b) { return a < b; }
AVATAR_RT_INLINE bool both(bool a, bool b) { return a && b; }
AVATAR_RT_INLINE float select(bool m, float a, float b) { return m ? a : b; }
AVATAR_RT_INLINE double select(bool m, double a, double b) { return m ? a : b; }

}  // namespace avatar_rt::AVATAR_RT_ISA
