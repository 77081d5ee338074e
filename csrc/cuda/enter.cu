// Enters each splat into the tiles that it touches: a key of tile and depth, and which splat it is.
//
// Where a block's entries begin is the sum of all counts before, which blocks find in one pass: each
// publishes what it has, and looks back over what those before it have published (Merrill and
// Garland 2016, "Single-pass Parallel Prefix Scan with Decoupled Look-back"). So entries lie in the
// order of the Gaussians, and what the sort leaves in place is the same in every frame.
#include "cuda/cover.h"
#include "cuda/kernels.h"

namespace avatar_rt::cuda {
namespace {

constexpr int kWarps = kThreads / kWarp;

// A block's word in Batch::prefixes: a count, and in the lowest two bits what it counts.
enum Reach : unsigned long long { kNothing, kOwn, kFromStart };
using Word = unsigned long long;

// The sum of a warp's values up to this lane's.
template <class T>
__device__ __forceinline__ T sum_up_to(T value) {
  for (int step = 1; step < kWarp; step *= 2) {
    const T before = __shfl_up_sync(kAll, value, step);
    if (lane_of() >= step) value += before;
  }
  return value;
}

// What another block may be writing just now. A weak load, of whatever cache, would be made but once.
__device__ __forceinline__ Word published(const Word* word) {
#if defined(__CUDA_ARCH__)
  Word out;
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(out) : "l"(word) : "memory");
  return out;
#else
  return __ldcv(word);
#endif
}

// All entries of the blocks before `ticket`, found by a block's first warp; publishes this one's.
__device__ Word entries_before(Word* prefixes, std::uint32_t ticket, Word own) {
  const int lane = lane_of();
  Word before = 0;
  if (ticket > 0) {
    if (lane == 0) atomicExch(prefixes + ticket, own << 2 | kOwn);
    bool reached = false;
    for (std::int64_t last = std::int64_t{ticket} - 1; !reached; last -= kWarp) {
      const std::int64_t block = last - lane;  // lane 0 has the nearest
      Word word = kFromStart;
      if (block >= 0) {
        do {
          word = published(prefixes + block);
        } while ((word & 3) == kNothing);  // it has its ticket, so it is on its way
      }
      __syncwarp();
      const unsigned full = __ballot_sync(kAll, (word & 3) == kFromStart);
      const int stop = full != 0 ? __ffs(static_cast<int>(full)) - 1 : kWarp - 1;
      before += __shfl_sync(kAll, sum_up_to(lane <= stop ? word >> 2 : Word{0}), kWarp - 1);
      reached = full != 0;
    }
  }
  if (lane == 0) atomicExch(prefixes + ticket, (before + own) << 2 | kFromStart);
  return before;
}

// The depth's bits, counted from the view's nearest, as far as they fit a key.
__device__ __forceinline__ std::uint32_t depth_key(const ViewState& state, std::uint32_t depth) {
  const std::uint32_t nearest = ~state.inverted_nearest;
  const int needed = kWarp - __clz(static_cast<int>(state.farthest - nearest));
  return (depth - nearest) >> (needed > kDepthBits ? needed - kDepthBits : 0);
}

// Where a splat's entries go, and what they say.
struct Row {
  Word first;
  std::uint32_t count, depth, splat;
  __device__ __forceinline__ Row of_lane(int lane) const {
    return {from_lane(first, lane), from_lane(count, lane), from_lane(depth, lane),
            from_lane(splat, lane)};
  }
};

template <class Key>
__global__ void __launch_bounds__(kThreads)
    enter_kernel(Batch batch, const Work* work, Entries<Key> entries) {
  __shared__ std::uint32_t shared_ticket;
  __shared__ Word warp_sums[kWarps];
  __shared__ Word shared_before;
  if (threadIdx.x == 0) shared_ticket = atomicAdd(&batch.counters->tickets, 1u);
  __syncthreads();
  const std::uint32_t ticket = shared_ticket;
  const Work own = work[ticket];
  const ViewJob& job = batch.views[own.job];
  const std::uint32_t index = own.first + threadIdx.x, splat = job.first_splat + index;
  Footing footing{};
  if (index < job.count) footing = batch.footings[splat];

  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const Word up_to = sum_up_to(Word{footing.count});
  if (lane_of() == kWarp - 1) warp_sums[warp] = up_to;
  __syncthreads();
  if (warp == 0) {
    const Word sums = sum_up_to(lane_of() < kWarps ? warp_sums[lane_of()] : Word{0});
    const Word total = from_lane(sums, kWarps - 1);
    const Word before = entries_before(batch.prefixes, ticket, total);
    if (lane_of() < kWarps) warp_sums[lane_of()] = sums;
    if (lane_of() == 0) shared_before = before;
    if (lane_of() == 0 && ticket == gridDim.x - 1) batch.counters->entries = before + total;
  }
  __syncthreads();
  if (__ballot_sync(kAll, footing.count != 0) == 0) return;

  Row row{shared_before + (warp > 0 ? warp_sums[warp - 1] : 0) + up_to - footing.count,
          footing.count, 0, splat};
  Cover cover{};
  if (footing.count != 0) {
    cover = cover_of(batch.splats[splat], job.log2_alpha_min, footing);
    row.depth = depth_key(batch.states[own.job], footing.depth);
  }
  for_tiles(cover, row, [&](const Row& r, int column, int line, std::uint32_t number) {
    const Word at = r.first + number;
    // what is not entered stays behind all tiles, as prepare() left it
    if (number >= r.count || at >= entries.capacity) return;
    const std::uint32_t tile =
        job.first_tile + static_cast<std::uint32_t>((line - job.top_row) * job.columns + column);
    entries.keys[at] = static_cast<Key>(tile) << kDepthBits | r.depth;
    entries.values[at] = r.splat;
  });
}

}  // namespace

template <class Key>
void enter(cudaStream_t stream, const Batch& batch, Works work, const Entries<Key>& entries) {
  launch(stream, enter_kernel<Key>, work.count, kThreads, batch, work.data, entries);
}

template void enter(cudaStream_t, const Batch&, Works, const Entries<std::uint32_t>&);
template void enter(cudaStream_t, const Batch&, Works, const Entries<std::uint64_t>&);

}  // namespace avatar_rt::cuda
