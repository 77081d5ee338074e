// A tile's Gaussians, collected from their segments and sorted by depth.
#pragma once

#include "core/backend.h"
#include "math/inline.h"

namespace avatar_rt::AVATAR_RT_ISA {

// What a key names: a Gaussian, or its place in scratch.splats, where the tile's Gaussians are then
// left in their own order.
enum class Named { splat, place };

// A tile's entries by depth: scratch.keys = (depth - nearest of all) << 32 | what is named, ascending.
// Returns how many there are.
//
// Most depths are apart in the upper sixteen bits that tell the frame's depths apart: two counting
// sorts order those, and one pass over neighbours settles the rest; where that would be slow, four
// sorts do it all. The fast quality leaves it at the sixteen bits where those are fine enough: three
// parts in 100,000 of the depth.
template <Named kNamed>
[[gnu::noinline]] static std::size_t sort_tile(const BlendArgs& args, int tile, Scratch& scratch) {
  constexpr int kFineShift = 8;
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
        const std::uint64_t named = kNamed == Named::splat ? entry.splat : n;
        const std::uint64_t key =
            static_cast<std::uint64_t>(entry.depth - args.nearest) << 32 | named;
        if (kNamed == Named::place) scratch.splats[n] = entry.splat;
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
  if (args.depth_shift <= (args.fast ? kFineShift : 0)) return n;
  std::size_t moves = 0;
  for (std::size_t i = 1; i < n && moves <= 16 * n; ++i) {
    const std::uint64_t key = scratch.keys[i];
    std::size_t k = i;
    // the key's lower half keeps equal depths in their Gaussians' order
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
  // equal depths have kept their order all along, so the lower half needs no sorting
  for (int digit = 32; digit < 64; digit += 16) {
    sort_digit(scratch.keys, scratch.sorted, digit);
    sort_digit(scratch.sorted, scratch.keys, digit + 8);
  }
  return n;
}

}  // namespace avatar_rt::AVATAR_RT_ISA
