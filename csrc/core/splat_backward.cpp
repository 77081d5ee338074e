// The gradients of a batch of views. Each view first gathers, per Gaussian, sums over its pixels;
// then all Gaussians are taken back through their projection, view after view in one order, so that
// nothing depends on the number of threads.
#include <algorithm>
#include <cmath>
#include <deque>
#include <stdexcept>
#include <vector>

#include "core/chain.h"
#include "core/parallel.h"
#include "core/splat.h"

namespace avatar_rt {
namespace {

constexpr std::int64_t kChunk = 2048;  // Gaussians that are taken back together
constexpr std::size_t kMostPartial = std::size_t{1} << 26;  // floats in the entries' slots: 256 MiB

int tile_count(const BlendArgs& args) { return args.region.columns * args.region.rows; }

struct Pixels {
  const float *image, *alpha, *image_gradient, *alpha_gradient;
};

// One view's sums, and the memory for finding them.
class ViewSums {
 public:
  void find(const SplatBatch& batch, int view, int threads, Pixels pixels);

  SplatView view;
  Buffer<float> sums;              // sum_count floats a Gaussian
  std::vector<double> totals;      // per channel Σ T_end·∂L/∂pixel; the last is NaN for a bad input
  std::int64_t skipped = 0;

 private:
  void find_in_region(const BlendArgs& args, int threads, Pixels pixels, float* image,
                      float* alpha);
  void gather(const Segment& segment, const float* partial, int tiles, std::size_t stride) const;

  Buffer<float> image_, alpha_, tile_totals_;
  std::deque<Buffer<float>> partial_, state_;
};

void ViewSums::gather(const Segment& segment, const float* partial, int tiles,
                      std::size_t stride) const {
  for (int tile = 0; tile < tiles; ++tile) {
    scalar::for_slots(segment, tile, [&](std::uint32_t slot) __attribute__((always_inline)) {
      float* into = sums.data() + segment.entries[slot].splat * stride;
      const float* from = partial + slot * stride;
      for (std::size_t k = 0; k < stride; ++k) into[k] += from[k];
    });
  }
}

void ViewSums::find_in_region(const BlendArgs& args, int threads, Pixels pixels, float* image,
                              float* alpha) {
  if (image != nullptr) {
    view.canvas.blend_tiles(args, threads);
    pixels.image = image;
    pixels.alpha = alpha;
  }
  const int tiles = tile_count(args);
  const auto channels = static_cast<std::size_t>(args.channels);
  const auto stride = static_cast<std::size_t>(sum_count(args.channels));
  const auto segments = static_cast<std::size_t>(args.segment_count);
  tile_totals_.reserve(static_cast<std::size_t>(tiles) * (channels + 1));
  while (state_.size() < static_cast<std::size_t>(threads)) {
    state_.emplace_back().reserve(splat_adjoint_floats(args.channels));
  }
  // One thread adds to the Gaussians' sums in the order of tiles; several leave what they find in
  // the entries' slots, whence it is added in that order. The bits are the same, so that a picture
  // with too many entries may be left to one.
  std::size_t slots = 0;
  for (std::size_t k = 0; k < segments; ++k) slots += args.segments[k].used;
  const bool alone = threads == 1 || slots * stride > kMostPartial;
  if (alone) threads = 1;
  std::vector<float*> partial(segments);
  while (!alone && partial_.size() < segments) partial_.emplace_back();
  for (std::size_t k = 0; !alone && k < segments; ++k) {
    partial_[k].reserve(args.segments[k].used * stride);
    partial[k] = partial_[k].data();
  }
  const SplatAdjointArgs adjoint = {&args,
                                    pixels.image,
                                    pixels.alpha,
                                    pixels.image_gradient,
                                    pixels.alpha_gradient,
                                    alone ? nullptr : partial.data(),
                                    sums.data(),
                                    tile_totals_.data()};
  over_items(threads, tiles, [&](int tile, int worker) {
    backend().stages->splat_adjoint(adjoint, tile, view.canvas.scratch(worker),
                                    state_[static_cast<std::size_t>(worker)].data());
  });
  for (int tile = 0; tile < tiles; ++tile) {
    const float* from = tile_totals_.data() + static_cast<std::size_t>(tile) * (channels + 1);
    for (std::size_t c = 0; c <= channels; ++c) totals[c] += static_cast<double>(from[c]);
  }
  if (alone) return;
  // each segment's Gaussians are its own
  over_items(threads, args.segment_count, [&](int k, int) {
    const auto at = static_cast<std::size_t>(k);
    gather(args.segments[at], partial[at], tiles, stride);
  });
}

void ViewSums::find(const SplatBatch& batch, int number, int threads, Pixels pixels) {
  const auto channels = static_cast<std::size_t>(batch.channels);
  sums.zeros(static_cast<std::size_t>(batch.count) *
                 static_cast<std::size_t>(sum_count(batch.channels)) +
             kSumsMargin);
  totals.assign(channels + 1, 0.0);
  float *image = nullptr, *alpha = nullptr;
  if (pixels.image == nullptr) {
    const CameraView& camera = batch.cameras[number];
    const auto size = static_cast<std::size_t>(camera.width) *
                      static_cast<std::size_t>(camera.height);
    image_.reserve(size * channels);
    alpha_.reserve(size);
    image = image_.data();
    alpha = alpha_.data();
  }
  view.prepare(batch, number, threads);
  skipped = view.draw(batch, number, threads, view.blend_args(batch, image, alpha),
                      [&](const BlendArgs& args) {
                        find_in_region(args, threads, pixels, image, alpha);
                      });
  for (const double total : totals) require_finite_total(total);
}

}  // namespace

void require_finite_total(double total) {
  if (std::isfinite(total)) return;
  throw std::invalid_argument(
      "image_gradients: they, alpha_gradients, images or alphas hold a value that is not finite");
}

void add_camera(const CameraView& camera, const double* sums, bool with_eye, double* viewmat) {
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) viewmat[4 * r + c] += sums[3 * r + c];
    viewmat[4 * r + 3] += sums[9 + r];
  }
  if (!with_eye) return;
  // eye = -R⁻¹t: d eye = -R⁻¹(dt + dR·eye)
  const Eye eye = eye_of(camera);
  for (int r = 0; r < 3; ++r) {
    double pulled = 0;
    for (int c = 0; c < 3; ++c) pulled += eye.inverse[3 * c + r] * sums[12 + c];
    for (int c = 0; c < 3; ++c) viewmat[4 * r + c] -= pulled * eye.place[c];
    viewmat[4 * r + 3] -= pulled;
  }
}

void splat_backward(const SplatBatch& batch, const float* images, const float* alphas,
                    const float* image_gradients, const float* alpha_gradients,
                    const SplatGradients& out) {
  if (batch.views == 0) return;
  const auto pixels = static_cast<std::size_t>(batch.cameras[0].width) *
                      static_cast<std::size_t>(batch.cameras[0].height);
  const auto channels = static_cast<std::size_t>(batch.channels);
  const auto count = static_cast<std::size_t>(batch.count);
  const int chunks = static_cast<int>((batch.count + kChunk - 1) / kChunk);
  const float alpha_min = thresholds_of(batch.quality).alpha_min;
  std::deque<ViewSums> places(static_cast<std::size_t>(std::min(batch.threads, batch.views)));
  std::vector<double> camera;
  for (int first = 0; first < batch.views;) {
    const int together = std::min(batch.threads, batch.views - first);
    const int threads_each = batch.threads / together;
    over_items(together, together, [&](int item, int) {
      const auto at = static_cast<std::size_t>(first + item) * pixels;
      const auto of = [&](const float* data, std::size_t size) {
        return data == nullptr ? nullptr : data + at * size;
      };
      places[static_cast<std::size_t>(item)].find(
          batch, first + item, threads_each,
          {of(images, channels), of(alphas, 1), of(image_gradients, channels),
           of(alpha_gradients, 1)});
    });
    camera.assign(static_cast<std::size_t>(together) * chunks * kCameraSums, 0.0);
    over_items(batch.threads, chunks, [&](int chunk, int) {
      const std::int64_t begin = chunk * kChunk, end = std::min(begin + kChunk, batch.count);
      for (int item = 0; item < together; ++item) {
        const ViewSums& place = places[static_cast<std::size_t>(item)];
        const int v = first + item;
        const auto row = static_cast<std::size_t>(v) * count;
        ProjectAdjointArgs args{};
        args.gaussians = place.view.gaussians;
        args.view = view_of(batch.cameras[v]);
        args.lens = lens_of(batch.cameras[v]);
        args.alpha_min = alpha_min;
        args.sums = place.sums.data();
        args.shade = batch.sh_count == 0 ? nullptr : &place.view.shade;
        args.means = out.means.of(v);
        args.quats = out.quats.of(v);
        args.scales = out.scales.of(v);
        args.covars = out.covars.of(v);
        args.opacities = out.opacities.of(v);
        args.colors = out.colors.of(v);
        args.means2d = out.means2d + 2 * row;
        args.radii = out.radii + row;
        args.camera = camera.data() + (static_cast<std::size_t>(item) * chunks + chunk) *
                                          kCameraSums;
        backend().stages->project_adjoint(args, begin, end);
      }
    });
    for (int item = 0; item < together; ++item) {
      const ViewSums& place = places[static_cast<std::size_t>(item)];
      const int v = first + item;
      double sums[kCameraSums] = {};
      for (int chunk = 0; chunk < chunks; ++chunk) {
        const double* from =
            camera.data() + (static_cast<std::size_t>(item) * chunks + chunk) * kCameraSums;
        for (int k = 0; k < kCameraSums; ++k) sums[k] += from[k];
      }
      add_camera(batch.cameras[v], sums, batch.sh_count > 0, out.viewmats + std::size_t{16} * v);
      for (std::size_t c = 0; out.background != nullptr && c < channels; ++c) {
        out.background[c] += place.totals[c];
      }
      out.skipped[v] = place.skipped;
    }
    first += together;
  }
}

}  // namespace avatar_rt
