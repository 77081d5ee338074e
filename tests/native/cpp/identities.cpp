// What gradients of a friendly batch have to be, whatever it shows.
#include <cmath>

#include "gradients.h"

namespace avatar_rt::fuzz {
namespace {

template <class T>
void require_finite(const Guarded<T>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    require(std::isfinite(values[i]), "a gradient of a friendly scene is not finite");
  }
}

void check_background(const MadeBatch& batch, const Losses& losses, const Pictures& drawn,
                      const Gradients& found) {
  const auto channels = static_cast<std::size_t>(batch.channels);
  for (std::size_t c = 0; c < batch.background.size(); ++c) {
    double sum = 0, size = 0;
    for (std::size_t i = 0; i < drawn.alphas.size(); ++i) {
      const double part = (1.0 - drawn.alphas[i]) * losses.images[i * channels + c];
      sum += part;
      size += std::abs(part);
    }
    require(std::abs(sum - found.background[c]) <= 1e-5 * size + 1e-6,
            "the background's gradient is not what shines through");
  }
}

// Pictures are linear in plain colours and in the background.
void check_transpose(const MadeBatch& batch, const Losses& losses, const Pictures& drawn,
                     const Gradients& found) {
  const Rows& colors = batch.rows[MadeBatch::colors];
  const Guarded<float>& of_colors = found.rows[MadeBatch::colors];
  double left = 0, right = 0, size = 0;
  for (std::size_t i = 0; i < drawn.images.size(); ++i) {
    const double part = double{losses.images[i]} * drawn.images[i];
    left += part;
    size += std::abs(part);
  }
  for (std::size_t i = 0; i < of_colors.size(); ++i) {
    if (of_colors[i] != 0) right += double{of_colors[i]} * colors.values[i];
  }
  for (std::size_t c = 0; c < batch.background.size(); ++c) {
    right += found.background[c] * batch.background[c];
  }
  require(std::abs(left - right) <= 3e-4 * size + 1e-4, "the colours' gradient is no transpose");
}

// means + d is viewmat[:, 3] + R·d, so that Σ ∂L/∂mean = Rᵀ·∂L/∂viewmat[:, 3].
void check_camera(const MadeBatch& batch, const Gradients& found, std::size_t view) {
  const Guarded<float>& of_means = found.rows[MadeBatch::means];
  const double* R = batch.cameras[view].viewmat;
  const double* of_camera = found.viewmats.data() + 16 * view;
  double sum[3] = {}, size = 0;
  const std::size_t step = batch.rows[MadeBatch::means].step;
  for (std::size_t i = 0; i < 3 * batch.count; ++i) {
    sum[i % 3] += of_means[step * view + i];
    size += std::abs(of_means[step * view + i]);
  }
  for (std::size_t c = 0; c < 3; ++c) {
    double back = 0;
    for (std::size_t r = 0; r < 3; ++r) back += R[4 * r + c] * of_camera[4 * r + 3];
    require(std::abs(back - sum[c]) <= 1e-4 * size + 1e-6,
            "to move all Gaussians is not to move the camera");
  }
}

}  // namespace

void check_identities(const MadeBatch& batch, const Losses& losses, const Pictures& drawn,
                      const Gradients& found) {
  for (const Guarded<float>& rows : found.rows) require_finite(rows);
  require_finite(found.background);
  require_finite(found.viewmats);
  require_finite(found.means2d);
  require_finite(found.radii);
  for (std::size_t i = 0; i < found.radii.size(); ++i) {
    require(found.radii[i] >= 0, "a radius is negative");
  }
  check_background(batch, losses, drawn, found);
  if (batch.sh_count == 0) check_transpose(batch, losses, drawn, found);
  const bool own_means = batch.rows[MadeBatch::means].step > 0 || batch.views() == 1;
  for (std::size_t v = 0; own_means && v < batch.cameras.size(); ++v) {
    check_camera(batch, found, v);
  }
}

}  // namespace avatar_rt::fuzz
