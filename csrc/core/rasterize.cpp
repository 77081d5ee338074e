// Gaussians in plain arrays: the picture, and the colours' adjoint.
#include <algorithm>
#include <vector>

#include "core/canvas.h"
#include "core/chain.h"
#include "core/renderer.h"
#include "math/constants.h"

namespace avatar_rt {
namespace {

int tile_count(const Region& region) { return region.columns * region.rows; }

struct AdjointLoop {
  const AdjointArgs* args;
  Canvas* canvas;
};

}  // namespace

std::int64_t rasterize(const GaussianView& gaussians, const CameraView& camera,
                       const float* background, Quality quality, int threads, float* image,
                       float* alpha) {
  Canvas canvas;
  BlendArgs blend{};
  blend.colors = gaussians.colors;
  blend.color_stride = gaussians.channels;
  blend.channels = gaussians.channels;
  blend.background = background;
  blend.target = Target::floats;
  blend.image = image;
  blend.alpha = alpha;
  return canvas.draw(
      gaussians.count, camera, quality, threads,
      [&](const ProjectArgs& args, Segment& segment) {
        backend().stages->project_array(args, gaussians, segment);
      },
      blend, [&](const BlendArgs& args) { canvas.blend_tiles(args, threads); }, nullptr);
}

void rasterize_colors_adjoint(const GaussianView& gaussians, const CameraView& camera,
                              const float* image_gradient, int threads, float* color_gradient,
                              float* weight_sum) {
  const std::size_t channels = static_cast<std::size_t>(gaussians.channels), stride = channels + 1;
  std::fill_n(color_gradient, static_cast<std::size_t>(gaussians.count) * channels, 0.0f);
  std::fill_n(weight_sum, static_cast<std::size_t>(gaussians.count), 0.0f);
  Canvas canvas;
  BlendArgs blend{};
  blend.channels = gaussians.channels;
  blend.target = Target::floats;  // it chooses the curve: the adjoint knows but that of rasterize()
  std::vector<Buffer<float>> partial;
  std::vector<float*> partial_data;
  const auto draw = [&](const BlendArgs& args) {
    const auto segments = static_cast<std::size_t>(args.segment_count);
    if (partial.size() < segments) partial.resize(segments);
    partial_data.resize(segments);
    for (std::size_t k = 0; k < segments; ++k) {
      partial[k].reserve(args.segments[k].used * stride);
      partial_data[k] = partial[k].data();
    }
    AdjointArgs adjoint{args, image_gradient, partial_data.data()};
    AdjointLoop loop{&adjoint, &canvas};
    backend().parallel(
        threads, tile_count(args.region),
        [](void* c, int tile, int worker) {
          const auto& own = *static_cast<AdjointLoop*>(c);
          backend().stages->blend_adjoint(*own.args, tile,
                                          own.canvas->scratch(worker));
        },
        &loop);
    // each segment's Gaussians are its own, and its tiles come in one order: no race, one result
    const auto gather = [&](int k) {
      const Segment& segment = args.segments[k];
      for (int tile = 0; tile < tile_count(args.region); ++tile) {
        scalar::for_slots(segment, tile, [&](std::uint32_t slot) __attribute__((always_inline)) {
          const std::size_t splat = segment.entries[slot].splat;
          const float* sums = partial_data[static_cast<std::size_t>(k)] + slot * stride;
          weight_sum[splat] += sums[0];
          for (std::size_t c = 0; c < channels; ++c) {
            color_gradient[splat * channels + c] += sums[1 + c];
          }
        });
      }
    };
    backend().parallel(
        threads, args.segment_count,
        [](void* c, int k, int) { (*static_cast<decltype(gather)*>(c))(k); },
        const_cast<void*>(static_cast<const void*>(&gather)));
  };
  canvas.draw(
      gaussians.count, camera, Quality::exact, threads,
      [&](const ProjectArgs& args, Segment& segment) {
        backend().stages->project_array(args, gaussians, segment);
      },
      blend, draw, nullptr);
}

}  // namespace avatar_rt
