// splat_backward: a batch's gradients are its views' one by one, summed where they share, the same
// bits on any threads, and zeros for what is broken.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>

#include "entries.h"
#include "gradients.h"

namespace avatar_rt::fuzz {
namespace {

Losses make_losses(Source& source, const MadeBatch& batch) {
  const std::size_t pixels = batch.picture_pixels();
  Losses l{std::vector<float>(pixels * static_cast<std::size_t>(batch.channels)), {}};
  if (source.chance(0.6)) l.alphas.resize(pixels);
  for (float& g : l.images) g = source.normal(1);
  for (float& g : l.alphas) g = source.normal(1);
  return l;
}

// The losses of one view.
Losses part_of(const Losses& all, const MadeBatch& batch, int view) {
  const auto cut = [&](const std::vector<float>& values, std::size_t per_pixel) {
    if (values.empty()) return values;
    const float* from = values.data() + static_cast<std::size_t>(view) * batch.pixels() * per_pixel;
    return std::vector<float>(from, from + batch.pixels() * per_pixel);
  };
  return {cut(all.images, static_cast<std::size_t>(batch.channels)), cut(all.alphas, 1)};
}

// Nothing where splat_backward refuses a number of the pictures or their gradients.
std::optional<Gradients> try_gradients(const MadeBatch& batch, const Losses& losses,
                                       const Pictures* drawn, int threads) {
  try {
    return gradients(batch, losses, drawn, threads);
  } catch (const std::invalid_argument&) {
    return {};
  }
}

void require_same(const Gradients& a, const Gradients& b, const char* what) {
  for (std::size_t k = 0; k < a.rows.size(); ++k) {
    require(same_numbers(a.rows[k].data(), b.rows[k].data(), a.rows[k].size()), what);
  }
  require(same_numbers(a.background.data(), b.background.data(), a.background.size()), what);
  require(same_numbers(a.viewmats.data(), b.viewmats.data(), a.viewmats.size()), what);
  require(same_numbers(a.means2d.data(), b.means2d.data(), a.means2d.size()), what);
  require(same_numbers(a.radii.data(), b.radii.data(), a.radii.size()), what);
  require(a.skipped.same(b.skipped), what);
}

// Rounding may differ where a batch sums what the views found.
void require_sum(const std::vector<double>& sum, const std::vector<double>& size,
                 const Guarded<float>& found) {
  for (std::size_t i = 0; i < sum.size(); ++i) {
    if (size[i] < 1e30) {
      require(std::abs(sum[i] - found[i]) <= 1e-5 * size[i] + 1e-30,
              "a batch's gradient is not the sum of its views'");
    }
  }
}

// Holds a batch against its views one by one, in which broken Gaussians are invisible ones.
void check_views(const MadeBatch& batch, const Losses& losses, const Gradients& found) {
  std::vector<double> sum[MadeBatch::kArrays], size[MadeBatch::kArrays];
  for (int v = 0; v < batch.views(); ++v) {
    const auto view = static_cast<std::size_t>(v);
    const Gradients one = gradients(batch.alone(v), part_of(losses, batch, v), nullptr, 1);
    const std::vector<bool> broken = batch.broken(v);
    constexpr char kOther[] = "a view's gradient depends on the others', or on a broken Gaussian";
    const std::size_t n = batch.count;
    require(same_numbers(one.viewmats.data(), found.viewmats.data() + 16 * view, 16), kOther);
    require(same_numbers(one.means2d.data(), found.means2d.data() + 2 * n * view, 2 * n), kOther);
    require(same_numbers(one.radii.data(), found.radii.data() + n * view, n), kOther);
    for (std::size_t k = 0; k < MadeBatch::kArrays; ++k) {
      const Guarded<float>& own = one.rows[k];
      const Rows& rows = batch.rows[k];
      if (rows.step > 0) {
        require(same_numbers(own.data(), found.rows[k].data() + rows.step * view, own.size()),
                kOther);
      }
      sum[k].resize(own.size());
      size[k].resize(own.size());
      for (std::size_t i = 0; i < own.size(); ++i) {
        sum[k][i] += own[i];
        size[k][i] += std::abs(own[i]);
        require(own[i] == 0 || !broken[i / rows.width], "a broken Gaussian has a gradient");
      }
    }
  }
  for (std::size_t k = 0; k < MadeBatch::kArrays && batch.views() > 0; ++k) {
    if (batch.rows[k].step == 0) require_sum(sum[k], size[k], found.rows[k]);
  }
}

}  // namespace

void fuzz_splat_backward(Source& source) {
  MadeBatch batch = make_batch(source);
  batch.quality = Quality::exact;
  Losses losses = make_losses(source, batch);
  const bool refusable = !losses.images.empty() && source.chance(0.05);
  if (refusable) {
    std::vector<float>& broken = losses.alphas.empty() ? losses.images : losses.alphas;
    broken[static_cast<std::size_t>(source.integer(0, static_cast<int>(broken.size()) - 1))] =
        source.pick({std::numeric_limits<float>::quiet_NaN(),
                     std::numeric_limits<float>::infinity()});
  }
  const Pictures drawn = draw(batch, 1);
  const int threads = source.integer(2, 5);
  const auto one = try_gradients(batch, losses, &drawn, 1);
  const auto more = try_gradients(batch, losses, nullptr, threads);
  require(one.has_value() == more.has_value(), "what is refused depends on the number of threads");
  if (!one) {
    require(refusable || !batch.friendly, "a friendly scene was refused");
    return;
  }
  require(!refusable, "a gradient that is not finite was taken");
  require(one->skipped.same(drawn.skipped), "the way back skips other Gaussians");
  require_same(*one, *more, "gradients depend on the number of threads, or on given pictures");
  check_views(batch, losses, *one);
  if (batch.friendly) check_identities(batch, losses, drawn, *one);
}

}  // namespace avatar_rt::fuzz
