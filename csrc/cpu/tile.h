// One tile's Gaussians: collected from their segments, sorted by depth, and cut into slices that the
// blend stages walk block by block.
#pragma once

#include "core/backend.h"
#include "math/blend.h"
#include "math/lane.h"
#include "math/project.h"
#include "math/transpose.h"

namespace avatar_rt::AVATAR_RT_ISA {

// A splat in the tile's own coordinates: u = l11·x + (l21·y + u0), v = l22·y + v0.
struct TileSplat {
  float u0, v0, l11, l21, l22, level;
  std::uint32_t splat;    // which one
  std::uint32_t ref;      // its place in Scratch::splats
  float r, g, b, unused;  // where there are three channels
};

inline constexpr int kSlice = 512;
inline constexpr int kListSpace = kSlice + 64;  // a block's list, with room for a whole store

struct Slice {
  TileSplat splats[kSlice + 16];
  std::uint16_t lists[kTileBlocks][kListSpace];
  int lengths[kTileBlocks];
};

// A tile's entries, in the order of their Gaussians, into scratch.splats, and
// scratch.keys = (depth - nearest of all) << 32 | place in scratch.splats, ascending. Returns how
// many there are.
//
// Most depths are apart in the upper sixteen bits that tell the frame's depths apart: two counting
// sorts order those, and one pass over neighbours settles the rest; where that would be slow, four
// sorts do it all.
[[gnu::noinline]] static std::size_t sort_tile(const BlendArgs& args, int tile,
                                               Scratch& scratch) {
  const bool rgb = args.channels == 3 && args.colors != nullptr;
  const auto stride = static_cast<std::size_t>(args.color_stride);
  const int shift = 32 + args.depth_shift;
  const auto expect_page = [](const Entry* page) __attribute__((always_inline)) {
    for (std::size_t k = 0; k < kPage; k += 64 / sizeof(Entry)) __builtin_prefetch(page + k);
  };
  const std::uint32_t first = static_cast<std::uint32_t>(tile) * kPage;
  for (int k = 0; k < args.segment_count; ++k) {
    if (args.segments[k].cursors[tile] != first) expect_page(args.segments[k].entries + first);
  }
  // neighbours mostly share the upper digit: two counters by turns wait less for one another
  std::uint32_t low[256] = {}, high[2][256] = {};
  std::size_t n = 0;
  for (int k = 0; k < args.segment_count; ++k) {
    const Segment& segment = args.segments[k];
    const std::uint32_t end = segment.cursors[tile];
    std::uint32_t slot = first;
    while (slot != end) {
      const std::uint32_t page_end = slot | (kPage - 1);
      const std::uint32_t stop = (end >= slot && end < page_end) ? end : page_end;
      if (stop == page_end) expect_page(segment.entries + segment.entries[page_end].splat);
      if (n + kPage > scratch.capacity) scratch.reserve(scratch, n + kPage);
      for (; slot != stop; ++slot, ++n) {
        const Entry entry = segment.entries[slot];
        const std::uint64_t key =
            static_cast<std::uint64_t>(entry.depth - args.nearest) << 32 | n;
        scratch.splats[n] = entry.splat;
        scratch.keys[n] = key;
        ++low[key >> shift & 255];
        ++high[n & 1][key >> (shift + 8) & 255];
        // they lie in the order of Gaussians here still, not of depth
        __builtin_prefetch(args.splats + entry.splat);
        if (rgb) __builtin_prefetch(args.colors + entry.splat * stride);
      }
      if (stop == page_end) slot = segment.entries[page_end].splat;
    }
  }
  std::uint32_t before_low = 0, before_high = 0;
  for (int d = 0; d < 256; ++d) {
    const std::uint32_t in_low = low[d], in_high = high[0][d] + high[1][d];
    low[d] = before_low;
    high[0][d] = before_high;
    before_low += in_low;
    before_high += in_high;
  }
  std::uint64_t *keys = scratch.keys, *other = scratch.sorted;
  for (std::size_t i = 0; i < n; ++i) other[low[keys[i] >> shift & 255]++] = keys[i];
  for (std::size_t i = 0; i < n; ++i) keys[high[0][other[i] >> (shift + 8) & 255]++] = other[i];
  if (args.depth_shift == 0) return n;
  std::size_t moves = 0;
  for (std::size_t i = 1; i < n && moves <= 16 * n; ++i) {
    const std::uint64_t key = scratch.keys[i];
    std::size_t k = i;
    // the place in the key's lower half keeps equal depths in their order
    for (; k > 0 && scratch.keys[k - 1] > key; --k) scratch.keys[k] = scratch.keys[k - 1];
    scratch.keys[k] = key;
    moves += i - k;
  }
  if (moves <= 16 * n) return n;
  const auto sort_digit = [&](const std::uint64_t* from, std::uint64_t* to, int digit) {
    std::uint32_t starts[257] = {};
    for (std::size_t i = 0; i < n; ++i) ++starts[1 + (from[i] >> digit & 255)];
    for (int d = 0; d < 256; ++d) starts[d + 1] += starts[d];
    for (std::size_t i = 0; i < n; ++i) to[starts[from[i] >> digit & 255]++] = from[i];
  };
  // equal depths have kept their order all along, so the places need no sorting
  for (int digit = 32; digit < 64; digit += 16) {
    sort_digit(scratch.keys, scratch.sorted, digit);
    sort_digit(scratch.sorted, scratch.keys, digit + 8);
  }
  return n;
}

// What a slice is cut by: from which exponent on a splat counts (blend.h's scale), and where the tile
// lies.
struct Cut {
  float level, left, top;
};

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
  constexpr float kPixel = 1.0f / kBlock, kBlocks = kTile / kBlock;
  constexpr float kMargin = kMantissa * 2e-3f;
  const F column = kPixel * (x - 0.5f), line = kPixel * (y - 0.5f);
  const SpanMaker<F> maker =
      span_maker(float{kBlock} * l11, float{kBlock} * l21, float{kBlock} * l22);
  const F reach = at4[1] + (kMargin - cut.level), root = rough_sqrt(reach);
  for (int r = 0; r < kTile / kBlock; ++r) {
    if ((alive >> (8 * r) & 255) == 0) continue;
    const F low = static_cast<float>(r) - line;
    const Span<F> s = span(maker, reach, root, low, low + (1 - kPixel));
    // the first pixel at or after the left end, without rounding up to whole pixels in between
    constexpr float kUp = kPixel * 0.9999f;
    const I from = floor_int(clamp(column + s.left + kUp, F{}, splat(kBlocks)));
    const I end = floor_int(clamp(column + s.right + 1, F{}, splat(kBlocks)));
    const I row = max(shift_left(splat(1), end) - shift_left(splat(1), from), I{});
    store_bytes(rows[r] + at, select(less(F{}, s.room), row, I{}));
  }
}

// The next splats of the sorted tile, from key `at` on, and for each block of `alive` the
// list of those that touch it, in order; at moves past them. Returns how many there are.
[[gnu::noinline, maybe_unused]] static int cut_slice(const BlendArgs& args,
                                                     const Scratch& scratch, std::size_t n,
                                                     std::size_t& at, std::uint64_t alive,
                                                     const Cut& cut, Slice& slice) {
  const bool rgb = args.channels == 3 && args.colors != nullptr;
  const auto stride = static_cast<std::size_t>(args.color_stride);
  const std::size_t count = n - at < kSlice ? n - at : kSlice;
  const std::uint64_t* keys = scratch.keys + at;
  const std::uint32_t* numbers = scratch.splats;
  const Splat* all = args.splats;
  const float* colors = args.colors;
  for (std::size_t i = 0; i < count; ++i) {
    const auto ref = static_cast<std::uint32_t>(keys[i]);
    const std::uint32_t splat = numbers[ref];
    TileSplat& t = slice.splats[i];
    store4(&t.l22, load4(&all[splat].l22));
    t.splat = splat;
    t.ref = ref;
    if (rgb) std::memcpy(&t.r, colors + splat * stride, 3 * sizeof(float));
  }
  at += count;
  for (std::size_t i = count; i % kWidth != 0; ++i) slice.splats[i] = slice.splats[0];
  alignas(64) std::uint8_t rows[8][kListSpace];
  for (std::size_t i = 0; i < count; i += kWidth) {
    enter_tile(all, slice.splats + i, cut, alive, rows, i);
  }
  const std::size_t whole = (count + kHits - 1) / kHits * kHits;
  for (auto& row : rows) {
    for (std::size_t i = count; i < whole; ++i) row[i] = 0;
  }
  std::memset(slice.lengths, 0, sizeof slice.lengths);
  for (std::uint64_t todo = alive; todo != 0;) {
    const int r = __builtin_ctzll(todo) / 8;
    const auto columns = static_cast<unsigned>(alive >> (8 * r) & 255);
    todo &= ~(std::uint64_t{255} << (8 * r));
    for (std::size_t i = 0; i < whole; i += kHits) {
      const HitRow hit(rows[r] + i);
      for (unsigned c = columns; c != 0; c &= c - 1) {
        const int column = __builtin_ctz(c), block = 8 * r + column;
        const std::uint64_t hits = hit(column);
        if (hits == 0) continue;
        slice.lengths[block] += list_hits(slice.lists[block] + slice.lengths[block], hits,
                                          static_cast<int>(i), 1);
      }
    }
  }
  return static_cast<int>(count);
}

// A tile's place in the picture and those of its blocks that lie within it.
struct TilePlace {
  int x, y;  // its first pixel
  std::uint64_t blocks;
};

AVATAR_RT_INLINE TilePlace place_of(const BlendArgs& args, int tile) {
  const int x = (args.region.tile_x + tile % args.region.columns) * kTile;
  const int y = (args.region.tile_y + tile / args.region.columns) * kTile;
  std::uint64_t blocks = 0;
  for (int r = 0; r < 8; ++r) {
    for (int c = 0; c < 8; ++c) {
      if (x + kBlock * c < args.width && y + kBlock * r < args.height) {
        blocks |= std::uint64_t{1} << (8 * r + c);
      }
    }
  }
  return {x, y, blocks};
}

AVATAR_RT_INLINE Cut cut_of(const BlendArgs& args, const TilePlace& place) {
  return {exponent_level(args.log2_alpha_min), static_cast<float>(place.x),
          static_cast<float>(place.y)};
}

inline constexpr int kBlockLanes = kBlockPixels / kWidth;

// Pixel centres of a block, relative to the tile, sixteen in kBlockLanes lanes.
struct BlockGrid {
  F x[kBlockLanes], y[kBlockLanes];
};

alignas(64) static constexpr float kColumn[kBlockPixels] = {0.5f, 1.5f, 2.5f, 3.5f, 0.5f, 1.5f,
                                                            2.5f, 3.5f, 0.5f, 1.5f, 2.5f, 3.5f,
                                                            0.5f, 1.5f, 2.5f, 3.5f};
alignas(64) static constexpr float kRow[kBlockPixels] = {0.5f, 0.5f, 0.5f, 0.5f, 1.5f, 1.5f,
                                                         1.5f, 1.5f, 2.5f, 2.5f, 2.5f, 2.5f,
                                                         3.5f, 3.5f, 3.5f, 3.5f};

AVATAR_RT_INLINE BlockGrid grid_of(int block) {
  const auto left = static_cast<float>(kBlock * (block % 8));
  const auto top = static_cast<float>(kBlock * (block / 8));
  BlockGrid grid;
  for (int v = 0; v < kBlockLanes; ++v) {
    grid.x[v] = load(kColumn + v * kWidth) + left;
    grid.y[v] = load(kRow + v * kWidth) + top;
  }
  return grid;
}

// The exponent of a splat's alpha in one lane of a block's pixels.
AVATAR_RT_INLINE F splat_power(const TileSplat& t, F x, F y) {
  const F u = t.l11 * x + (t.l21 * y + t.u0), v = t.l22 * y + t.v0;
  return (t.level - u * u) - v * v;
}

AVATAR_RT_INLINE F splat_alpha(const TileSplat& t, F x, F y, F threshold) {
  return alpha_of<Cubic>(splat_power(t, x, y), threshold);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
