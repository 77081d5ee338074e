// What splat_backward is asked for and what it gives, in guarded memory.
#pragma once

#include <vector>

#include "batch.h"

namespace avatar_rt::fuzz {

struct Losses {                    // ∂loss/∂ of a batch's pictures
  std::vector<float> images, alphas;  // the latter may be empty
};

struct Gradients {
  std::vector<Guarded<float>> rows;  // one for each of MadeBatch's arrays
  Guarded<double> background, viewmats;
  Guarded<float> means2d, radii;
  Guarded<std::int64_t> skipped;
};

// `drawn` may be null. The guards of what it returns are whole. Throws what splat_backward throws.
Gradients gradients(const MadeBatch& batch, const Losses& losses, const Pictures* drawn,
                    int threads);

// What follows from how a picture is made, where the scene is friendly: the gradients are finite,
// those of colours and background are the transpose of blending, and to move all Gaussians is to
// move the camera.
void check_identities(const MadeBatch& batch, const Losses& losses, const Pictures& drawn,
                      const Gradients& found);

}  // namespace avatar_rt::fuzz
