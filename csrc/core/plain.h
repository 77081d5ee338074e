// The renderer that one writes first: what the others are measured against, in time and in truth.
#pragma once

#include <cstdint>

#include "core/views.h"

namespace avatar_rt {

// Splats `gaussians` (covariances, three channels) on one thread into image (H, W, 3), over
// `background` (3,) unless null, and alpha (H, W). Contributions below alpha_min are skipped, and a
// pixel whose transmittance falls below transmittance_min takes no more. Returns the blended
// (Gaussian, pixel) pairs. Real is float, to be timed, or double, to be the truth.
template <class Real>
std::int64_t rasterize_plain(const GaussianView& gaussians, const CameraView& camera,
                             const Real* background, Real alpha_min, Real transmittance_min,
                             Real* image, Real* alpha);

}  // namespace avatar_rt
