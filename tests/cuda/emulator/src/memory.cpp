// Memory starts out filled with a pattern, and ends with another, so that nothing can rely on what it
// held. AddressSanitizer guards the host's, and in its build the device's.
#include "memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "gate.h"
#include "pages.h"
#include "stream.h"

namespace emulated {
namespace {

constexpr int kFresh = 0xcb, kFreed = 0xdd;
constexpr std::size_t kAlignment = 256;

struct Memory {
  std::map<std::uintptr_t, Allocation> allocations;  // by their beginning
  std::size_t on_device = 0;
};

Memory& memory() {
  static auto* all = new Memory;  // never destroyed: calls may come at exit
  return *all;
}

std::size_t capacity() {
  const char* given = std::getenv("AVATAR_RT_EMULATED_MEMORY");
  return given != nullptr && *given != '\0' ? std::strtoull(given, nullptr, 10)
                                            : std::size_t(80) << 30;
}

std::size_t rounded(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

cudaError_t allocate(void** pointer, std::size_t bytes, cudaMemoryType type) {
  if (pointer == nullptr) return cudaErrorInvalidValue;
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  const bool device = type == cudaMemoryTypeDevice;
  const std::size_t limit = capacity();
  if (device && (memory().on_device > limit || rounded(bytes) > limit - memory().on_device)) {
    return cudaErrorMemoryAllocation;
  }
  if (device) {
    *pointer = take_pages(bytes);
  } else if (posix_memalign(pointer, kAlignment, bytes) != 0) {
    *pointer = nullptr;
  }
  if (*pointer == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*pointer, kFresh, bytes);
  const auto begin = reinterpret_cast<std::uintptr_t>(*pointer);
  memory().allocations[begin] = {begin, begin + bytes, type};
  if (device) memory().on_device += rounded(bytes);
  return cudaSuccess;
}

cudaError_t release(void* pointer, cudaMemoryType type) {
  if (pointer == nullptr) return cudaSuccess;
  const auto found = memory().allocations.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == memory().allocations.end() || found->second.type != type) return cudaErrorInvalidValue;
  const std::size_t bytes = found->second.end - found->second.begin;
  std::memset(pointer, kFreed, bytes);
  memory().allocations.erase(found);
  if (type == cudaMemoryTypeDevice) {
    memory().on_device -= rounded(bytes);
    give_pages(pointer, bytes);
  } else {
    std::free(pointer);
  }
  return cudaSuccess;
}

cudaError_t release_when_idle(void* pointer, cudaMemoryType type) {
  return call([&] {
    const cudaError_t error = unless_capturing();
    if (error != cudaSuccess) return error;
    finish_all();
    return release(pointer, type);
  });
}

cudaError_t allocate_alone(void** pointer, std::size_t bytes, cudaMemoryType type) {
  return call([&] {
    const cudaError_t error = unless_capturing();
    return error != cudaSuccess ? error : allocate(pointer, bytes, type);
  });
}

// Device memory must lie on the device, and within one allocation; host memory must not.
cudaError_t check(const void* pointer, std::size_t bytes, bool device) {
  const Allocation found = allocation_at(pointer);
  const bool there = found.type == cudaMemoryTypeDevice;
  if (there != device) return cudaErrorInvalidMemcpyDirection;
  const bool fits = found.type == cudaMemoryTypeUnregistered ||
                    found.holds(reinterpret_cast<std::uintptr_t>(pointer), bytes);
  return fits ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t check(const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (to == nullptr || from == nullptr) return cudaErrorInvalidValue;
  if (kind == cudaMemcpyDefault) {
    const bool to_device = allocation_at(to).type == cudaMemoryTypeDevice;
    const bool from_device = allocation_at(from).type == cudaMemoryTypeDevice;
    kind = from_device ? (to_device ? cudaMemcpyDeviceToDevice : cudaMemcpyDeviceToHost)
                       : (to_device ? cudaMemcpyHostToDevice : cudaMemcpyHostToHost);
  }
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const cudaError_t error = check(to, bytes, to_device);
  return error != cudaSuccess ? error : check(from, bytes, from_device);
}

// Pageable memory is read before the call returns, and a copy into it is done by then.
bool pageable(const void* pointer) {
  return allocation_at(pointer).type == cudaMemoryTypeUnregistered;
}

}  // namespace

Allocation allocation_at(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const auto& all = memory().allocations;
  auto next = all.upper_bound(address);
  if (next == all.begin()) return {};
  const Allocation& found = std::prev(next)->second;
  return address < found.end ? found : Allocation{};
}

bool on_device(const void* first, std::size_t bytes) {
  const Allocation found = allocation_at(first);
  return found.type == cudaMemoryTypeDevice &&
         found.holds(reinterpret_cast<std::uintptr_t>(first), bytes);
}

}  // namespace emulated

using namespace emulated;

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  return allocate_alone(pointer, bytes, cudaMemoryTypeDevice);
}
cudaError_t cudaFree(void* pointer) { return release_when_idle(pointer, cudaMemoryTypeDevice); }
cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) {
  return allocate_alone(pointer, bytes, cudaMemoryTypeHost);
}
cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  return allocate_alone(pointer, bytes, cudaMemoryTypeHost);
}
cudaError_t cudaFreeHost(void* pointer) { return release_when_idle(pointer, cudaMemoryTypeHost); }

cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  return call([&] {
    if (device == nullptr || allocation_at(host).type != cudaMemoryTypeHost) {
      return cudaErrorInvalidValue;
    }
    *device = host;
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call([&] {
    if (bytes == 0) return cudaSuccess;
    cudaError_t error = check(to, from, bytes, kind);
    if (error != cudaSuccess) return error;
    const bool capturing = exists(stream) && resolve(stream).capture != nullptr;
    if (pageable(from) && !capturing) {
      auto copy = std::make_shared<std::vector<char>>(static_cast<const char*>(from),
                                                      static_cast<const char*>(from) + bytes);
      return submit(stream, cudaGraphNodeTypeMemcpy,
                    [=] { std::memcpy(to, copy->data(), bytes); });
    }
    error = submit(stream, cudaGraphNodeTypeMemcpy, [=] { std::memmove(to, from, bytes); });
    if (error == cudaSuccess && pageable(to) && !capturing) {
      advance(resolve(stream), resolve(stream).queued);
    }
    return error;
  });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream) {
  return call([&] {
    if (width == 0 || height == 0) return cudaSuccess;
    if (width > to_pitch || width > from_pitch) return cudaErrorInvalidValue;
    for (std::size_t row = 0; row < height; row += height > 1 ? height - 1 : 1) {  // first and last
      const cudaError_t error = check(static_cast<char*>(to) + row * to_pitch,
                                      static_cast<const char*>(from) + row * from_pitch, width, kind);
      if (error != cudaSuccess) return error;
    }
    return submit(stream, cudaGraphNodeTypeMemcpy, [=] {
      for (std::size_t row = 0; row < height; ++row) {
        std::memcpy(static_cast<char*>(to) + row * to_pitch,
                    static_cast<const char*>(from) + row * from_pitch, width);
      }
    });
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return call([&] {
    cudaError_t error = unless_capturing();
    if (error == cudaSuccess) error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    if (error == cudaSuccess) advance(resolve(nullptr), resolve(nullptr).queued);
    return error;
  });
}

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  return call([&] {
    if (bytes == 0) return cudaSuccess;
    if (!on_device(pointer, bytes)) return cudaErrorInvalidValue;
    return submit(stream, cudaGraphNodeTypeMemset, [=] { std::memset(pointer, value, bytes); });
  });
}

cudaError_t cudaMemset(void* pointer, int value, std::size_t bytes) {
  return call([&] {
    const cudaError_t error = unless_capturing();
    return error != cudaSuccess ? error : cudaMemsetAsync(pointer, value, bytes, nullptr);
  });
}

cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t stream) {
  return call([&] {
    if (!exists(stream)) return cudaErrorInvalidResourceHandle;
    if (auto& capture = resolve(stream).capture) {  // a graph of CUDA's could own memory; ours not
      return refuse(*capture, cudaErrorStreamCaptureUnsupported);
    }
    return allocate(pointer, bytes, cudaMemoryTypeDevice);
  });
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  return call([&] {
    if (!exists(stream)) return cudaErrorInvalidResourceHandle;
    if (auto& capture = resolve(stream).capture) {
      return refuse(*capture, cudaErrorStreamCaptureUnsupported);
    }
    if (pointer != nullptr && allocation_at(pointer).type != cudaMemoryTypeDevice) {
      return cudaErrorInvalidValue;
    }
    queue(resolve(stream), [=] { release(pointer, cudaMemoryTypeDevice); });
    return cudaSuccess;
  });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return call([&] {
    if (free == nullptr || total == nullptr) return cudaErrorInvalidValue;
    *total = capacity();
    *free = *total > memory().on_device ? *total - memory().on_device : 0;
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call([&] {
    if (attributes == nullptr) return cudaErrorInvalidValue;
    const cudaMemoryType type = allocation_at(pointer).type;
    void* same = const_cast<void*>(pointer);
    *attributes = {type, type == cudaMemoryTypeDevice ? 0 : -1, same, same};
    if (type == cudaMemoryTypeUnregistered) *attributes = {type, -1, nullptr, same};
    if (type == cudaMemoryTypeDevice) attributes->hostPointer = nullptr;
    return cudaSuccess;
  });
}
