// Blends a tile: every 4×4 block walks its list with transmittance and colour in registers.
#include "cpu/block_row.h"
#include "cpu/output.h"
#include "cpu/stages.h"

namespace avatar_rt::AVATAR_RT_ISA {
namespace {

// Blends a row's splats into one of its blocks, of three channels; its state is T, r, g, b of 16
// pixels each. Returns whether any pixel lets light through still.
template <class C>
[[gnu::noinline]] bool blend_rgb(const Row& row, int column, float threshold_, float opaque_,
                                 float* state) {
  const Columns columns = columns_of_block(column);
  const std::uint16_t* list = row.lists[column];
  const int n = row.lengths[column];
  const F threshold = splat(threshold_), opaque = splat(opaque_);
  F T[kBlockLanes], r[kBlockLanes], g[kBlockLanes], b[kBlockLanes];
  for (int v = 0; v < kBlockLanes; ++v) {
    T[v] = load(state + v * kWidth);
    r[v] = load(state + 16 + v * kWidth);
    g[v] = load(state + 32 + v * kWidth);
    b[v] = load(state + 48 + v * kWidth);
  }
  // kCount splats in step: what one of them waits for, the others fill
  const auto steps = [&]<int kCount>(const std::uint16_t* at) __attribute__((always_inline)) {
    F alpha[kCount][kBlockLanes];
    M kept[kCount][kBlockLanes];
    const auto each = [&](const auto& change) __attribute__((always_inline)) {
      for (int i = 0; i < kCount; ++i) {
        for (int v = 0; v < kBlockLanes; ++v) {
          change(i, v);
          settle(alpha[i][v]);
        }
      }
    };
    each([&](int i, int v) __attribute__((always_inline)) {
      alpha[i][v] = power_of(row.splats[at[i]], columns.x[v]);
    });
    each([&](int i, int v) __attribute__((always_inline)) {
      kept[i][v] = at_least(alpha[i][v], threshold);
      alpha[i][v] = unchecked_alpha<C>(alpha[i][v]);
    });
    for (int i = 0; i < kCount; ++i) {
      const RowSplat& s = row.splats[at[i]];
      for (int v = 0; v < kBlockLanes; ++v) {
        const F weight = masked_product(kept[i][v], alpha[i][v], T[v]);
        T[v] = T[v] - weight;
        r[v] += weight * s.r;
        g[v] += weight * s.g;
        b[v] += weight * s.b;
      }
    }
  };
  const auto shines = [&]() __attribute__((always_inline)) {
    unsigned any = 0;
    for (int v = 0; v < kBlockLanes; ++v) any |= bits(less(opaque, T[v]));
    return any != 0;
  };
  int i = 0;
  bool open = true;
  for (; i + 4 <= n && open; i += 4) {
    steps.template operator()<4>(list + i);
    open = shines();
  }
  if (open) {
    for (; i < n; ++i) steps.template operator()<1>(list + i);
    open = shines();
  }
  for (int v = 0; v < kBlockLanes; ++v) {
    store(state + v * kWidth, T[v]);
    store(state + 16 + v * kWidth, r[v]);
    store(state + 32 + v * kWidth, g[v]);
    store(state + 48 + v * kWidth, b[v]);
  }
  return open;
}

// The same for any number of channels, whose sums stay in memory.
[[gnu::noinline]] bool blend_channels(const BlendArgs& args, const Slice& slice, const Row& row,
                                      int column, float* state) {
  const auto stride = static_cast<std::size_t>(args.color_stride);
  return walk_block(args, row, column, state, [&](int k, int v, F weight) {
    const float* color = args.colors + slice.splats[row.places[k]].splat * stride;
    for (int c = 0; c < args.channels; ++c) {
      float* sum = state + 16 * (c + 1) + v * kWidth;
      store(sum, load(sum) + weight * color[c]);
    }
  });
}

// The state of a block that nothing was blended into.
AVATAR_RT_INLINE void clear(float* state, int size) {
  for (int k = 0; k < kBlockPixels; k += kWidth) store(state + k, splat(1.0f));
  for (int k = kBlockPixels; k < size; k += kWidth) store(state + k, F{});
}

// What shows through the pixels of a block that blending stopped at is taken to look like what lies
// before it.
AVATAR_RT_INLINE void close_pixels(float* state, int channels) {
  for (int k = 0; k < kBlockPixels; k += kWidth) {
    const F scale = rcp(1.0f - load(state + k));
    store(state + k, F{});
    for (int c = 1; c <= channels; ++c) {
      store(state + 16 * c + k, load(state + 16 * c + k) * scale);
    }
  }
}

}  // namespace

std::size_t tile_bytes(int channels) {
  const std::size_t blend_state = sizeof(float) * 16 * (1 + channels) * kTileBlocks;
  const std::size_t adjoint_sums = sizeof(float) * 16 * (1 + channels) * kSlice;
  return sizeof(TileMemory) + blend_state + adjoint_sums;
}

void blend(const BlendArgs& args, int tile, Scratch& scratch) {
  auto* memory = static_cast<TileMemory*>(scratch.tile);
  Slice& slice = memory->slice;
  Row& row = memory->row;
  float* state = state_in(scratch);
  const int per_block = 16 * (1 + args.channels);
  const TilePlace place = place_of(args, tile);
  expect_tile(args, place.x, place.y);
  const float threshold = exponent_level(args.log2_alpha_min), opaque = args.transmittance_min;
  const Cut cut = cut_of(args, place);
  const auto rgb = args.channels != 3              ? nullptr
                   : args.curve == Curve::rough    ? &blend_rgb<Rough>
                   : args.curve == Curve::parabola ? &blend_rgb<Parabola>
                                                   : &blend_rgb<Cubic>;
  std::uint64_t alive = place.blocks, blank = place.blocks;
  const std::size_t n = sort_tile<Named::splat>(args, tile, scratch);
  for (std::size_t at = 0; at < n && alive != 0;) {
    cut_slice<Named::splat>(args, scratch, n, at, alive, cut, slice);
    const auto draw = [&](int r, int column) __attribute__((always_inline)) {
      if (row.lengths[column] == 0) return true;
      const int block = kTileColumns * r + column;
      float* s = state + per_block * block;
      if (blank >> block & 1) clear(s, per_block);
      blank &= ~(std::uint64_t{1} << block);
      return rgb != nullptr ? rgb(row, column, threshold, opaque, s)
                            : blend_channels(args, slice, row, column, s);
    };
    for_blocks(slice, row, alive, draw);
  }
  for (std::uint64_t todo = place.blocks; todo != 0; todo &= todo - 1) {
    const int block = __builtin_ctzll(todo);
    float* s = state + per_block * block;
    if (blank >> block & 1) clear(s, per_block);
    if (args.fast && !(alive >> block & 1)) close_pixels(s, args.channels);
    write_block(args, place.x + kBlock * (block % 8), place.y + kBlock * (block / 8), s);
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
