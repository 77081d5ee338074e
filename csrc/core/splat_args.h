// What the stages of splatting's backward pass read and write; core/backend.h's table names them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/views.h"
#include "math/camera.h"
#include "math/inline.h"

namespace avatar_rt {

struct BlendArgs;

// A Gaussian's sums over its pixels: the six moments of math/blend_adjoint.h, then Σ w·∂L/∂pixel of
// each channel.
inline constexpr int kMoments = 6;
AVATAR_RT_INLINE constexpr int sum_count(int channels) { return kMoments + channels; }
inline constexpr std::size_t kSumsMargin = 16;

struct SplatAdjointArgs {
  const BlendArgs* blend;          // as it was drawn, thresholds and colours included
  const float *image, *alpha;      // that picture: (H, W, C) with its background, (H, W)
  const float* image_gradient;     // (H, W, C)
  const float* alpha_gradient;     // (H, W), or null
  float* const* partial;           // out, per segment: sum_count floats a slot; or null, and then
  float* sums;                     // added to: sum_count floats a Gaussian, and kSumsMargin more
  float* totals;                   // out, per tile: Σ T_end·∂L/∂pixel of each channel, and a sum
                                   // that is NaN where a picture or a gradient is not finite
};

// Floats of one worker's memory for splat_adjoint.
constexpr std::size_t splat_adjoint_floats(int channels) {
  return std::size_t{16} * 64 * (2 + static_cast<std::size_t>(channels)) + 16 * 64;
}

// Spherical harmonics, (N, K, 3) of which the first `count` of each Gaussian are used.
struct ShadeArgs {
  const float* means;
  const float* coefficients;
  std::size_t stride;              // floats from one Gaussian to the next
  int count;                       // 1, 4, 9 or 16
  float eye[3];                    // the camera's place in the world
  float* colors;                   // (N, 3)
};

struct ProjectAdjointArgs {
  GaussianView gaussians;
  Rigid view;
  Lens lens;
  float alpha_min;
  const float* sums;               // sum_count floats a Gaussian
  const ShadeArgs* shade;          // null for plain colours
  // out, added to: like the Gaussians' arrays, per Gaussian
  float *means, *quats, *scales, *covars, *opacities;
  float* colors;                   // or harmonics
  // out: (N, 2) pixels, and (N,) the half-extent in pixels of those that a pixel's gradient reached
  float *means2d, *radii;
  // out, added to: the 3×3 rotation, the translation and the eye
  double* camera;
};
inline constexpr int kCameraSums = 15;

}  // namespace avatar_rt
