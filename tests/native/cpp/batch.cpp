#include "batch.h"

#include <algorithm>
#include <cmath>

#include "scene.h"

namespace avatar_rt::fuzz {
namespace {

Rows rows_of(const std::vector<float>& values, std::size_t width) {
  return {values, width, width, 0};
}

std::vector<float> harmonics(Source& source, std::size_t n, double share) {
  std::vector<float> values(n);
  for (float& v : values) v = source.normal(0.3);
  if (share > 0) source.salt(values, share);
  return values;
}

// The same Gaussians once for every view, each a little otherwise: a factor a row keeps covariances
// positive.
void spread(Source& source, Rows& rows, int views) {
  const std::vector<float> first = std::move(rows.values);
  rows.values = {};
  rows.step = first.size();
  rows.values.reserve(first.size() * static_cast<std::size_t>(views));
  for (int v = 0; v < views; ++v) {
    float factor = 1;
    for (std::size_t k = 0; k < first.size(); ++k) {
      if (k % rows.width == 0) factor = static_cast<float>(source.uniform(0.8, 1.25));
      rows.values.push_back(first[k] * factor);
    }
  }
}

// Many views of large pictures would make one batch outlast a hundred others.
int most_views(const Scene& s) {
  const std::size_t one = s.pixels() * static_cast<std::size_t>(s.channels) + 10 * s.count();
  return std::clamp(static_cast<int>(40'000 / one), 1, 4);
}

// csrc/bind lets none through that harmonics cannot be seen from.
bool has_eye(const CameraView& camera) {
  const Eye eye = eye_of(camera);
  return std::isfinite(eye.place[0] + eye.place[1] + eye.place[2]);
}

}  // namespace

std::size_t MadeBatch::pixels() const {
  return cameras.empty() ? 0
                         : static_cast<std::size_t>(cameras[0].width) *
                               static_cast<std::size_t>(cameras[0].height);
}

SplatBatch MadeBatch::view(int threads) const {
  const auto of = [&](int k) -> PerView<const float> {
    return {rows[k].values.data(), rows[k].step};
  };
  SplatBatch b;
  b.count = static_cast<std::int64_t>(count);
  b.views = views();
  b.cameras = cameras.data();
  b.means = of(means);
  b.quats = of(quats);
  b.scales = of(scales);
  b.covars = of(covars);
  b.opacities = of(opacities);
  b.colors = of(colors);
  b.channels = channels;
  b.sh_count = sh_count;
  b.sh_stored = sh_stored;
  b.background = background.empty() ? nullptr : background.data();
  b.quality = quality;
  b.threads = threads;
  return b;
}

std::vector<bool> MadeBatch::broken(int view) const {
  std::vector<bool> any(count);
  for (const Rows& r : rows) {
    for (std::size_t i = 0; !r.values.empty() && i < count; ++i) {
      const float* row = r.of(view, i);
      any[i] = any[i] || !std::all_of(row, row + r.used, [](float v) { return std::isfinite(v); });
    }
  }
  return any;
}

MadeBatch MadeBatch::alone(int view) const {
  MadeBatch one = *this;
  one.cameras = {cameras[static_cast<std::size_t>(view)]};
  const std::vector<bool> invisible = broken(view);
  for (int k = 0; k < kArrays; ++k) {
    const Rows& from = rows[k];
    if (from.values.empty()) continue;
    std::vector<float> own(from.of(view, 0), from.of(view, count));
    for (std::size_t i = 0; i < count; ++i) {
      if (!invisible[i]) continue;
      std::fill_n(own.begin() + static_cast<std::ptrdiff_t>(i * from.width), from.width,
                  k == quats ? 1.0f : 0.0f);
    }
    one.rows[k] = {std::move(own), from.width, from.used, 0};
  }
  return one;
}

MadeBatch make_batch(Source& source) {
  MadeBatch b;
  b.friendly = source.chance(0.6);
  const Scene s = make_scene(source, b.friendly ? Manner::friendly : Manner::any);
  b.count = s.count();
  b.channels = s.channels;
  b.background = s.background;
  b.quality = source.pick({Quality::exact, Quality::fast, Quality::faster, Quality::hasty,
                           Quality::hastiest});
  b.rows[MadeBatch::means] = rows_of(s.means, 3);
  b.rows[MadeBatch::quats] = rows_of(s.quats, 4);
  b.rows[MadeBatch::scales] = rows_of(s.scales, 3);
  b.rows[MadeBatch::covars] = rows_of(s.covars, 6);
  b.rows[MadeBatch::opacities] = rows_of(s.opacities, 1);
  Rows& colors = b.rows[MadeBatch::colors];
  colors = rows_of(s.colors, static_cast<std::size_t>(s.channels));
  if (s.channels == 3 && source.chance(0.6)) {
    b.sh_count = source.pick({1, 4, 9, 16});
    b.sh_stored = source.chance(0.5) ? b.sh_count : source.integer(b.sh_count, 17);
    colors.width = static_cast<std::size_t>(3 * b.sh_stored);
    colors.used = static_cast<std::size_t>(3 * b.sh_count);
    colors.values = harmonics(source, b.count * colors.width,
                              b.friendly ? 0.0 : source.pick({0.0, 0.001, 0.02}));
  }
  const int views = source.chance(0.05) ? 0 : source.integer(1, most_views(s));
  for (int v = 0; v < views; ++v) {
    CameraView camera = v == 0 ? s.camera
                               : make_camera(source, !b.friendly && source.chance(0.25));
    while (b.sh_count > 0 && !has_eye(camera)) camera = make_camera(source, false);
    camera.width = s.camera.width;
    camera.height = s.camera.height;
    b.cameras.push_back(camera);
  }
  const bool broken = source.chance(0.4);
  for (Rows& r : b.rows) {
    if (r.values.empty()) continue;
    if (source.chance(0.5)) spread(source, r, views);
    if (broken && source.chance(0.4)) source.shatter(r.values, 0.005);
  }
  return b;
}

Pictures draw(const MadeBatch& batch, int threads) {
  const std::size_t pixels = batch.picture_pixels();
  Pictures p{Guarded<float>(pixels * static_cast<std::size_t>(batch.channels)),
             Guarded<float>(pixels), Guarded<std::int64_t>(batch.cameras.size())};
  splat(batch.view(threads), p.images.data(), p.alphas.data(), p.skipped.data());
  require(p.images.untouched_outside(), "splat wrote beside its images");
  require(p.alphas.untouched_outside(), "splat wrote beside its alphas");
  require(p.skipped.untouched_outside(), "splat wrote beside its counts");
  return p;
}

}  // namespace avatar_rt::fuzz
