// A tile's walk over its splats, front to back: a block brings kThreads of them at once into shared
// memory, and each of its warps takes those that touch its own patch of pixels.
#pragma once

#include "cuda/cover.h"

namespace avatar_rt::cuda {

// A splat in shared memory, ready for a tile's pixels.
struct Staged {
  float4 shape;                    // x, y, l11, l21
  float4 rest;                     // l22, level, and math/cover.h's slopes
  float4 color;                    // rgb, where there are three; and the splat's number in the view
};

// The first of `count` ascending keys that is not below `key`, found by a whole warp.
template <class Key>
__device__ std::uint32_t first_from(const Key* keys, std::uint32_t count, Key key) {
  std::uint32_t low = 0, high = count;
  while (low < high) {
    const std::uint32_t size = high - low, step = (size + kWarp - 1) / kWarp;
    const std::uint32_t reach = step * static_cast<std::uint32_t>(lane_of() + 1);
    const std::uint32_t probe = low + (reach < size ? reach : size) - 1;
    const int below = __popc(__ballot_sync(kAll, keys[probe] < key));
    // the probes below the key come first
    const std::uint32_t next = from_lane(probe, below < kWarp ? below : kWarp - 1);
    const std::uint32_t last = from_lane(probe, below > 0 ? below - 1 : 0);
    if (below < kWarp) high = next;
    if (below > 0) low = last + 1;
  }
  return low;
}

// A pixel's place among its tile's, and its tile's in the picture.
struct Pixel {
  int x, y;
  float left, top, right, bottom;  // the centres of its warp's outermost pixels

  __device__ __forceinline__ Pixel(const ViewJob& job, std::uint32_t tile) {
    const int column = static_cast<int>(tile) % job.columns;
    const int row = static_cast<int>(tile) / job.columns + job.top_row;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int patch_x = column * kSide + warp % 2 * kPatchWidth;
    const int patch_y = row * kSide + warp / 2 * kPatchHeight;
    x = patch_x + lane_of() % kPatchWidth;
    y = patch_y + lane_of() / kPatchWidth;
    left = static_cast<float>(patch_x) + 0.5f;
    top = static_cast<float>(patch_y) + 0.5f;
    right = left + (kPatchWidth - 1);
    bottom = top + (kPatchHeight - 1);
  }
};

// A pixel's u and v (math/project.h) of a splat, and the power of its alpha.
struct At {
  float u, v, power;
};
__device__ __forceinline__ At at_pixel(const Staged& s, float x, float y) {
  const float dx = x - s.shape.x, dy = y - s.shape.y;
  const float u = s.shape.z * dx + s.shape.w * dy, v = s.rest.x * dy;
  return {u, v, s.rest.y - u * u - v * v};
}

__device__ __forceinline__ bool touches_patch(const Staged& s, const Pixel& p,
                                              float log2_alpha_min) {
  const float x = s.shape.x, y = s.shape.y;
  return scalar::least_square(s.shape.z, s.shape.w, s.rest.x, {s.rest.z, s.rest.w}, p.left - x,
                              p.right - x, p.top - y, p.bottom - y) <=
         reach_of(s.rest.y, log2_alpha_min);
}

// For each splat that touches the calling warp's patch, as long as open() holds in one of its lanes:
// step(staged, look(staged)). Looking changes nothing, and is done for two splats at once: what one
// of them waits for, the other fills. color(splat) brings a splat's Staged::color. All threads of a
// block call it.
template <class Key, class Color, class Open, class Look, class Step>
__device__ __forceinline__ void walk(const ViewJob& job, const ScreenSplat* splats,
                                     const Entries<Key>& entries, std::uint32_t tile,
                                     const Pixel& pixel, const Color& color, const Open& open,
                                     const Look& look, const Step& step) {
  __shared__ Staged staged[kThreads];
  __shared__ std::uint32_t range[2];
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const float log2_alpha_min = job.log2_alpha_min;
  if (warp < 2) {
    const Key key = static_cast<Key>(tile + static_cast<std::uint32_t>(warp)) << kDepthBits;
    const std::uint32_t found = first_from(entries.keys, entries.capacity, key);
    if (lane_of() == 0) range[warp] = found;
  }
  __syncthreads();
  const std::uint32_t end = range[1];
  bool done = false;
  for (std::uint32_t first = range[0]; first < end; first += kThreads) {
    // also: no warp still reads what is written now
    if (__syncthreads_and(done)) break;
    if (first + threadIdx.x < end) {
      const std::uint32_t number = entries.values[first + threadIdx.x];
      const ScreenSplat s = splats[number];
      const auto slopes = scalar::slopes_of(s.l11, s.l21, s.l22);
      staged[threadIdx.x] = {make_float4(s.x, s.y, s.l11, s.l21),
                             make_float4(s.l22, s.level, slopes.per_x, slopes.per_y),
                             color(s, number - job.first_splat)};
    }
    __syncthreads();
    if (done) continue;
    const int count = static_cast<int>(end - first < kThreads ? end - first : kThreads);
    for (int k = 0; k < count && !done; k += kWarp) {
      const int own = k + lane_of();
      const bool touches = own < count && touches_patch(staged[own], pixel, log2_alpha_min);
      unsigned todo = __ballot_sync(kAll, touches);
      const auto next = [&]() -> const Staged& {
        const int number = __ffs(static_cast<int>(todo)) - 1;
        todo &= todo - 1;
        return staged[k + number];
      };
      if (__popc(todo) % 2 != 0) {
        const Staged& s = next();
        step(s, look(s));
      }
      while (todo != 0) {
        const Staged& a = next();
        const Staged& b = next();
        const auto at_a = look(a);
        const auto at_b = look(b);
        step(a, at_a);
        step(b, at_b);
      }
      done = __ballot_sync(kAll, open()) == 0;
    }
  }
}

}  // namespace avatar_rt::cuda
