// cub::DeviceRadixSort for the keys and values that csrc/cuda sorts. First called without temporary
// memory it only says how much it needs; then it sorts, stably, by the named bits alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "cub/util_type.cuh"
#include "emulated/stream_api.h"

namespace emulated {

struct Sorting {
  const void* keys_in;
  void* keys_out;
  const void* values_in;   // null: keys alone
  void* values_out;
  std::size_t count, key_bytes;
  int begin_bit, end_bit;
};
cudaError_t sort(void* temporary, std::size_t& bytes, const Sorting& sorting, cudaStream_t stream);

}  // namespace emulated

namespace cub {

struct DeviceRadixSort {
  template <class Key, class Value>
  static cudaError_t SortPairs(void* temporary, std::size_t& bytes, const Key* keys_in,
                               Key* keys_out, const Value* values_in, Value* values_out,
                               std::size_t count, int begin_bit = 0,
                               int end_bit = sizeof(Key) * 8, cudaStream_t stream = nullptr) {
    static_assert(std::is_unsigned_v<Key> && (sizeof(Key) == 4 || sizeof(Key) == 8));
    static_assert(sizeof(Value) == 4 && std::is_trivially_copyable_v<Value>);
    return emulated::sort(temporary, bytes,
                          {keys_in, keys_out, values_in, values_out, count, sizeof(Key), begin_bit,
                           end_bit},
                          stream);
  }

  template <class Key, class Value>
  static cudaError_t SortPairs(void* temporary, std::size_t& bytes, DoubleBuffer<Key>& keys,
                               DoubleBuffer<Value>& values, std::size_t count, int begin_bit = 0,
                               int end_bit = sizeof(Key) * 8, cudaStream_t stream = nullptr) {
    const cudaError_t error = SortPairs(
        temporary, bytes, static_cast<const Key*>(keys.Current()), keys.Alternate(),
        static_cast<const Value*>(values.Current()), values.Alternate(), count, begin_bit, end_bit,
        stream);
    if (temporary != nullptr && error == cudaSuccess) keys.selector ^= 1, values.selector ^= 1;
    return error;
  }

  template <class Key>
  static cudaError_t SortKeys(void* temporary, std::size_t& bytes, const Key* keys_in,
                              Key* keys_out, std::size_t count, int begin_bit = 0,
                              int end_bit = sizeof(Key) * 8, cudaStream_t stream = nullptr) {
    static_assert(std::is_unsigned_v<Key> && (sizeof(Key) == 4 || sizeof(Key) == 8));
    return emulated::sort(
        temporary, bytes,
        {keys_in, keys_out, nullptr, nullptr, count, sizeof(Key), begin_bit, end_bit}, stream);
  }
};

}  // namespace cub
