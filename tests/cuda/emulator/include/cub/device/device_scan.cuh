// cub::DeviceScan for 32-bit counts, by the same protocol as the sort.
#pragma once

#include <cstddef>
#include <type_traits>

#include "emulated/stream_api.h"

namespace emulated {

cudaError_t scan(void* temporary, std::size_t& bytes, const unsigned* in, unsigned* out,
                 std::size_t count, bool inclusive, cudaStream_t stream);

}  // namespace emulated

namespace cub {

struct DeviceScan {
  template <class T>
  static cudaError_t ExclusiveSum(void* temporary, std::size_t& bytes, const T* in, T* out,
                                  std::size_t count, cudaStream_t stream = nullptr) {
    static_assert(std::is_integral_v<T> && sizeof(T) == 4);
    return emulated::scan(temporary, bytes, reinterpret_cast<const unsigned*>(in),
                          reinterpret_cast<unsigned*>(out), count, false, stream);
  }
  template <class T>
  static cudaError_t InclusiveSum(void* temporary, std::size_t& bytes, const T* in, T* out,
                                  std::size_t count, cudaStream_t stream = nullptr) {
    static_assert(std::is_integral_v<T> && sizeof(T) == 4);
    return emulated::scan(temporary, bytes, reinterpret_cast<const unsigned*>(in),
                          reinterpret_cast<unsigned*>(out), count, true, stream);
  }
};

}  // namespace cub
