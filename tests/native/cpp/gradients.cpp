#include "gradients.h"

namespace avatar_rt::fuzz {

Gradients gradients(const MadeBatch& batch, const Losses& losses, const Pictures* drawn,
                    int threads) {
  const std::size_t views = batch.cameras.size();
  Gradients g{{},
              Guarded<double>(batch.background.size()),
              Guarded<double>(16 * views),
              Guarded<float>(2 * batch.count * views),
              Guarded<float>(batch.count * views),
              Guarded<std::int64_t>(views)};
  PerView<float> out[MadeBatch::kArrays];
  for (const Rows& r : batch.rows) g.rows.emplace_back(r.values.size()).refill(0);
  for (std::size_t k = 0; k < MadeBatch::kArrays; ++k) {
    if (g.rows[k].size() > 0) out[k] = {g.rows[k].data(), batch.rows[k].step};
  }
  g.background.refill(0);
  g.viewmats.refill(0);
  g.means2d.refill(0);
  g.radii.refill(0);
  const SplatGradients to{out[0],
                          out[1],
                          out[2],
                          out[3],
                          out[4],
                          out[5],
                          batch.background.empty() ? nullptr : g.background.data(),
                          g.viewmats.data(),
                          g.means2d.data(),
                          g.radii.data(),
                          g.skipped.data()};
  splat_backward(batch.view(threads), drawn == nullptr ? nullptr : drawn->images.data(),
                 drawn == nullptr ? nullptr : drawn->alphas.data(), losses.images.data(),
                 losses.alphas.empty() ? nullptr : losses.alphas.data(), to);
  bool whole = g.background.untouched_outside() && g.viewmats.untouched_outside() &&
               g.means2d.untouched_outside() && g.radii.untouched_outside() &&
               g.skipped.untouched_outside();
  for (const Guarded<float>& rows : g.rows) whole = whole && rows.untouched_outside();
  require(whole, "splat_backward wrote beside its outputs");
  return g;
}

}  // namespace avatar_rt::fuzz
