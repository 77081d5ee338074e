// Where a projected Gaussian is drawn: what both ways of projecting end with.
#pragma once

#include "cuda/cover.h"
#include "cuda/reduce.h"
#include "math/project.h"

namespace avatar_rt::cuda {

struct Projected {
  scalar::Ellipse<float> ellipse;
  float log2_opacity;              // at most 0
  scalar::Vec3<float> color;       // an avatar's
};

// A pixel's number as an integer within low … high; what is not a number is low.
__device__ __forceinline__ int pixel(float at, int low, int high) {
  return static_cast<int>(fminf(fmaxf(at, static_cast<float>(low)), static_cast<float>(high)));
}

// Half precision has an end, which is not to become an infinity.
__device__ __forceinline__ float within_half(float value) {
  return fminf(fmaxf(value, -65504.0f), 65504.0f);
}

struct Nothing {
  __device__ __forceinline__ Nothing of_lane(int) const { return {}; }
};

// Finds where a lane's Gaussian is drawn, and writes what there is to it. All lanes of a warp call
// it; `here` where the lane has one.
__device__ __forceinline__ void settle(const ViewJob& job, ViewState& state,
                                       const Projected& found, bool here, ScreenSplat* splat,
                                       Footing* footing) {
  const scalar::Ellipse<float>& e = found.ellipse;
  // one infinity or NaN among them (a covariance that is not positive makes l11 one) spoils the sum
  const float total = e.x + e.y + e.xx + e.yy + e.det + e.l11 + e.l22 + e.depth +
                      found.log2_opacity;
  const bool finite = fabsf(total) < 3e38f;
  const bool behind = e.depth < kNearPlane && e.depth > -3e38f;
  if (here && !finite && !behind) atomicAdd(&state.skipped, 1u);

  const ScreenSplat drawn = {e.x,
                             e.y,
                             e.l11 * scalar::kLog2Root,
                             e.l21 * scalar::kLog2Root,
                             e.l22 * scalar::kLog2Root,
                             found.log2_opacity,
                             __floats2half2_rn(within_half(found.color.x),
                                               within_half(found.color.y)),
                             __floats2half2_rn(within_half(found.color.z), 0)};
  Footing box{};
  if (here && finite && e.depth >= kNearPlane && found.log2_opacity > job.log2_alpha_min) {
    constexpr float kTwoLn2 = 1.38629436f;
    const float reach = kTwoLn2 * reach_of(found.log2_opacity, job.log2_alpha_min);
    const float half_width = scalar::sqrt(reach * e.xx), half_height = scalar::sqrt(reach * e.yy);
    const int x0 = pixel(ceilf(e.x - half_width - 0.5f), 0, job.width);
    const int x1 = pixel(floorf(e.x + half_width - 0.5f), -1, job.width - 1);
    const int y0 = pixel(ceilf(e.y - half_height - 0.5f), job.top_row * kSide, job.height);
    const int low = job.bottom_row * kSide < job.height ? job.bottom_row * kSide : job.height;
    const int y1 = pixel(floorf(e.y + half_height - 0.5f), -1, low - 1);
    if (x0 <= x1 && y0 <= y1) {
      box.left = static_cast<std::uint16_t>(x0 / kSide);
      box.top = static_cast<std::uint16_t>(y0 / kSide);
      box.right = static_cast<std::uint16_t>(x1 / kSide + 1);
      box.bottom = static_cast<std::uint16_t>(y1 / kSide + 1);
    }
  }
  const std::uint32_t count = for_tiles(cover_of(drawn, job.log2_alpha_min, box), Nothing{},
                                        [](Nothing, int, int, std::uint32_t) {});
  const std::uint32_t depth = count != 0 ? __float_as_uint(e.depth) : 0;
  // the view's nearest and farthest, a warp's at once
  const std::uint32_t farthest = warp_max(depth);
  const std::uint32_t inverted = warp_max(count != 0 ? ~depth : 0);
  if (threadIdx.x % kWarp == 0 && farthest != 0) {
    atomicMax(&state.farthest, farthest);
    atomicMax(&state.inverted_nearest, inverted);
  }
  if (!here) return;
  box.depth = depth;
  box.count = count;
  *footing = box;
  if (count != 0) *splat = drawn;
}

// find(job, index, found) for each Gaussian of a block's view: false where it is not to be drawn.
template <class Find>
__device__ __forceinline__ void project(const Batch& batch, const Work* work, const Find& find) {
  const Work own = work[blockIdx.x];
  const ViewJob& job = batch.views[own.job];
  const std::size_t index = own.first + threadIdx.x, place = job.first_splat + index;
  const bool here = index < static_cast<std::size_t>(job.count);
  Projected found{};
  const bool faces = here && find(job, index, found);
  if (here && !faces) batch.footings[place] = {};
  settle(job, batch.states[own.job], found, faces, batch.splats + place, batch.footings + place);
}

}  // namespace avatar_rt::cuda
