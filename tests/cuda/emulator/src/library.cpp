// What CUB does for csrc/cuda, as work of a stream: a stable sort by some of the keys' bits, and sums.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "cub/device/device_radix_sort.cuh"
#include "cub/device/device_scan.cuh"
#include "gate.h"
#include "memory.h"
#include "report.h"
#include "stream.h"

namespace emulated {
namespace {

constexpr int kScribble = 0xa5;

void on_device_or_fail(const void* pointer, std::size_t bytes, const char* what) {
  if (bytes > 0 && !on_device(pointer, bytes)) {
    fail(std::string("CUB is given ") + what + " that is not memory of the device, or too short");
  }
}

// The temporary memory is CUB's own affair: whatever lay there is lost.
void scribble(void* temporary, std::size_t bytes) {
  on_device_or_fail(temporary, bytes, "temporary memory");
  std::memset(temporary, kScribble, bytes);
}

template <class Key>
void sort_now(const Sorting& s) {
  on_device_or_fail(s.keys_in, s.count * sizeof(Key), "keys");
  on_device_or_fail(s.keys_out, s.count * sizeof(Key), "room for keys");
  const auto* keys = static_cast<const Key*>(s.keys_in);
  const auto part = [&](std::uint32_t i) {  // the bits that count, moved up to the top and down again
    const auto unused = static_cast<int>(sizeof(Key)) * 8 - s.end_bit;
    return static_cast<Key>(keys[i] << unused) >> (unused + s.begin_bit);
  };
  std::vector<std::uint32_t> order(s.count);
  std::iota(order.begin(), order.end(), 0u);
  if (s.begin_bit < s.end_bit) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return part(a) < part(b); });
  }
  std::vector<Key> sorted(s.count);
  for (std::size_t i = 0; i < s.count; ++i) sorted[i] = keys[order[i]];
  if (s.values_in != nullptr) {
    on_device_or_fail(s.values_in, s.count * 4, "values");
    on_device_or_fail(s.values_out, s.count * 4, "room for values");
    const auto* values = static_cast<const std::uint32_t*>(s.values_in);
    for (std::uint32_t& index : order) index = values[index];
    std::memcpy(s.values_out, order.data(), s.count * 4);
  }
  std::memcpy(s.keys_out, sorted.data(), s.count * sizeof(Key));
}

}  // namespace

cudaError_t sort(void* temporary, std::size_t& bytes, const Sorting& s, cudaStream_t stream) {
  const std::size_t needed = 1024 + s.count / 4;
  if (temporary == nullptr) {
    bytes = needed;
    return cudaSuccess;
  }
  return call([&] {
    const int bits = static_cast<int>(s.key_bytes) * 8;
    if (bytes < needed || s.begin_bit < 0 || s.begin_bit > s.end_bit || s.end_bit > bits ||
        s.count > 0xffffffffu) {
      return cudaErrorInvalidValue;
    }
    return submit(stream, cudaGraphNodeTypeKernel, [=] {
      scribble(temporary, needed);
      s.key_bytes == 4 ? sort_now<std::uint32_t>(s) : sort_now<std::uint64_t>(s);
    });
  });
}

cudaError_t scan(void* temporary, std::size_t& bytes, const unsigned* in, unsigned* out,
                 std::size_t count, bool inclusive, cudaStream_t stream) {
  const std::size_t needed = 1024 + count / 64;
  if (temporary == nullptr) {
    bytes = needed;
    return cudaSuccess;
  }
  return call([&] {
    if (bytes < needed) return cudaErrorInvalidValue;
    return submit(stream, cudaGraphNodeTypeKernel, [=] {
      scribble(temporary, needed);
      on_device_or_fail(in, count * 4, "numbers");
      on_device_or_fail(out, count * 4, "room for sums");
      unsigned sum = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const unsigned value = in[i];
        out[i] = inclusive ? sum + value : sum;
        sum += value;
      }
    });
  });
}

}  // namespace emulated
