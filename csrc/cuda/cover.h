// The tiles that a splat touches, found alike where they are counted and where they are entered.
#pragma once

#include "cuda/jobs.h"
#include "math/cover.h"
#include "math/exp2_blend.h"

namespace avatar_rt::cuda {

__device__ __forceinline__ int lane_of() { return static_cast<int>(threadIdx.x) % kWarp; }

// What a lane of the warp holds, to all of them.
template <class T>
__device__ __forceinline__ T from_lane(T value, int lane) {
  return __shfl_sync(kAll, value, lane);
}

// u² + v² ≤ reach is where alpha is at least the minimum; a little more, so that rounding here never
// decides what blending tests exactly.
__device__ __forceinline__ float reach_of(float level, float log2_alpha_min) {
  constexpr float kMargin = 1e-3f;
  return level - log2_alpha_min + kMargin;
}

struct Cover {
  float x, y, l11, l21, l22, reach;
  int left, top, right, bottom;    // the tiles of its box: first, one past the last

  __device__ __forceinline__ int columns() const { return right - left; }
  __device__ __forceinline__ int tiles() const { return columns() * (bottom - top); }

  __device__ __forceinline__ Cover of_lane(int lane) const {
    return {from_lane(x, lane),    from_lane(y, lane),     from_lane(l11, lane),
            from_lane(l21, lane),  from_lane(l22, lane),   from_lane(reach, lane),
            from_lane(left, lane), from_lane(top, lane),   from_lane(right, lane),
            from_lane(bottom, lane)};
  }

  // Whether the ellipse touches the rectangle between the centres of the tile's outermost pixels.
  __device__ __forceinline__ bool touches(const scalar::Slopes<float>& slopes, int column,
                                          int row) const {
    const float from_x = static_cast<float>(column * kSide) + 0.5f - x;
    const float from_y = static_cast<float>(row * kSide) + 0.5f - y;
    return scalar::least_square(l11, l21, l22, slopes, from_x, from_x + (kSide - 1), from_y,
                                from_y + (kSide - 1)) <= reach;
  }
};

__device__ __forceinline__ Cover cover_of(const ScreenSplat& s, float log2_alpha_min,
                                          const Footing& box) {
  return {s.x, s.y, s.l11, s.l21, s.l22, reach_of(s.level, log2_alpha_min),
          box.left, box.top, box.right, box.bottom};
}

inline constexpr int kAlone = 16;  // tiles in a box that one thread goes through by itself

// visit(own, column, row, number) for each tile that a lane's splat touches: with what the lane
// brings as its `own`, which has an of_lane(), and a number from 0. Lanes without a splat have an
// empty box; those of large splats are gone through by the whole warp, so that all its lanes call
// this. Returns how many tiles this lane's splat touches.
template <class Own, class Visit>
__device__ __forceinline__ std::uint32_t for_tiles(const Cover& cover, const Own& own,
                                                   const Visit& visit) {
  const bool large = cover.tiles() > kAlone;
  std::uint32_t count = 0;
  if (!large && cover.tiles() > 0) {
    const auto slopes = scalar::slopes_of(cover.l11, cover.l21, cover.l22);
    for (int row = cover.top; row < cover.bottom; ++row) {
      for (int column = cover.left; column < cover.right; ++column) {
        if (cover.touches(slopes, column, row)) visit(own, column, row, count++);
      }
    }
  }
  for (unsigned todo = __ballot_sync(kAll, large); todo != 0; todo &= todo - 1) {
    const int owner = __ffs(static_cast<int>(todo)) - 1;
    const Cover shared = cover.of_lane(owner);
    const Own theirs = own.of_lane(owner);
    const auto slopes = scalar::slopes_of(shared.l11, shared.l21, shared.l22);
    std::uint32_t found = 0;
    for (int first = 0; first < shared.tiles(); first += kWarp) {
      const int tile = first + lane_of();
      const int column = shared.left + tile % shared.columns();
      const int row = shared.top + tile / shared.columns();
      const bool hit = tile < shared.tiles() && shared.touches(slopes, column, row);
      const unsigned hits = __ballot_sync(kAll, hit), before = (1u << lane_of()) - 1;
      if (hit) visit(theirs, column, row, found + static_cast<unsigned>(__popc(hits & before)));
      found += static_cast<unsigned>(__popc(hits));
    }
    if (lane_of() == owner) count = found;
  }
  return count;
}

}  // namespace avatar_rt::cuda
