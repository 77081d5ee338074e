// One tile's Gaussians: collected from their segments, sorted by depth, and cut into slices that the
// blend stages walk block by block.
#pragma once

#include "core/backend.h"
#include "math/blend.h"
#include "math/lane.h"

namespace avatar_rt::AVATAR_RT_ISA {

struct TileSplat {  // a splat in the tile's own coordinates: u = l11·x + l21·y + u0, v = l22·y + v0
  float l11, l21, u0, l22, v0, level;
  float r, g, b;    // where there are three channels
  std::uint32_t splat;
  std::uint32_t ref;  // its place in Scratch::entries
  std::uint32_t unused;
};

inline constexpr int kSlice = 512;
inline constexpr int kListSpace = kSlice + 64;  // a block's list, with room for a whole store

struct Slice {
  TileSplat splats[kSlice];
  std::uint16_t lists[kTileBlocks][kListSpace];
  int lengths[kTileBlocks];
};

struct Collected {
  std::size_t count;
  std::uint32_t nearest, farthest;  // depths
};

// A tile's entries, in the order of their Gaussians, into scratch.entries.
[[gnu::noinline]] static Collected collect(const BlendArgs& args, int tile, Scratch& scratch) {
  Collected found = {0, ~0u, 0};
  for (int k = 0; k < args.segment_count; ++k) {
    const Segment& segment = args.segments[k];
    const std::uint32_t end = segment.cursors[tile];
    std::uint32_t slot = static_cast<std::uint32_t>(tile) * kPage;
    while (slot != end) {
      const std::uint32_t page_end = slot | (kPage - 1);
      const std::uint32_t stop = (end >= slot && end < page_end) ? end : page_end;
      if (found.count + kPage > scratch.capacity) scratch.reserve(scratch, found.count + kPage);
      Entry* out = scratch.entries + found.count;
      found.count += stop - slot;
      for (; slot != stop; ++slot, ++out) {
        const Entry entry = segment.entries[slot];
        found.nearest = entry.depth < found.nearest ? entry.depth : found.nearest;
        found.farthest = entry.depth > found.farthest ? entry.depth : found.farthest;
        *out = entry;
      }
      if (stop == page_end) slot = segment.entries[page_end].splat;
    }
  }
  return found;
}

// Stable counting sort of keys by eight bits at `shift`.
AVATAR_RT_INLINE void sort_digit(const std::uint64_t* from, std::uint64_t* to, std::size_t n,
                                 int shift) {
  std::uint32_t start[257] = {};
  for (std::size_t i = 0; i < n; ++i) ++start[1 + (from[i] >> shift & 255)];
  for (int d = 0; d < 256; ++d) start[d + 1] += start[d];
  for (std::size_t i = 0; i < n; ++i) to[start[from[i] >> shift & 255]++] = from[i];
}

// scratch.keys = (depth - nearest) << 32 | place in scratch.entries, ascending. Most of a tile's
// depths are apart in their upper sixteen significant bits: two passes order those, and one over
// neighbours settles the rest; where that would be slow, four passes do it all.
[[gnu::noinline]] static void sort_by_depth(Scratch& scratch, const Collected& found) {
  const std::size_t n = found.count;
  const auto fill = [&]() __attribute__((always_inline)) {
    for (std::size_t i = 0; i < n; ++i) {
      scratch.keys[i] =
          static_cast<std::uint64_t>(scratch.entries[i].depth - found.nearest) << 32 | i;
    }
  };
  fill();
  const std::uint32_t range = n == 0 ? 0 : found.farthest - found.nearest;
  const int width = range == 0 ? 0 : 32 - __builtin_clz(range);
  const int low = 32 + (width > 16 ? width - 16 : 0);
  sort_digit(scratch.keys, scratch.sorted, n, low);
  sort_digit(scratch.sorted, scratch.keys, n, low + 8);
  if (width <= 16) return;
  std::size_t moves = 0;
  for (std::size_t i = 1; i < n && moves <= 16 * n; ++i) {
    const std::uint64_t key = scratch.keys[i];
    std::size_t k = i;
    // the place in the key's lower half keeps equal depths in their order
    for (; k > 0 && scratch.keys[k - 1] > key; --k) scratch.keys[k] = scratch.keys[k - 1];
    scratch.keys[k] = key;
    moves += i - k;
  }
  if (moves <= 16 * n) return;
  fill();
  for (int shift = 32; shift < 64; shift += 16) {
    sort_digit(scratch.keys, scratch.sorted, n, shift);
    sort_digit(scratch.sorted, scratch.keys, n, shift + 8);
  }
}

// For each block the slice's splats that touch it, in order. masks has room for whole packs of 64.
[[gnu::noinline]] static void list_blocks(Slice& slice, const std::uint64_t* masks, int n) {
  std::memset(slice.lengths, 0, sizeof slice.lengths);
#if defined(__AVX512VBMI2__)
  // 64 masks of 64 bits are transposed: bytes first, then each bit of a byte by a sign mask
  const __m512i indices = _mm512_set_epi16(
      31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8,
      7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i by_byte = _mm512_set_epi8(
      63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5,
      60, 52, 44, 36, 28, 20, 12, 4, 59, 51, 43, 35, 27, 19, 11, 3, 58, 50, 42, 34, 26, 18, 10, 2,
      57, 49, 41, 33, 25, 17, 9, 1, 56, 48, 40, 32, 24, 16, 8, 0);
  for (int base = 0; base < n; base += 64) {
    alignas(64) std::uint64_t rows[8][8];  // rows[r][e]: byte r of masks 8e … 8e + 7
    for (int e = 0; e < 8; ++e) {
      const __m512i bytes =
          _mm512_permutexvar_epi8(by_byte, _mm512_loadu_si512(masks + base + 8 * e));
      alignas(64) std::uint64_t part[8];
      _mm512_store_si512(part, bytes);
      for (int r = 0; r < 8; ++r) rows[r][e] = part[r];
    }
    const __m512i low = _mm512_add_epi16(indices, _mm512_set1_epi16(static_cast<short>(base)));
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(32));
    for (int r = 0; r < 8; ++r) {
      const __m512i row = _mm512_load_si512(rows[r]);
      if (_mm512_test_epi64_mask(row, row) == 0) continue;
      for (int c = 0; c < 8; ++c) {
        const std::uint64_t hits =
            _mm512_movepi8_mask(_mm512_sll_epi16(row, _mm_cvtsi32_si128(7 - c)));
        if (hits == 0) continue;
        std::uint16_t* list = slice.lists[8 * r + c] + slice.lengths[8 * r + c];
        const auto first = static_cast<std::uint32_t>(hits);
        const auto second = static_cast<std::uint32_t>(hits >> 32);
        _mm512_storeu_si512(list, _mm512_maskz_compress_epi16(first, low));
        _mm512_storeu_si512(list + __builtin_popcount(first),
                            _mm512_maskz_compress_epi16(second, high));
        slice.lengths[8 * r + c] += __builtin_popcountll(hits);
      }
    }
  }
#else
  for (int i = 0; i < n; ++i) {
    for (std::uint64_t todo = masks[i]; todo != 0; todo &= todo - 1) {
      const int block = __builtin_ctzll(todo);
      slice.lists[block][slice.lengths[block]++] = static_cast<std::uint16_t>(i);
    }
  }
#endif
}

// The next splats of the sorted tile, from key `at` on, that touch a block of `alive`; at moves past
// them. Returns how many there are in the slice.
[[gnu::noinline]] static int cut_slice(const BlendArgs& args, const Scratch& scratch, std::size_t n,
                               std::size_t& at, std::uint64_t alive, float left, float top,
                               Slice& slice) {
  constexpr std::size_t kAhead = 16;
  const bool rgb = args.channels == 3 && args.colors != nullptr;
  const auto stride = static_cast<std::size_t>(args.color_stride);
  alignas(64) std::uint64_t masks[kSlice + 64];
  int count = 0;
  for (; at < n && count < kSlice; ++at) {
    if (at + kAhead < n) {  // splats and colours lie in the order of Gaussians, not of depth
      const auto next = static_cast<std::uint32_t>(scratch.keys[at + kAhead]);
      const std::size_t splat = scratch.entries[next].splat;
      __builtin_prefetch(args.splats + splat);
      if (rgb) __builtin_prefetch(args.colors + splat * stride);
    }
    const auto ref = static_cast<std::uint32_t>(scratch.keys[at]);
    const Entry& entry = scratch.entries[ref];
    const std::uint64_t blocks = entry.blocks & alive;
    if (blocks == 0) continue;
    const Splat& s = args.splats[entry.splat];
    TileSplat& t = slice.splats[count];
    const float dx = s.x - left, dy = s.y - top;
    t.l11 = s.l11;
    t.l21 = s.l21;
    t.u0 = -(s.l11 * dx + s.l21 * dy);
    t.l22 = s.l22;
    t.v0 = -(s.l22 * dy);
    t.level = s.level;
    if (rgb) {
      const float* color = args.colors + entry.splat * stride;
      t.r = color[0];
      t.g = color[1];
      t.b = color[2];
    }
    t.splat = entry.splat;
    t.ref = ref;
    masks[count++] = blocks;
  }
  for (int i = 0; i < 64; ++i) masks[count + i] = 0;
  list_blocks(slice, masks, count);
  return count;
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

// alpha of a splat in one lane of a block's pixels.
AVATAR_RT_INLINE F splat_alpha(const TileSplat& t, F x, F y, F threshold) {
  const F u = t.l11 * x + (t.l21 * y + t.u0);
  const F v = t.l22 * y + t.v0;
  const F power = min((t.level - u * u) - v * v, splat(kMaxPower));
  return alpha_of(power, threshold);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
