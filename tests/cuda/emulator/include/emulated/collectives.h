// Barriers and what the lanes of a warp tell each other. All lanes that a mask names must come to the
// same call with the same mask; the scheduler (src/block.cpp) stops the program where they cannot.
// There is no __activemask: what it answers is nobody's promise.
#pragma once

#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

#include "emulated/index.h"

namespace emulated {

enum class Meeting { barrier, barrier_or, barrier_and, barrier_count };
enum class Gathering {
  sync, shuffle, ballot, match, add, min_signed, max_signed, min_unsigned, max_unsigned, all_bits,
  any_bits, odd_bits
};
using Where = std::source_location;

int meet(Meeting what, bool predicate, Where where);
// Every lane gives a value; shuffle returns lane `source`'s.
std::uint64_t gather(Gathering what, unsigned mask, std::uint64_t value, int source, Where where);
int lane();
void pause();  // lets the block's other threads run

template <class T>
concept Shuffled = std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8);

template <Shuffled T>
T shuffle(unsigned mask, T value, int source, Where where) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = gather(Gathering::shuffle, mask, bits, source, where);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

// `other`, where that lane is in the caller's part of the warp; else the caller itself
inline int within(int other, int width) {
  const int first = lane() & ~(width - 1);
  return other >= first && other < first + width ? other : lane();
}

inline std::uint64_t same(Gathering what, unsigned mask, std::uint64_t value, Where where) {
  return gather(what, mask, value, 0, where);
}

}  // namespace emulated

#define AVATAR_RT_HERE emulated::Where where = emulated::Where::current()

inline void __syncthreads(AVATAR_RT_HERE) { emulated::meet(emulated::Meeting::barrier, false, where); }
inline int __syncthreads_or(int predicate, AVATAR_RT_HERE) {
  return emulated::meet(emulated::Meeting::barrier_or, predicate != 0, where);
}
inline int __syncthreads_and(int predicate, AVATAR_RT_HERE) {
  return emulated::meet(emulated::Meeting::barrier_and, predicate != 0, where);
}
inline int __syncthreads_count(int predicate, AVATAR_RT_HERE) {
  return emulated::meet(emulated::Meeting::barrier_count, predicate != 0, where);
}

inline void __syncwarp(unsigned mask = 0xffffffffu, AVATAR_RT_HERE) {
  emulated::same(emulated::Gathering::sync, mask, 0, where);
}

template <emulated::Shuffled T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, AVATAR_RT_HERE) {
  const int first = emulated::lane() & ~(width - 1);
  return emulated::shuffle(mask, value, first + (source & (width - 1)), where);
}
template <emulated::Shuffled T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, AVATAR_RT_HERE) {
  return emulated::shuffle(mask, value, emulated::within(emulated::lane() - int(delta), width), where);
}
template <emulated::Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, AVATAR_RT_HERE) {
  return emulated::shuffle(mask, value, emulated::within(emulated::lane() + int(delta), width), where);
}
template <emulated::Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, AVATAR_RT_HERE) {
  return emulated::shuffle(mask, value, emulated::within(emulated::lane() ^ bits, width), where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, AVATAR_RT_HERE) {
  return unsigned(emulated::same(emulated::Gathering::ballot, mask, predicate != 0, where));
}
inline int __any_sync(unsigned mask, int predicate, AVATAR_RT_HERE) {
  return emulated::same(emulated::Gathering::ballot, mask, predicate != 0, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate, AVATAR_RT_HERE) {
  return emulated::same(emulated::Gathering::ballot, mask, predicate == 0, where) == 0;
}
template <emulated::Shuffled T>
unsigned __match_any_sync(unsigned mask, T value, AVATAR_RT_HERE) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return unsigned(emulated::same(emulated::Gathering::match, mask, bits, where));
}

#define AVATAR_RT_REDUCE(name, type, what)                                    \
  inline type __reduce_##name##_sync(unsigned mask, type value, AVATAR_RT_HERE) { \
    return type(emulated::same(emulated::Gathering::what, mask, unsigned(value), where)); \
  }
AVATAR_RT_REDUCE(add, unsigned, add)
AVATAR_RT_REDUCE(add, int, add)
AVATAR_RT_REDUCE(min, unsigned, min_unsigned)
AVATAR_RT_REDUCE(min, int, min_signed)
AVATAR_RT_REDUCE(max, unsigned, max_unsigned)
AVATAR_RT_REDUCE(max, int, max_signed)
AVATAR_RT_REDUCE(and, unsigned, all_bits)
AVATAR_RT_REDUCE(or, unsigned, any_bits)
AVATAR_RT_REDUCE(xor, unsigned, odd_bits)
#undef AVATAR_RT_REDUCE
#undef AVATAR_RT_HERE

inline void __nanosleep(unsigned) { emulated::pause(); }
