// Batches of views of Gaussians, from friendly to hostile: what splat and its way back are fed.
#pragma once

#include <cstdint>
#include <vector>

#include "core/splat.h"
#include "guarded.h"
#include "source.h"

namespace avatar_rt::fuzz {

struct Rows {                      // an array of Gaussians: one for all views, or one for each
  std::vector<float> values;
  std::size_t width = 0;           // floats a Gaussian
  std::size_t used = 0;            // of these, from the first on, are read
  std::size_t step = 0;            // floats from one view to the next; 0: shared

  const float* of(int view, std::size_t i) const {
    return values.data() + static_cast<std::size_t>(view) * step + i * width;
  }
};

struct MadeBatch {
  static constexpr int kArrays = 6;
  enum { means, quats, scales, covars, opacities, colors };

  Rows rows[kArrays];              // either quats and scales are empty, or covars
  std::vector<CameraView> cameras;
  std::vector<float> background;
  std::size_t count = 0;
  int channels = 3, sh_count = 0, sh_stored = 0;
  Quality quality = Quality::exact;
  // Whether all numbers are those of a scene that one might draw, but for some that are not finite.
  bool friendly = true;

  int views() const { return static_cast<int>(cameras.size()); }
  std::size_t pixels() const;      // of one view
  std::size_t picture_pixels() const { return pixels() * cameras.size(); }
  SplatBatch view(int threads) const;
  // For each Gaussian, whether a number of it is not finite in that view.
  std::vector<bool> broken(int view) const;
  // One view for itself, where every Gaussian with a number that is not finite is an invisible one.
  MadeBatch alone(int view) const;
};

MadeBatch make_batch(Source& source);

// What splat gives; its guards are whole.
struct Pictures {
  Guarded<float> images, alphas;
  Guarded<std::int64_t> skipped;
};
Pictures draw(const MadeBatch& batch, int threads);

}  // namespace avatar_rt::fuzz
