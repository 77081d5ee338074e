// The CUDA runtime's handles as owners, its errors as DeviceError, and launches with checked types.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "core/errors.h"

namespace avatar_rt::cuda {

// Raises DeviceError, saying what was being done, where `status` is not success.
void check(cudaError_t status, const char* doing);

// Until it goes, this thread's CUDA calls mean that device; then the one from before.
class OnDevice {
 public:
  explicit OnDevice(int device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = 0;
};

// Memory of the device's, or pages of the processor's that the device copies from and to by itself.
enum class Place { device, pinned };

template <class T, Place kPlace = Place::device>
class Memory {
 public:
  Memory() = default;
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Memory() { release(); }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data_[i]; }  // pinned memory's alone

  // Room for `size` elements, whose values are lost where there was less.
  void reserve(std::size_t size) {
    if (size <= size_) return;
    release();
    void* fresh = nullptr;
    if constexpr (kPlace == Place::device) {
      check(cudaMalloc(&fresh, size * sizeof(T)), "taking memory of the device");
    } else {
      check(cudaHostAlloc(&fresh, size * sizeof(T), cudaHostAllocDefault), "pinning memory");
    }
    data_ = static_cast<T*>(fresh);
    size_ = size;
  }

 private:
  // What fails here has failed before: after an error every call of the process may.
  void release() {
    if (data_ != nullptr) kPlace == Place::device ? cudaFree(data_) : cudaFreeHost(data_);
    data_ = nullptr;
    size_ = 0;
  }
  void swap(Memory& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

template <class T>
using Pinned = Memory<T, Place::pinned>;

// `from` copied to the device, once.
template <class T>
Memory<T> uploaded(const T* from, std::size_t size) {
  Memory<T> out;
  out.reserve(size == 0 ? 1 : size);
  if (size != 0) {
    check(cudaMemcpy(out.data(), from, size * sizeof(T), cudaMemcpyHostToDevice),
          "copying to the device");
    // pageable memory may be on its way still, which other streams would not wait for
    check(cudaStreamSynchronize(nullptr), "copying to the device");
  }
  return out;
}

template <class Handle, cudaError_t (*kDestroy)(Handle)>
class Owner {
 public:
  Owner() = default;
  explicit Owner(Handle handle) : handle_(handle) {}
  Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owner& operator=(Owner&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owner() {
    if (handle_ != nullptr) kDestroy(handle_);
  }
  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};
using Stream = Owner<cudaStream_t, cudaStreamDestroy>;
using Event = Owner<cudaEvent_t, cudaEventDestroy>;
using Graph = Owner<cudaGraphExec_t, cudaGraphExecDestroy>;

Stream make_stream();
Event make_event(bool timed);

// What `record` puts into the stream, to be launched again and again. Relaxed, since the first launch
// of a kernel also loads it, for which other modes of recording leave no room.
template <class Record>
Graph recorded(cudaStream_t stream, const Record& record) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "recording a graph");
  cudaGraph_t graph = nullptr;
  try {
    record();
  } catch (...) {
    if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) cudaGraphDestroy(graph);
    throw;
  }
  check(cudaStreamEndCapture(stream, &graph), "recording a graph");
  cudaGraphExec_t out = nullptr;
  const cudaError_t made = cudaGraphInstantiate(&out, graph, 0);
  cudaGraphDestroy(graph);
  check(made, "making a graph");
  return Graph(out);
}

// How many blocks it takes, if each does so many items.
inline std::size_t blocks_for(std::int64_t items, int a_block) {
  return static_cast<std::size_t>((items + a_block - 1) / a_block);
}

// kernel(arguments…) by `blocks` blocks of `threads` threads; nothing for no blocks.
template <class... Parameters, class... Arguments>
void launch(cudaStream_t stream, void (*kernel)(Parameters...), std::size_t blocks, int threads,
            Arguments&&... arguments) {
  if (blocks == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...),
        "launching a kernel");
}

}  // namespace avatar_rt::cuda
