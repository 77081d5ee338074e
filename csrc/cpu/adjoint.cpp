// The transpose of blending in the colours: each splat gathers the picture's gradient with the very
// weights that it was blended with.
#include "core/chain.h"
#include "cpu/block_row.h"
#include "cpu/stages.h"
#include "math/constants.h"

namespace avatar_rt::AVATAR_RT_ISA {
namespace {

// The gradient of a block's pixels: 1 where the picture has the pixel, then each channel. Pixels
// beyond its edge take part in blending, but all of theirs is 0.
void load_gradient(const BlendArgs& b, const float* gradient, int x, int y, float* out) {
  for (int k = 0; k < kBlockPixels; ++k) {
    const int px = x + k / kBlock, py = y + k % kBlock;
    const bool inside = px < b.width && py < b.height;
    const float* pixel =
        gradient +
        (static_cast<std::size_t>(py) * static_cast<std::size_t>(b.width) + px) * b.channels;
    out[k] = inside ? 1 : 0;
    for (int c = 0; c < b.channels; ++c) out[16 * (c + 1) + k] = inside ? pixel[c] : 0;
  }
}

}  // namespace

void blend_adjoint(const AdjointArgs& args, int tile, Scratch& scratch) {
  const BlendArgs& b = args.blend;
  auto* memory = static_cast<TileMemory*>(scratch.tile);
  Slice& slice = memory->slice;
  Row& row = memory->row;
  float* through = state_in(scratch);
  float* sums = through + 16 * kTileBlocks;  // per splat: the weight, then each channel, 16 lanes
  const int per_splat = 16 * (1 + b.channels);
  for (int k = 0; k < 16 * kTileBlocks; ++k) through[k] = 1;
  const TilePlace place = place_of(b, tile);
  const std::size_t n = sort_tile<Named::place>(b, tile, scratch);
  const Cut cut = cut_of(b, place);

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
    cut_slice<Named::place>(b, scratch, n, at, alive, cut, slice);
    for (std::size_t k = 0; k < static_cast<std::size_t>(slice.count) * per_splat; ++k) sums[k] = 0;
    for_blocks(slice, row, alive, [&](int r, int column) __attribute__((always_inline)) {
      alignas(64) float gradient[16 * (1 + kMaxChannels)];
      load_gradient(b, args.image_gradient, place.x + kBlock * column, place.y + kBlock * r,
                    gradient);
      const auto gather = [&](int k, int v, F weight) {
        float* sum = sums + std::size_t{row.places[k]} * per_splat + v * kWidth;
        const float* g = gradient + v * kWidth;
        for (int c = 0; c <= b.channels; ++c) {
          store(sum + 16 * c, load(sum + 16 * c) + weight * load(g + 16 * c));
        }
      };
      // closed exactly where blend() closes it
      return walk_block(b, row, column, through + 16 * (kTileColumns * r + column), gather);
    });
    for (int k = 0; k < slice.count; ++k) {
      const std::uint64_t where = scratch.sorted[slice.splats[k].named];
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
