// Enters projected Gaussians into the tiles that their ellipses' boxes touch.
#pragma once

#include "core/backend.h"
#include "math/blend.h"
#include "math/lane.h"
#include "math/project.h"
#include "math/transpose.h"

namespace avatar_rt::AVATAR_RT_ISA {

[[gnu::noinline]] static void next_page(Segment& segment, std::uint32_t& cursor) {
  if (segment.used + kPage > segment.capacity && !segment.grow(segment)) {
    segment.full = true;
    cursor -= kPage - 1;  // stay writable; this frame is drawn again in smaller regions
    return;
  }
  segment.entries[cursor].splat = segment.used;
  cursor = segment.used;
  segment.used += kPage;
}

// Writes the entry in any case, and keeps it where keep is 1.
AVATAR_RT_INLINE void append(Segment& segment, std::size_t tile, Entry entry, unsigned keep) {
  std::uint32_t& cursor = segment.cursors[tile];
  segment.entries[cursor] = entry;
  cursor += keep;
  if (__builtin_expect(cursor % kPage == kPage - 1, 0)) next_page(segment, cursor);
}

struct Bounds {  // pixels: first, one past the last
  int left, top, right, bottom;
};

AVATAR_RT_INLINE Bounds bounds_of(const ProjectArgs& args) {
  const int right = (args.region.tile_x + args.region.columns) * kTile;
  const int bottom = (args.region.tile_y + args.region.rows) * kTile;
  return {args.region.tile_x * kTile, args.region.tile_y * kTile,
          right < args.width ? right : args.width, bottom < args.height ? bottom : args.height};
}

// The first and the last pixel whose centre lies in [from, to], within low … high - 1.
AVATAR_RT_INLINE int first_pixel(float from, int low, int high) {
  return static_cast<int>(__builtin_ceilf(
      min(max(from - 0.5f, static_cast<float>(low)), static_cast<float>(high))));
}
AVATAR_RT_INLINE int last_pixel(float to, int low, int high) {
  return static_cast<int>(__builtin_floorf(
      min(max(to - 0.5f, static_cast<float>(low - 1)), static_cast<float>(high - 1))));
}
AVATAR_RT_INLINE I first_pixel(F from, int low, int high) {
  return ceil_int(clamp(from - 0.5f, splat(static_cast<float>(low)),
                        splat(static_cast<float>(high))));
}
AVATAR_RT_INLINE I last_pixel(F to, int low, int high) {
  return floor_int(clamp(to - 0.5f, splat(static_cast<float>(low - 1)),
                         splat(static_cast<float>(high - 1))));
}

// One Gaussian whose box spans more than two by two tiles: row by row, the tiles between its edges.
[[gnu::noinline]] static void emit_large(const ProjectArgs& args, Segment& segment, const Splat& s,
                                         int y0, int y1, Entry entry) {
  const Bounds b = bounds_of(args);
  constexpr float kUnit = 1.0f / kExponentRoot;
  const float l22 = s.l22 * kUnit;
  const SpanMaker<float> maker = span_maker(s.l11 * kUnit, s.l21 * kUnit, l22);
  const float tip = sqrt(s.reach) * maker.tip;
  for (int tile_y = y0 / kTile; tile_y <= y1 / kTile; ++tile_y) {
    const float low = static_cast<float>(tile_y * kTile) + 0.5f - s.y;
    const Span<float> band =
        span(maker, s.reach, tip, l22 * low, l22 * (low + (kTile - 1)), s.x, s.x);
    const int x0 = first_pixel(band.left, b.left, b.right);
    const int x1 = last_pixel(band.right, b.left, b.right);
    if (band.room < 0 || x0 > x1) continue;
    const auto line =
        static_cast<std::size_t>(tile_y - args.region.tile_y) * args.region.columns;
    for (int tile_x = x0 / kTile; tile_x <= x1 / kTile; ++tile_x) {
      append(segment, line + (tile_x - args.region.tile_x), entry, 1);
    }
  }
}

// A lane of Gaussians whose first is number `index`. log2_opacity may be at most 0; valid lanes
// only. Writes their splats, enters them into tiles and counts those that are not finite.
AVATAR_RT_INLINE void emit(const ProjectArgs& args, Segment& segment, const Ellipse<F>& e,
                           F log2_opacity, M valid, std::int64_t index) {
  const Bounds b = bounds_of(args);
  // one infinity or NaN among them (a covariance that is not positive makes l11 one) spoils the sum
  const F total = e.x + e.y + e.xx + e.yy + e.det + e.l11 + e.l22 + e.depth + log2_opacity;
  const M finite = less(max(total, -total), splat(3e38f));
  const M behind = both(less(e.depth, splat(kNearPlane)), less(splat(-3e38f), e.depth));
  segment.skipped += __builtin_popcount(bits(valid) & ~bits(finite) & ~bits(behind));

  // u² + v² ≤ reach is where alpha is at least the minimum; a little more, so that rounding here
  // never decides what the blend stage tests exactly
  constexpr float kTwoLn2 = 1.38629436f, kMargin = 1e-3f;
  const F reach = kTwoLn2 * (log2_opacity - args.log2_alpha_min) + kMargin;
  M drawn = both(both(valid, finite), both(less(splat(kMargin), reach),
                                           at_least(e.depth, splat(kNearPlane))));
  if (!bits(drawn)) return;
  const F positive = max(reach, splat(kMargin));
  const F half_width = sqrt(positive * e.xx), half_height = sqrt(positive * e.yy);
  const I x0 = first_pixel(e.x - half_width, b.left, b.right);
  const I x1 = last_pixel(e.x + half_width, b.left, b.right);
  const I y0 = first_pixel(e.y - half_height, b.top, b.bottom);
  const I y1 = last_pixel(e.y + half_height, b.top, b.bottom);
  drawn = both(drawn, both(less(x0, x1 + 1), less(y0, y1 + 1)));
  const unsigned drawn_bits = bits(drawn);
  if (!drawn_bits) return;
  store(segment.nearest,
        min(load(segment.nearest), select(drawn, e.depth, load(segment.nearest))));
  store(segment.farthest,
        max(load(segment.farthest), select(drawn, e.depth, load(segment.farthest))));

  F4 rows[2][kWidth];
  parts_of(e.x, e.y, e.l11 * kExponentRoot, e.l21 * kExponentRoot, rows[0]);
  parts_of(e.l22 * kExponentRoot,
           exponent_level(min(log2_opacity, splat(args.log2_alpha_max)) + args.log2_alpha_offset),
           e.depth, positive, rows[1]);
  for (int k = 0; k < kWidth; ++k) {
    float* out = &args.splats[index + k].x;
    store4(out, rows[0][k]);
    store4(out + 4, rows[1][k]);
  }

  const I tile_x = x0 >> 5, tile_y = y0 >> 5;
  const I right = (x1 >> 5) - tile_x, down = (y1 >> 5) - tile_y;
  alignas(64) float depth[kWidth];
  store(depth, e.depth);
  alignas(64) std::int32_t tile[kWidth], beyond[2][kWidth], lines[2][kWidth];
  store(tile, (tile_y - args.region.tile_y) * args.region.columns + (tile_x - args.region.tile_x));
  store(beyond[0], right);
  store(beyond[1], down);
  store(lines[0], y0);
  store(lines[1], y1);
  const unsigned small = drawn_bits & bits(both(less(right, splat(2)), less(down, splat(2))));
  for (unsigned todo = drawn_bits; todo != 0; todo &= todo - 1) {
    const int k = __builtin_ctz(todo);
    Entry entry = {static_cast<std::uint32_t>(index + k), 0};
    std::memcpy(&entry.depth, &depth[k], sizeof entry.depth);
    if ((small >> k & 1) == 0) {
      emit_large(args, segment, args.splats[index + k], lines[0][k], lines[1][k], entry);
      continue;
    }
    const auto at = static_cast<std::size_t>(tile[k]);
    const auto next = static_cast<unsigned>(beyond[0][k]);
    append(segment, at, entry, 1);
    append(segment, at + 1, entry, next);
    if (beyond[1][k] != 0) {
      const std::size_t below = at + static_cast<std::size_t>(args.region.columns);
      append(segment, below, entry, 1);
      append(segment, below + 1, entry, next);
    }
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
