// Some hundred splats of a sorted tile, in the tile's own coordinates, and the blocks they touch.
#pragma once

#include "core/backend.h"
#include "cpu/sort.h"
#include "cpu/tile.h"
#include "math/blend.h"
#include "math/lane.h"
#include "math/project.h"
#include "math/transpose.h"

namespace avatar_rt::AVATAR_RT_ISA {

// u = l11·x + (l21·y + u0), v = l22·y + v0.
struct TileSplat {
  float u0, v0, l11, l21, l22, level;
  std::uint32_t splat;    // which one
  std::uint32_t named;    // by its key
  float r, g, b;          // where there are three channels
  float beside;           // l11 once more, beside the colour
};

inline constexpr int kSlice = 512;
inline constexpr int kListSpace = kSlice + 64;  // a number for each, with room for a whole store

struct Slice {
  TileSplat splats[kSlice + 16];
  std::uint8_t rows[kTileRows][kListSpace];  // bit c: the splat touches the row's block c
  int count;
};

// What a slice is cut by: from which exponent on a splat counts (blend.h's scale), and where the tile
// lies.
struct Cut {
  float level, left, top;
};

AVATAR_RT_INLINE Cut cut_of(const BlendArgs& args, const TilePlace& place) {
  return {exponent_level(args.log2_alpha_min), static_cast<float>(place.x),
          static_cast<float>(place.y)};
}

// A lane of splats into the tile's coordinates, and byte by byte, which blocks of row r they touch, at
// rows[r], where any block of that row is alive. `all` are the frame's splats.
AVATAR_RT_INLINE void enter_tile(const Splat* all, TileSplat* splats, const Cut& cut,
                                 std::uint64_t alive, std::uint8_t (*rows)[kListSpace],
                                 std::size_t at) {
  F at0[4], at4[4];  // x y l11 l21, l22 level
  columns_of([&](int k) __attribute__((always_inline)) { return load4(&all[splats[k].splat].x); },
             at0);
  columns_of([&](int k) __attribute__((always_inline)) { return load4(&splats[k].l22); }, at4);
  const F l11 = at0[2], l21 = at0[3], l22 = at4[0];
  const F x = at0[0] - cut.left, y = at0[1] - cut.top;
  F4 first[kWidth];
  parts_of(-(l11 * x + l21 * y), -(l22 * y), l11, l21, first);
  for (int k = 0; k < kWidth; ++k) store4(&splats[k].u0, first[k]);

  // in blocks, from the centre of the tile's first pixel; a block's pixels lie within 0 … 0.75
  constexpr float kPixel = 1.0f / kBlock;
  constexpr float kMargin = kMantissa * 2e-3f;
  const F column = kPixel * (x - 0.5f), line = kPixel * (y - 0.5f);
  const F height = float{kBlock} * l22, band = (1 - kPixel) * height;
  const SpanMaker<F> maker = span_maker(float{kBlock} * l11, float{kBlock} * l21, height);
  // a tip but 4e-4 too far would lie outside of a needle's ellipse, and its row's blocks with it
  const F reach = at4[1] + (kMargin - cut.level), tip = sqrt(reach) * maker.tip;
  // the first pixel at or after the left end, without rounding up to whole pixels in between
  const F left = column + kPixel * 0.9999f, right = column + 1.0f;
  F low = -(height * line);
  for (int r = 0; r < kTileRows; ++r, low += height) {
    if (row_of(alive, r) == 0) continue;
    const Span<F> s = span(maker, reach, tip, low, low + band, left, right);
    const I from = floor_int(max(s.left, F{})), end = floor_int(max(s.right, F{}));
    const I row = shift_left(splat(-1), from) & ~shift_left(splat(-1), end);
    store_bytes(rows[r] + at, select(less(F{}, s.room), row, I{}));
  }
}

// The next splats of the sorted tile, from key `at` on; at moves past them. Rows of which no block is
// alive keep what was in them.
template <Named kNamed>
[[gnu::noinline]] static void cut_slice(const BlendArgs& args, const Scratch& scratch,
                                        std::size_t n, std::size_t& at, std::uint64_t alive,
                                        const Cut& cut, Slice& slice) {
  const bool rgb = args.channels == 3 && args.colors != nullptr;
  const auto stride = static_cast<std::size_t>(args.color_stride);
  const std::size_t count = n - at < kSlice ? n - at : kSlice;
  const std::uint64_t* keys = scratch.keys + at;
  const std::uint32_t* numbers = scratch.splats;
  const Splat* all = args.splats;
  const float* colors = args.colors;
  for (std::size_t i = 0; i < count; ++i) {
    const auto named = static_cast<std::uint32_t>(keys[i]);
    const std::uint32_t splat = kNamed == Named::splat ? named : numbers[named];
    TileSplat& t = slice.splats[i];
    store4(&t.l22, load4(&all[splat].l22));
    t.splat = splat;
    t.named = named;
    if (rgb) std::memcpy(&t.r, colors + splat * stride, 3 * sizeof(float));
    t.beside = all[splat].l11;
  }
  at += count;
  slice.count = static_cast<int>(count);
  for (std::size_t i = count; i % kWidth != 0; ++i) slice.splats[i] = slice.splats[0];
  for (std::size_t i = 0; i < count; i += kWidth) {
    enter_tile(all, slice.splats + i, cut, alive, slice.rows, i);
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
