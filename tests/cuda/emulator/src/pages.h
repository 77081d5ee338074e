// The device's memory. Without AddressSanitizer it has addresses of its own, each used once, with
// nothing behind an allocation: what runs past its last page, or comes back to it when it is freed,
// stops the program, and an address alone tells that it is the device's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emulated {

void* take_pages(std::size_t bytes);   // null: there are none
void give_pages(void* pages, std::size_t bytes);

inline constexpr std::uintptr_t kDeviceBegin = std::uintptr_t(1) << 44, kDeviceEnd = kDeviceBegin * 2;

inline bool for_device(std::uintptr_t address) {
  return address >= kDeviceBegin && address < kDeviceEnd;
}

}  // namespace emulated
