// What has been allocated, and where an address lies.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulated/memory_api.h"

namespace emulated {

struct Allocation {
  std::uintptr_t begin = 0, end = 0;  // empty: none
  cudaMemoryType type = cudaMemoryTypeUnregistered;

  bool holds(std::uintptr_t first, std::size_t bytes) const {
    return first >= begin && bytes <= end - begin && first - begin <= end - begin - bytes;
  }
};

// The allocation that holds the address, or one of type unregistered.
Allocation allocation_at(const void* address);
bool on_device(const void* first, std::size_t bytes);

}  // namespace emulated
