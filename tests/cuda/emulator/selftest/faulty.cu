// Kernels with a mistake that the emulator must find: each ends the program with a message, or by
// AddressSanitizer's or the system's hand.
#include "check.h"
#include "scenarios.h"

namespace {

constexpr int kThreads = 64;

template <class... Params>
void run(void (*kernel)(int*, Params...), dim3 grid, Params... params) {
  Array<int> memory(kThreads);
  CHECK(launch(kernel, grid, kThreads, nullptr, memory, params...) == cudaSuccess);
}

// meetings that cannot take place

__global__ void two_barriers(int* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
    out[threadIdx.x] = 1;
  } else {
    __syncthreads();
  }
}

__global__ void barrier_and_collective(int* out) {
  if (threadIdx.x % 32 < 16) {
    __syncwarp();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}

__global__ void returned_lane(int* out) {
  if (threadIdx.x % 32 == 31) return;
  out[threadIdx.x] = __shfl_sync(~0u, int(threadIdx.x), 0);
}

__global__ void shuffle_from_outside(int* out) {
  if (threadIdx.x % 32 < 8) out[threadIdx.x] = __shfl_sync(0xffu, int(threadIdx.x), 9);
}

__global__ void stranger(int* out) { out[threadIdx.x] = __any_sync(0xffffu, 1); }

__global__ void two_masks(int* out) {
  const unsigned lane = threadIdx.x % 32;
  if (lane < 4) out[lane] = __any_sync(lane < 2 ? 0xfu : 0xdu, 1);
}

__global__ void waits_for_a_later_block(int* flag) {
  if (threadIdx.x != 0) return;
  if (blockIdx.x == 0) atomicExch(flag, 1);
  while (__ldcg(flag) != 1) __nanosleep(100);
}

// memory that is not there

__global__ void store(int* out, int index) { out[index] = 1; }

__global__ void shared_store(int* out, int index) {
  __shared__ int values[kThreads];
  values[(int(threadIdx.x) + index) % (kThreads + index)] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x];
}

template <int N>
__global__ void shared_store_in_template(int* out, int index) {
  __shared__ int values[N];
  values[int(threadIdx.x) + index] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x];
}

void freed() {
  Array<int> memory(kThreads);
  int* pointer = nullptr;
  cudaMalloc(&pointer, 4096);
  cudaFree(pointer);
  CHECK(launch(store, 1, 1, nullptr, pointer, 5) == cudaSuccess);
}

void of_the_host() {
  std::vector<int> values(kThreads);
  launch(store, 1, 1, nullptr, values.data(), 5);
}

void by_the_host() {
  Array<int> memory(kThreads);
  static_cast<int*>(memory)[3] = 1;
}

__global__ void deep(int* out, int depth) {
  volatile int frame[4096];
  frame[depth & 4095] = depth;
  if (depth > 0) deep(out, depth - 1);
  out[0] = frame[depth & 4095];
}

}  // namespace

const std::vector<Scenario> faulty_scenarios = {
    {"two_barriers", [] { run(two_barriers, 1); }},
    {"barrier_and_collective", [] { run(barrier_and_collective, 1); }},
    {"returned_lane", [] { run(returned_lane, 1); }},
    {"shuffle_from_outside", [] { run(shuffle_from_outside, 1); }},
    {"stranger", [] { run(stranger, 1); }},
    {"two_masks", [] { run(two_masks, 1); }},
    {"waits_for_a_later_block", [] { run(waits_for_a_later_block, 64); }},
    {"store_behind", [] { run(store, 1, kThreads); }},
    {"store_before", [] { run(store, 1, -1); }},
    {"shared_store_behind", [] { run(shared_store, 1, 1); }},
    {"shared_store_behind_in_template", [] { run(shared_store_in_template<kThreads>, 1, 1); }},
    {"freed", freed},
    {"of_the_host", of_the_host},
    {"by_the_host", by_the_host},
    {"deep", [] { run(deep, 1, 100); }},
};
