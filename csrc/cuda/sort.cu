// Sorts a batch's entries by tile and depth.
#include <cub/device/device_radix_sort.cuh>

#include "cuda/kernels.h"

namespace avatar_rt::cuda {

template <class Key>
std::size_t sort_bytes(std::uint32_t capacity, int bits) {
  std::size_t bytes = 0;
  const Key* keys = nullptr;
  const std::uint32_t* values = nullptr;
  check(cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, static_cast<Key*>(nullptr), values,
                                        static_cast<std::uint32_t*>(nullptr),
                                        static_cast<int>(capacity), 0, bits),
        "planning a sort");
  return bytes;
}

template <class Key>
void sort(cudaStream_t stream, void* temporary, std::size_t bytes, const Entries<Key>& from,
          const Entries<Key>& to, int bits) {
  const Key* keys = from.keys;
  const std::uint32_t* values = from.values;
  check(cub::DeviceRadixSort::SortPairs(temporary, bytes, keys, to.keys, values, to.values,
                                        static_cast<int>(from.capacity), 0, bits, stream),
        "sorting");
}

template std::size_t sort_bytes<std::uint32_t>(std::uint32_t, int);
template std::size_t sort_bytes<std::uint64_t>(std::uint32_t, int);
template void sort(cudaStream_t, void*, std::size_t, const Entries<std::uint32_t>&,
                   const Entries<std::uint32_t>&, int);
template void sort(cudaStream_t, void*, std::size_t, const Entries<std::uint64_t>&,
                   const Entries<std::uint64_t>&, int);

}  // namespace avatar_rt::cuda
