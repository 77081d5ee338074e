// A batch of views, drawn.
#include "core/splat.h"

#include <algorithm>
#include <deque>

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
  backend().parallel(
      threads, static_cast<int>((batch.count + kChunk - 1) / kChunk),
      [](void* c, int item, int) {
        const auto& own = *static_cast<SplatView*>(c);
        const std::int64_t first = item * kChunk;
        backend().stages->shade(own.shade, first,
                                std::min(first + kChunk, own.gaussians.count));
      },
      this);
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

void splat(const SplatBatch& batch, float* images, float* alphas) {
  if (batch.views == 0) return;
  const auto pixels = static_cast<std::size_t>(batch.cameras[0].width) *
                      static_cast<std::size_t>(batch.cameras[0].height);
  struct Loop {
    const SplatBatch* batch;
    float *images, *alphas;
    std::size_t pixels;
    std::deque<SplatView> places;
    int first = 0, threads_each = 1;
  } loop{&batch, images, alphas, pixels, {}};
  loop.places.resize(static_cast<std::size_t>(std::min(batch.threads, batch.views)));
  const auto draw = [](void* c, int item, int worker) {
    auto& own = *static_cast<Loop*>(c);
    const int view = own.first + item;
    const auto at = static_cast<std::size_t>(view) * own.pixels;
    SplatView& place = own.places[static_cast<std::size_t>(worker)];
    place.prepare(*own.batch, view, own.threads_each);
    const BlendArgs blend = place.blend_args(
        *own.batch, own.images + at * static_cast<std::size_t>(own.batch->channels),
        own.alphas + at);
    place.draw(*own.batch, view, own.threads_each, blend, [&](const BlendArgs& args) {
      place.canvas.blend_tiles(args, own.threads_each);
    });
  };
  // whole views side by side as long as every thread has one, then several threads a view
  const int rest = batch.views % batch.threads;
  backend().parallel(batch.threads, batch.views - rest, draw, &loop);
  if (rest == 0) return;
  loop.first = batch.views - rest;
  loop.threads_each = batch.threads / rest;
  backend().parallel(rest, rest, draw, &loop);
}

}  // namespace avatar_rt
