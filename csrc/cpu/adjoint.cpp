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

// Blends a row's splats into one of its blocks, of transmittances `through`, and adds to the sums of
// each what its weights gather. Returns whether any pixel lets light through still.
bool gather_block(const BlendArgs& b, const Row& row, int column, const float* gradient,
                  float* through, float* sums) {
  const F threshold = splat(exponent_level(b.log2_alpha_min));
  const F opaque = splat(b.transmittance_min);
  const Columns columns = columns_of_block(column);
  const int n = row.lengths[column];
  for (int i = 0; i < n; ++i) {
    const int k = row.lists[column][i];
    const RowSplat& s = row.splats[k];
    float* sum = sums + static_cast<std::size_t>(row.places[k]) * 16 * (1 + b.channels);
    unsigned any = 0;
    for (int v = 0; v < kBlockLanes; ++v) {
      const F T = load(through + v * kWidth);
      const F weight = weight_of<Cubic>(T, power_of(s, columns.x[v]), threshold);
      const F next = T - weight;
      store(through + v * kWidth, next);
      any |= bits(less(opaque, next));
      for (int c = 0; c <= b.channels; ++c) {
        float* into = sum + 16 * c + v * kWidth;
        store(into, load(into) + weight * load(gradient + 16 * c + v * kWidth));
      }
    }
    // closed exactly where blend() closes it: at every fourth splat and at the end of a list
    if ((i % 4 == 3 || i + 1 == n) && any == 0) return false;
  }
  return true;
}

}  // namespace

void blend_adjoint(const AdjointArgs& args, int tile, Scratch& scratch) {
  const BlendArgs& b = args.blend;
  auto& [slice, row] = *static_cast<TileMemory*>(scratch.tile);
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
    for (int r = 0; r < kTileRows; ++r) {
      const unsigned columns = row_of(alive, r);
      if (columns == 0) continue;
      enter_row(slice, r, columns, row);
      for (unsigned todo = columns; todo != 0; todo &= todo - 1) {
        const int column = __builtin_ctz(todo), block = kTileColumns * r + column;
        alignas(64) float gradient[16 * (1 + kMaxChannels)];
        load_gradient(b, args.image_gradient, place.x + kBlock * column, place.y + kBlock * r,
                      gradient);
        const bool open = gather_block(b, row, column, gradient, through + 16 * block, sums);
        if (!open) alive &= ~(std::uint64_t{1} << block);
      }
    }
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
