// -fsanitize=thread also replaces the compiler's own atomic operations (of std::atomic, std::shared_ptr)
// by calls. Only code of the host has any; they are done, in the strictest order, and not checked.
#include <cstdint>

#define AVATAR_RT_FETCH(bits, name)                                                             \
  std::uint##bits##_t __tsan_atomic##bits##_fetch_##name(volatile std::uint##bits##_t* p,         \
                                                         std::uint##bits##_t v, int) {            \
    return __atomic_fetch_##name(p, v, __ATOMIC_SEQ_CST);                                         \
  }
#define AVATAR_RT_COMPARE(bits, strength, weak)                                                   \
  int __tsan_atomic##bits##_compare_exchange_##strength(volatile std::uint##bits##_t* p,          \
                                                        std::uint##bits##_t* expected,            \
                                                        std::uint##bits##_t v, int, int) {        \
    return __atomic_compare_exchange_n(p, expected, v, weak, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  }
#define AVATAR_RT_ATOMICS(bits)                                                                   \
  std::uint##bits##_t __tsan_atomic##bits##_load(const volatile std::uint##bits##_t* p, int) {    \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                  \
  }                                                                                               \
  void __tsan_atomic##bits##_store(volatile std::uint##bits##_t* p, std::uint##bits##_t v, int) { \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                     \
  }                                                                                               \
  std::uint##bits##_t __tsan_atomic##bits##_exchange(volatile std::uint##bits##_t* p,             \
                                                     std::uint##bits##_t v, int) {                \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                           \
  }                                                                                               \
  AVATAR_RT_FETCH(bits, add)                                                                      \
  AVATAR_RT_FETCH(bits, sub)                                                                      \
  AVATAR_RT_FETCH(bits, and)                                                                      \
  AVATAR_RT_FETCH(bits, or)                                                                       \
  AVATAR_RT_FETCH(bits, xor)                                                                      \
  AVATAR_RT_FETCH(bits, nand)                                                                     \
  AVATAR_RT_COMPARE(bits, strong, false)                                                          \
  AVATAR_RT_COMPARE(bits, weak, true)

extern "C" {

AVATAR_RT_ATOMICS(8)
AVATAR_RT_ATOMICS(16)
AVATAR_RT_ATOMICS(32)
AVATAR_RT_ATOMICS(64)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

}  // extern "C"
