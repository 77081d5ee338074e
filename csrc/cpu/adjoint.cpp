// The transpose of blending in the colours: each splat gathers the picture's gradient with the very
// weights that it was blended with.
#include "core/chain.h"
#include "cpu/stages.h"
#include "cpu/tile.h"
#include "math/constants.h"

namespace avatar_rt::AVATAR_RT_ISA {
namespace {

// The gradient of a block's pixels: 1 where the picture has the pixel, then each channel. Pixels
// beyond its edge take part in blending, but all of theirs is 0.
void load_gradient(const AdjointArgs& args, int x, int y, float* out) {
  const BlendArgs& b = args.blend;
  for (int k = 0; k < kBlockPixels; ++k) {
    const int px = x + k % 4, py = y + k / 4;
    const bool inside = px < b.width && py < b.height;
    const float* pixel =
        args.image_gradient +
        (static_cast<std::size_t>(py) * static_cast<std::size_t>(b.width) + px) * b.channels;
    out[k] = inside ? 1 : 0;
    for (int c = 0; c < b.channels; ++c) out[16 * (c + 1) + k] = inside ? pixel[c] : 0;
  }
}

}  // namespace

void blend_adjoint(const AdjointArgs& args, int tile, Scratch& scratch) {
  const BlendArgs& b = args.blend;
  auto* memory = static_cast<char*>(scratch.tile);
  Slice& slice = *reinterpret_cast<Slice*>(memory);
  float* through = reinterpret_cast<float*>(memory + (sizeof(Slice) + 63) / 64 * 64);
  float* sums = through + 16 * kTileBlocks;  // per splat: the weight, then each channel, 16 lanes
  const int per_splat = 16 * (1 + b.channels);
  for (int k = 0; k < 16 * kTileBlocks; ++k) through[k] = 1;
  const TilePlace place = place_of(b, tile);
  const std::size_t n = sort_tile(b, tile, scratch);
  const F threshold = splat(exponent_level(b.log2_alpha_min));
  const Cut cut = cut_of(b, place);
  const F opaque = splat(b.transmittance_min);

  // where each collected entry sits in its segment, in the order that sort_tile() found them
  std::size_t found = 0;
  for (int k = 0; k < b.segment_count; ++k) {
    for_slots(b.segments[k], tile, [&](std::uint32_t slot) __attribute__((always_inline)) {
      scratch.sorted[found++] = static_cast<std::uint64_t>(k) << 32 | slot;
    });
  }
  for (std::size_t i = 0; i < n; ++i) {
    float* slot = args.partial[scratch.sorted[i] >> 32] +
                  static_cast<std::uint32_t>(scratch.sorted[i]) *
                      static_cast<std::size_t>(1 + b.channels);
    for (int c = 0; c <= b.channels; ++c) slot[c] = 0;
  }

  std::uint64_t alive = place.blocks;
  for (std::size_t at = 0; at < n && alive != 0;) {
    const int count = cut_slice(b, scratch, n, at, alive, cut, slice);
    for (std::size_t k = 0; k < static_cast<std::size_t>(count) * per_splat; ++k) sums[k] = 0;
    for (std::uint64_t todo = alive; todo != 0; todo &= todo - 1) {
      const int block = __builtin_ctzll(todo);
      alignas(64) float gradient[16 * (1 + kMaxChannels)];
      load_gradient(args, place.x + kBlock * (block % 8), place.y + kBlock * (block / 8), gradient);
      const BlockGrid grid = grid_of(block);
      float* T_at = through + 16 * block;
      for (int i = 0; i < slice.lengths[block]; ++i) {
        const int k = slice.lists[block][i];
        float* sum = sums + static_cast<std::size_t>(k) * per_splat;
        unsigned any = 0;
        for (int v = 0; v < kBlockLanes; ++v) {
          const F T = load(T_at + v * kWidth);
          const F weight = splat_alpha(slice.splats[k], grid.x[v], grid.y[v], threshold) * T;
          const F next = T - weight;
          store(T_at + v * kWidth, next);
          any |= bits(less(opaque, next));
          for (int c = 0; c <= b.channels; ++c) {
            float* into = sum + 16 * c + v * kWidth;
            store(into, load(into) + weight * load(gradient + 16 * c + v * kWidth));
          }
        }
        // closed exactly where blend() closes it: at every fourth splat and at the end of a list
        const bool look = i % 4 == 3 || i + 1 == slice.lengths[block];
        if (look && any == 0) {
          alive &= ~(std::uint64_t{1} << block);
          break;
        }
      }
    }
    for (int k = 0; k < count; ++k) {
      const std::uint64_t where = scratch.sorted[slice.splats[k].ref];
      float* slot = args.partial[where >> 32] + static_cast<std::uint32_t>(where) *
                                                    static_cast<std::size_t>(1 + b.channels);
      for (int c = 0; c <= b.channels; ++c) {
        F total{};
        for (int v = 0; v < 16; v += kWidth) {
          total += load(sums + static_cast<std::size_t>(k) * per_splat + 16 * c + v);
        }
        slot[c] = sum(total);
      }
    }
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
