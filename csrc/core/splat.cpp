// A batch of views, drawn.
#include "core/splat.h"

#include <algorithm>
#include <deque>

#include "core/parallel.h"

namespace avatar_rt {

Eye eye_of(const CameraView& camera) {
  const double* m = camera.viewmat;
  const auto cofactor = [&](int r, int c) {
    const int r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3;
    return m[4 * r1 + c1] * m[4 * r2 + c2] - m[4 * r1 + c2] * m[4 * r2 + c1];
  };
  const double det = m[0] * cofactor(0, 0) + m[1] * cofactor(0, 1) + m[2] * cofactor(0, 2);
  Eye eye;
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) eye.inverse[3 * r + c] = cofactor(c, r) / det;
  }
  for (int r = 0; r < 3; ++r) {
    const double* row = eye.inverse + 3 * r;
    eye.place[r] = -(row[0] * m[3] + row[1] * m[7] + row[2] * m[11]);
  }
  return eye;
}

void SplatView::prepare(const SplatBatch& batch, int view, int threads) {
  gaussians.count = batch.count;
  gaussians.means = batch.means.of(view);
  gaussians.quats = batch.quats.of(view);
  gaussians.scales = batch.scales.of(view);
  gaussians.covars = batch.covars.of(view);
  gaussians.opacities = batch.opacities.of(view);
  gaussians.colors = batch.colors.of(view);
  gaussians.channels = batch.channels;
  if (batch.sh_count == 0) return;
  shaded_.reserve(static_cast<std::size_t>(batch.count) * 3);
  const Eye eye = eye_of(batch.cameras[view]);
  shade = {gaussians.means,
           gaussians.colors,
           static_cast<std::size_t>(batch.sh_stored) * 3,
           batch.sh_count,
           {static_cast<float>(eye.place[0]), static_cast<float>(eye.place[1]),
            static_cast<float>(eye.place[2])},
           shaded_.data()};
  gaussians.colors = shaded_.data();
  constexpr std::int64_t kChunk = 4096;
  over_items(threads, static_cast<int>((batch.count + kChunk - 1) / kChunk), [&](int item) {
    const std::int64_t first = item * kChunk;
    backend().stages->shade(shade, first, std::min(first + kChunk, batch.count));
  });
}

BlendArgs SplatView::blend_args(const SplatBatch& batch, float* image, float* alpha) const {
  BlendArgs blend{};
  blend.colors = gaussians.colors;
  blend.color_stride = batch.channels;
  blend.channels = batch.channels;
  blend.background = batch.background;
  blend.target = Target::floats;
  blend.image = image;
  blend.alpha = alpha;
  return blend;
}

std::int64_t SplatView::draw(const SplatBatch& batch, int view, int threads,
                             const BlendArgs& blend, const Canvas::Draw& draw) {
  return canvas.draw(
      batch.count, batch.cameras[view], batch.quality, threads,
      [this](const ProjectArgs& args, Segment& segment) {
        backend().stages->project_array(args, gaussians, segment);
      },
      blend, draw, nullptr);
}

void splat(const SplatBatch& batch, float* images, float* alphas, std::int64_t* skipped) {
  if (batch.views == 0) return;
  const auto pixels = static_cast<std::size_t>(batch.cameras[0].width) *
                      static_cast<std::size_t>(batch.cameras[0].height);
  std::deque<SplatView> places(static_cast<std::size_t>(std::min(batch.threads, batch.views)));
  const auto draw = [&](int view, int worker, int threads) {
    const auto at = static_cast<std::size_t>(view) * pixels;
    SplatView& place = places[static_cast<std::size_t>(worker)];
    place.prepare(batch, view, threads);
    const BlendArgs blend = place.blend_args(
        batch, images + at * static_cast<std::size_t>(batch.channels), alphas + at);
    skipped[view] = place.draw(batch, view, threads, blend, [&](const BlendArgs& args) {
      place.canvas.blend_tiles(args, threads);
    });
  };
  // whole views side by side as long as every thread has one, then several threads a view
  const int rest = batch.views % batch.threads, whole = batch.views - rest;
  over_items(batch.threads, whole, [&](int item, int worker) { draw(item, worker, 1); });
  over_items(rest, rest, [&](int item, int worker) {
    draw(whole + item, worker, batch.threads / rest);
  });
}

}  // namespace avatar_rt
