// Atomic functions, fences and loads past the caches. Fibers change only at barriers, collectives and
// pauses, so plain code is atomic; the race checker is told of each access before it is made.
#pragma once

#include <algorithm>
#include <type_traits>

#include "emulated/vectors.h"

#if defined(AVATAR_RT_EMULATED_RACES)
#define AVATAR_RT_ATOMIC inline __attribute__((noinline, no_sanitize_thread))
namespace emulated {
void note_atomic(const void* address, int bytes, bool writes, const void* caller);
void note_fence();
}
#define AVATAR_RT_NOTE(pointer, writes)                                     \
  emulated::note_atomic(const_cast<const void*>(static_cast<const volatile void*>(pointer)), \
                        int(sizeof(*(pointer))), writes, __builtin_return_address(0))
#else
#define AVATAR_RT_ATOMIC inline
namespace emulated {
inline void note_fence() {}
}
#define AVATAR_RT_NOTE(pointer, writes) static_cast<void>(0)
#endif

#define AVATAR_RT_UPDATE(name, type, expression)      \
  AVATAR_RT_ATOMIC type name(type* p, type v) {       \
    AVATAR_RT_NOTE(p, true);                          \
    const type old = *p;                              \
    *p = expression;                                  \
    return old;                                       \
  }
#define AVATAR_RT_INTEGER(type)                                              \
  AVATAR_RT_UPDATE(atomicMin, type, std::min(old, v))                        \
  AVATAR_RT_UPDATE(atomicMax, type, std::max(old, v))                        \
  AVATAR_RT_UPDATE(atomicAnd, type, old & v)                                 \
  AVATAR_RT_UPDATE(atomicOr, type, old | v)                                  \
  AVATAR_RT_UPDATE(atomicXor, type, old ^ v)                                 \
  AVATAR_RT_UPDATE(atomicExch, type, v)                                      \
  AVATAR_RT_ATOMIC type atomicCAS(type* p, type expected, type desired) {    \
    AVATAR_RT_NOTE(p, true);                                                 \
    const type old = *p;                                                     \
    if (old == expected) *p = desired;                                       \
    return old;                                                              \
  }
AVATAR_RT_INTEGER(int)
AVATAR_RT_INTEGER(unsigned int)
AVATAR_RT_INTEGER(unsigned long long)
AVATAR_RT_UPDATE(atomicAdd, int, int(unsigned(old) + unsigned(v)))
AVATAR_RT_UPDATE(atomicSub, int, int(unsigned(old) - unsigned(v)))
AVATAR_RT_UPDATE(atomicAdd, unsigned int, old + v)
AVATAR_RT_UPDATE(atomicSub, unsigned int, old - v)
AVATAR_RT_UPDATE(atomicInc, unsigned int, old >= v ? 0 : old + 1)
AVATAR_RT_UPDATE(atomicAdd, unsigned long long, old + v)
AVATAR_RT_UPDATE(atomicAdd, float, old + v)
AVATAR_RT_UPDATE(atomicAdd, double, old + v)
AVATAR_RT_UPDATE(atomicExch, float, v)
AVATAR_RT_UPDATE(atomicAdd, float2, (float2{old.x + v.x, old.y + v.y}))
AVATAR_RT_UPDATE(atomicAdd, float4, (float4{old.x + v.x, old.y + v.y, old.z + v.z, old.w + v.w}))
#undef AVATAR_RT_INTEGER
#undef AVATAR_RT_UPDATE

// Loads and stores that skip the first cache are how blocks of one launch may tell each other things
// without an atomic function; the race checker takes them for atomic.
#define AVATAR_RT_LOAD(name)                                     \
  template <class T>                                             \
  AVATAR_RT_ATOMIC T name(const T* p) {                          \
    AVATAR_RT_NOTE(p, false);                                    \
    return *p;                                                   \
  }
AVATAR_RT_LOAD(__ldcg)
AVATAR_RT_LOAD(__ldcv)
#undef AVATAR_RT_LOAD
template <class T>
AVATAR_RT_ATOMIC void __stcg(T* p, T v) {
  AVATAR_RT_NOTE(p, true);
  *p = v;
}

// These only advise the caches: plain accesses.
template <class T> inline T __ldg(const T* p) { return *p; }
template <class T> inline T __ldca(const T* p) { return *p; }
template <class T> inline T __ldcs(const T* p) { return *p; }
template <class T> inline T __ldlu(const T* p) { return *p; }
template <class T> inline void __stcs(T* p, T v) { *p = v; }
template <class T> inline void __stwb(T* p, T v) { *p = v; }
template <class T> inline void __stwt(T* p, T v) { *p = v; }

namespace emulated {
void pause();
}
inline void __threadfence() {
  emulated::note_fence();
  emulated::pause();
}
inline void __threadfence_system() { __threadfence(); }
inline void __threadfence_block() { emulated::note_fence(); }

#undef AVATAR_RT_ATOMIC
#undef AVATAR_RT_NOTE
