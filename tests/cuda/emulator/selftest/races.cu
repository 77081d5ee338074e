// Kernels that race, and their likes that do not, for the race checker to tell apart.
#include "check.h"
#include "scenarios.h"

namespace {

constexpr unsigned kThreads = 128;

template <bool sound>
__global__ void neighbour(unsigned* out) {
  __shared__ unsigned values[kThreads];
  values[threadIdx.x] = 0;
  __syncthreads();
  values[threadIdx.x] = threadIdx.x;
  if (sound) __syncthreads();
  out[threadIdx.x] = values[(threadIdx.x + 32) % kThreads];
}

// The barrier at the loop's end is forgotten: the next turn's write meets this turn's read.
template <bool sound>
__global__ void loop(unsigned* out) {
  __shared__ unsigned value;
  for (unsigned turn = 0; turn < 3; ++turn) {
    if (threadIdx.x == 0) value = turn;
    __syncthreads();
    out[threadIdx.x] = value;
    if (sound) __syncthreads();
  }
}

template <bool sound>
__global__ void lanes(unsigned* out) {
  __shared__ unsigned values[kThreads];
  values[threadIdx.x] = 0;
  __syncthreads();
  values[threadIdx.x] = threadIdx.x;
  const unsigned all = __ballot_sync(~0u, 1);  // orders no memory
  if (sound) __syncwarp();
  out[threadIdx.x] = values[threadIdx.x ^ 1u] + all;
}

// A part of a warp syncs: that part alone may read what it wrote.
template <bool sound>
__global__ void half_warps(unsigned* out) {
  __shared__ unsigned values[kThreads];
  values[threadIdx.x] = 0;
  __syncthreads();
  values[threadIdx.x] = threadIdx.x;
  __syncwarp(threadIdx.x % 32 < 16 ? 0x0000ffffu : 0xffff0000u);
  out[threadIdx.x] = values[threadIdx.x ^ (sound ? 8u : 16u)];
}

template <bool sound>
__global__ void bytes(unsigned* out) {  // one word's bytes may have four writers
  auto* narrow = reinterpret_cast<unsigned char*>(out);
  narrow[sound ? threadIdx.x : threadIdx.x / 2 * 2] = 1;
}

template <bool sound>
__global__ void blocks(unsigned* out) {
  if (threadIdx.x == 0) out[sound ? blockIdx.x : 0] = blockIdx.x;
}

template <bool sound>
__global__ void counter(unsigned* out) {
  if (sound || threadIdx.x != 5) {
    atomicAdd(out, 1u);
  } else {
    ++*out;
  }
}

template <bool sound>
__global__ void unwritten(unsigned* out) {
  __shared__ unsigned values[kThreads];
  if (sound || threadIdx.x != 7 || blockIdx.x == 0) values[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x + blockIdx.x * kThreads] = values[threadIdx.x];
}

// The last block to finish adds up what the others wrote.
template <bool sound>
__global__ void last_block(unsigned* out, unsigned* partial, unsigned* finished) {
  __shared__ unsigned number;
  partial[blockIdx.x * kThreads + threadIdx.x] = blockIdx.x;
  if (sound) __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) number = atomicAdd(finished, 1u);
  __syncthreads();
  if (number != gridDim.x - 1) return;
  unsigned sum = 0;
  for (unsigned i = threadIdx.x; i < gridDim.x * kThreads; i += kThreads) sum += partial[i];
  out[threadIdx.x] = sum;
}

// A chain of blocks: each waits for the one before, through a flag, and goes on from its numbers.
template <bool sound>
__global__ void chain(unsigned* out, unsigned* partial, unsigned* flags) {
  __shared__ unsigned ticket;
  if (threadIdx.x == 0) ticket = atomicAdd(flags, 1u);
  __syncthreads();
  const unsigned mine = ticket;
  if (mine > 0 && threadIdx.x == 0) {
    while (__ldcg(flags + mine) == 0) __nanosleep(20);
  }
  __syncthreads();
  const unsigned before = mine == 0 ? 0 : partial[(mine - 1) * kThreads + threadIdx.x];
  partial[mine * kThreads + threadIdx.x] = before + 1;
  __syncthreads();
  if (threadIdx.x == 0) {
    if (sound) __threadfence();
    atomicExch(flags + mine + 1, 1u);
  }
  if (mine == gridDim.x - 1) out[threadIdx.x] = before + 1;
}

template <class... Params>
void run(void (*kernel)(unsigned*, Params...)) {
  constexpr unsigned kBlocks = 9;
  Array<unsigned> out(kThreads * kBlocks), partial(kThreads * kBlocks), flags(kBlocks + 1);
  cudaMemset(out, 0, out.bytes());
  cudaMemset(flags, 0, flags.bytes());
  if constexpr (sizeof...(Params) == 0) {
    CHECK(launch(kernel, kBlocks, kThreads, nullptr, out) == cudaSuccess);
  } else {
    CHECK(launch(kernel, kBlocks, kThreads, nullptr, out, partial, flags) == cudaSuccess);
  }
}

template <class... Params>
void alone(void (*kernel)(unsigned*, Params...)) {  // in one block
  Array<unsigned> out(kThreads);
  CHECK(launch(kernel, 1, kThreads, nullptr, out) == cudaSuccess);
}

}  // namespace

#define AVATAR_RT_PAIR(runner, kernel)             \
  {"racy_" #kernel, [] { runner(kernel<false>); }}, \
  {"safe_" #kernel, [] { runner(kernel<true>); }}

const std::vector<Scenario> race_scenarios = {
    AVATAR_RT_PAIR(alone, neighbour), AVATAR_RT_PAIR(alone, loop),
    AVATAR_RT_PAIR(alone, lanes),     AVATAR_RT_PAIR(alone, half_warps),
    AVATAR_RT_PAIR(alone, bytes),     AVATAR_RT_PAIR(run, blocks),
    AVATAR_RT_PAIR(run, counter),     AVATAR_RT_PAIR(run, unwritten),
    AVATAR_RT_PAIR(run, last_block),  AVATAR_RT_PAIR(run, chain),
};
