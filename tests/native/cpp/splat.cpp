// splat: a batch's pictures are those of its views one by one, whatever the scene and the threads.
#include <cmath>
#include <cstring>

#include "batch.h"
#include "core/renderer.h"
#include "entries.h"
#include "scene.h"

namespace avatar_rt::fuzz {
namespace {

// Plain colours go another way than the batch's: rasterize's.
Pictures draw_alone(const MadeBatch& one) {
  if (one.sh_count > 0) return draw(one, 1);
  Pictures p{Guarded<float>(one.pixels() * static_cast<std::size_t>(one.channels)),
             Guarded<float>(one.pixels()), Guarded<std::int64_t>(1)};
  const SplatBatch b = one.view(1);
  const GaussianView gaussians{b.count,          b.means.data,     b.quats.data,  b.scales.data,
                               b.covars.data,    b.opacities.data, b.colors.data, b.channels};
  *p.skipped.data() = rasterize(gaussians, one.cameras[0], b.background, one.quality, 1,
                                p.images.data(), p.alphas.data());
  return p;
}

void check_skipped(const MadeBatch& batch, int view, std::int64_t skipped) {
  const CameraView& camera = batch.cameras[static_cast<std::size_t>(view)];
  const std::vector<bool> broken = batch.broken(view);
  std::int64_t surely = 0;
  for (std::size_t i = 0; i < batch.count; ++i) {
    // an opacity of -inf is below the threshold, as any other negative one
    surely += broken[i] && in_front(camera, batch.rows[MadeBatch::means].of(view, i)) &&
              !(*batch.rows[MadeBatch::opacities].of(view, i) < 0);
  }
  require(skipped >= surely, "a broken Gaussian before a camera was not counted");
  require(skipped <= static_cast<std::int64_t>(batch.count), "more were skipped than there are");
}

void check_pixels(const MadeBatch& batch, const Pictures& p) {
  for (std::size_t i = 0; i < p.alphas.size(); ++i) require_alpha(p.alphas[i]);
  const float under = largest_finite(batch.background);
  const float bound = std::fmax(largest_finite(batch.rows[MadeBatch::colors].values), under);
  if (batch.sh_count == 0) {
    require_within(p.images, bound, "a pixel exceeds all colours");
    return;
  }
  for (std::size_t i = 0; bound < 1e30f && i < p.images.size(); ++i) {
    require(std::isfinite(p.images[i]), "a pixel is not finite");
  }
}

}  // namespace

void fuzz_splat(Source& source) {
  const MadeBatch batch = make_batch(source);
  const Pictures one = draw(batch, 1), more = draw(batch, source.integer(2, 5));
  require(one.images.same(more.images), "the images depend on the number of threads");
  require(one.alphas.same(more.alphas), "alphas depend on the number of threads");
  require(one.skipped.same(more.skipped), "what is skipped depends on the number of threads");
  check_pixels(batch, one);
  const std::size_t pixels = batch.pixels();
  for (int v = 0; v < batch.views(); ++v) {
    check_skipped(batch, v, one.skipped[static_cast<std::size_t>(v)]);
    const Pictures alone = draw_alone(batch.alone(v));
    const std::size_t at = pixels * static_cast<std::size_t>(v);
    require(std::memcmp(alone.images.data(),
                        one.images.data() + at * static_cast<std::size_t>(batch.channels),
                        alone.images.size() * sizeof(float)) == 0,
            "a view's image depends on the others', or on a broken Gaussian");
    require(std::memcmp(alone.alphas.data(), one.alphas.data() + at, pixels * sizeof(float)) == 0,
            "a view's alpha depends on the others', or on a broken Gaussian");
  }
}

}  // namespace avatar_rt::fuzz
