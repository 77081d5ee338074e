// Kernels without a mistake: what they compute must be right, in every order of the threads.
#include <cuda_fp16.h>

#include <cub/device/device_radix_sort.cuh>
#include <numeric>

#include "check.h"
#include "scenarios.h"

namespace {

constexpr int kThreads = 256;

template <class T>
__device__ T warp_sum(T value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(~0u, value, step);
  return value;
}

__global__ void __launch_bounds__(kThreads) sum(const float* __restrict__ in, int count, float* out) {
  __shared__ float parts[kThreads / 32];
  float mine = 0.0f;
  for (unsigned i = threadIdx.x; i < unsigned(count); i += blockDim.x) mine += __ldg(in + i);
  mine = warp_sum(mine);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = mine;
  __syncthreads();
  if (threadIdx.x < 32) {
    mine = threadIdx.x < kThreads / 32 ? parts[threadIdx.x] : 0.0f;
    mine = warp_sum(mine);
    if (threadIdx.x == 0) *out = mine;
  }
}

void sums() {
  std::vector<float> values(10000);
  std::iota(values.begin(), values.end(), 0.0f);
  Array<float> in(values), out(1);
  CHECK(launch(sum, 1, kThreads, nullptr, in, 10000, out) == cudaSuccess);
  CHECK(out.read()[0] == 49995000.0f);
}

// A scan in one pass: a block draws a ticket, publishes its sum, and looks back at earlier ones'.
constexpr unsigned kSumKnown = 1u << 30, kTotalKnown = 2u << 30, kValue = kSumKnown - 1;

__global__ void __launch_bounds__(kThreads)
    scan(const unsigned* in, unsigned* out, unsigned* states, unsigned* ticket) {
  __shared__ unsigned sums[kThreads];
  __shared__ unsigned number, before;
  const unsigned t = threadIdx.x;
  if (t == 0) number = atomicAdd(ticket, 1u);
  __syncthreads();
  const unsigned mine = in[number * kThreads + t];
  sums[t] = mine;
  __syncthreads();
  for (unsigned step = 1; step < kThreads; step *= 2) {
    const unsigned other = t >= step ? sums[t - step] : 0;
    __syncthreads();
    sums[t] += other;
    __syncthreads();
  }
  if (t == 0) {
    const unsigned total = sums[kThreads - 1];
    atomicExch(&states[number], (number == 0 ? kTotalKnown : kSumKnown) | total);
    unsigned found = 0;
    for (int back = int(number) - 1; back >= 0;) {
      const unsigned state = __ldcg(&states[back]);
      if (state < kSumKnown) {
        __nanosleep(20);
        continue;
      }
      found += state & kValue;
      if (state >= kTotalKnown) break;
      --back;
    }
    if (number > 0) atomicExch(&states[number], kTotalKnown | (found + total));
    before = found;
  }
  __syncthreads();
  out[number * kThreads + t] = before + sums[t] - mine;
}

void scans() {
  constexpr int kBlocks = 37;
  std::vector<unsigned> values(kBlocks * kThreads);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = unsigned(i * 7 % 13);
  Array<unsigned> in(values), out(values.size()), states(kBlocks), ticket(1);
  cudaMemset(states, 0, states.bytes());
  cudaMemset(ticket, 0, ticket.bytes());
  CHECK(launch(scan, kBlocks, kThreads, nullptr, in, out, states, ticket) == cudaSuccess);
  const std::vector<unsigned> found = out.read();
  for (unsigned i = 0, expected = 0; i < values.size(); expected += values[i++]) {
    CHECK(found[i] == expected);
  }
}

// A block's private counters, then one global one: the ranks that a radix sort by one digit needs.
__global__ void __launch_bounds__(kThreads) histogram(const unsigned* keys, int count, int shift, unsigned* bins) {
  __shared__ unsigned counts[16];
  if (threadIdx.x < 16) counts[threadIdx.x] = 0;
  __syncthreads();
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < unsigned(count); i += gridDim.x * blockDim.x) {
    atomicAdd(&counts[keys[i] >> shift & 15u], 1u);
  }
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(&bins[threadIdx.x], counts[threadIdx.x]);
}

// One warp places all keys of a digit, stably, by ballots.
__global__ void __launch_bounds__(32) scatter(const unsigned* keys, int count, int shift, const unsigned* bins, unsigned* out) {
  const unsigned lane = threadIdx.x, digit = blockIdx.x;
  unsigned next = 0;
  for (unsigned d = 0; d < digit; ++d) next += bins[d];
  for (unsigned first = 0; first < unsigned(count); first += 32) {
    const bool inside = first + lane < unsigned(count);
    const unsigned key = inside ? keys[first + lane] : 0;
    const bool ours = inside && (key >> shift & 15u) == digit;
    const unsigned all = __ballot_sync(~0u, ours);
    if (ours) out[next + unsigned(__popc(all & ((1u << lane) - 1)))] = key;
    next += unsigned(__popc(all));
  }
}

std::vector<unsigned> scrambled(std::size_t count) {
  std::vector<unsigned> keys(count);
  unsigned state = 12345;
  for (unsigned& key : keys) key = state = state * 1664525u + 1013904223u;
  return keys;
}

void sorts() {
  const std::vector<unsigned> keys = scrambled(3001);
  Array<unsigned> a(keys), b(keys.size()), bins(16);
  unsigned *from = a, *to = b;
  for (int shift = 0; shift < 32; shift += 4, std::swap(from, to)) {
    CHECK(cudaMemsetAsync(bins, 0, bins.bytes()) == cudaSuccess);
    CHECK(launch(histogram, 5, kThreads, nullptr, from, 3001, shift, bins) == cudaSuccess);
    CHECK(launch(scatter, 16, 32, nullptr, from, 3001, shift, bins, to) == cudaSuccess);
  }
  std::vector<unsigned> expected = keys;
  std::sort(expected.begin(), expected.end());
  CHECK(a.read() == expected);
}

template <class Key>
void library_sort(int begin_bit, int end_bit) {
  const std::vector<unsigned> words = scrambled(5000);
  std::vector<Key> keys(2500);
  std::vector<unsigned> values(2500), order(2500);
  for (unsigned i = 0; i < 2500; ++i) {
    keys[i] = Key(sizeof(Key) == 8 ? std::uint64_t(words[2 * i]) << 32 | words[2 * i + 1] : words[i]);
    values[i] = i;
  }
  Array<Key> in(keys), out(keys.size());
  Array<unsigned> values_in(values), values_out(values.size());
  std::size_t bytes = 0;
  CHECK(cub::DeviceRadixSort::SortPairs(nullptr, bytes, static_cast<Key*>(in), static_cast<Key*>(out),
                                        static_cast<unsigned*>(values_in), static_cast<unsigned*>(values_out),
                                        2500, begin_bit, end_bit) == cudaSuccess);
  Array<char> temporary(bytes);
  cub::DoubleBuffer<Key> key_pair(in, out);
  cub::DoubleBuffer<unsigned> value_pair(values_in, values_out);
  CHECK(cub::DeviceRadixSort::SortPairs(static_cast<void*>(temporary), bytes, key_pair, value_pair, 2500,
                                        begin_bit, end_bit) == cudaSuccess);
  CHECK(value_pair.Current() == static_cast<unsigned*>(values_out));
  order = values;
  const Key mask = Key(~Key(0)) >> (int(sizeof(Key)) * 8 - (end_bit - begin_bit));
  std::stable_sort(order.begin(), order.end(), [&](unsigned a, unsigned b) {
    return (keys[a] >> begin_bit & mask) < (keys[b] >> begin_bit & mask);
  });
  CHECK(values_out.read() == order);
}

void library_sorts() {
  library_sort<std::uint32_t>(0, 32);
  library_sort<std::uint32_t>(5, 9);
  library_sort<std::uint64_t>(16, 47);
}

__global__ void lanes(unsigned* out) {
  const unsigned lane = threadIdx.x;
  unsigned* mine = out + lane * 12;
  mine[0] = __shfl_sync(~0u, lane, 35, 16);               // lane 3 of one's own half
  mine[1] = __shfl_up_sync(~0u, lane, 3);
  mine[2] = __shfl_down_sync(~0u, lane, 3, 8);
  mine[3] = unsigned(__shfl_xor_sync(~0u, std::uint64_t(lane) << 40, 1) >> 40);
  mine[4] = __ballot_sync(~0u, lane % 3 == 0);
  mine[5] = unsigned(__any_sync(~0u, lane == 7)) + 2u * unsigned(__all_sync(~0u, lane < 31));
  mine[6] = __reduce_add_sync(~0u, lane);
  mine[7] = unsigned(__reduce_min_sync(~0u, int(lane) - 5));
  mine[8] = __reduce_max_sync(~0u, lane ^ 5u);
  mine[9] = __match_any_sync(~0u, lane / 8);
  if (lane % 2 == 0) {
    mine[10] = __reduce_or_sync(0x55555555u, 1u << lane);
  } else {
    mine[10] = __shfl_sync(0xaaaaaaaau, lane, 31);
  }
  mine[11] = unsigned(__syncthreads_count(lane < 9)) + 100u * unsigned(__syncthreads_or(lane == 4)) +
             200u * unsigned(__syncthreads_and(lane == 4));
}

void collectives() {
  Array<unsigned> out(32 * 12);
  CHECK(launch(lanes, 1, 32, nullptr, out) == cudaSuccess);
  const std::vector<unsigned> found = out.read();
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned* mine = found.data() + lane * 12;
    CHECK(mine[0] == lane / 16 * 16 + 3);
    CHECK(mine[1] == (lane >= 3 ? lane - 3 : lane));
    CHECK(mine[2] == (lane % 8 < 5 ? lane + 3 : lane));
    CHECK(mine[3] == (lane ^ 1u));
    CHECK(mine[4] == 0x49249249u);
    CHECK(mine[5] == 1);
    CHECK(mine[6] == 496);
    CHECK(int(mine[7]) == -5);
    CHECK(mine[8] == 31);
    CHECK(mine[9] == 0xffu << lane / 8 * 8);
    CHECK(mine[10] == (lane % 2 == 0 ? 0x55555555u : 31));
    CHECK(mine[11] == 109);
  }
}

void halves() {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const __half h = __ushort_as_half(static_cast<unsigned short>(bits));
    const float value = __half2float(h);
    if (value != value) {
      CHECK((bits & 0x7fffu) > 0x7c00u);
      continue;
    }
    CHECK(__half_as_ushort(__float2half_rn(value)) == bits);
    const float above = __half2float(__ushort_as_half(static_cast<unsigned short>(bits + 1)));
    if ((bits & 0x7fffu) >= 0x7bffu) continue;
    const float between = 0.5f * (value + above);  // a tie: the even one
    CHECK(__half_as_ushort(__float2half_rn(between)) == (bits + 1) / 2 * 2);
    CHECK(__half_as_ushort(__float2half_rn(std::nextafter(between, value))) == bits);
    CHECK(__half_as_ushort(__float2half_rn(std::nextafter(between, above))) == bits + 1);
  }
  CHECK(__half_as_ushort(__float2half_rn(65519.9f)) == 0x7bff);
  CHECK(__half_as_ushort(__float2half_rn(-65520.0f)) == 0xfc00);
  CHECK(__half2float(__ushort_as_half(0x3c00)) == 1.0f);
}

__global__ void order_of_blocks(unsigned* ticket, unsigned* order) {
  if (threadIdx.x == 0) order[atomicAdd(ticket, 1u)] = blockIdx.x + gridDim.x * blockIdx.y;
}

void shuffles() {
  Array<unsigned> ticket(1), order(64), again(64);
  for (unsigned* out : {static_cast<unsigned*>(order), static_cast<unsigned*>(again)}) {
    cudaMemset(ticket, 0, 4);
    CHECK(launch(order_of_blocks, dim3(8, 8), 32, nullptr, ticket, out) == cudaSuccess);
  }
  std::vector<unsigned> first = order.read(), second = again.read();
  CHECK(first != second);
  std::sort(first.begin(), first.end());
  for (unsigned i = 0; i < 64; ++i) CHECK(first[i] == i);
}

__global__ void __launch_bounds__(kThreads) ten_barriers(unsigned* out) {
  unsigned value = threadIdx.x;
  for (int i = 0; i < 10; ++i) {
    __syncthreads();
    value = value * 3 + 1;
  }
  out[blockIdx.x * blockDim.x + threadIdx.x] = value;
}

void speed() {
  Array<unsigned> out(1000 * kThreads);
  cudaEvent_t start, end;
  cudaEventCreate(&start);
  cudaEventCreate(&end);
  cudaEventRecord(start);
  CHECK(launch(ten_barriers, 1000, kThreads, nullptr, out) == cudaSuccess);
  cudaEventRecord(end);
  float milliseconds = 0.0f;
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaSuccess);
  std::printf("1000 blocks of 256 threads, 10 barriers: %.3f s\n", double(milliseconds) * 1e-3);
  cudaEventDestroy(start);
  cudaEventDestroy(end);
}

}  // namespace

const std::vector<Scenario> sound_scenarios = {
    {"sums", sums}, {"scans", scans}, {"sorts", sorts}, {"library_sorts", library_sorts},
    {"collectives", collectives}, {"halves", halves}, {"shuffles", shuffles}, {"speed", speed},
};
