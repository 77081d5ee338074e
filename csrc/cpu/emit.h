// Enters projected Gaussians into the tiles that they touch.
#pragma once

#include "core/backend.h"
#include "math/blend.h"
#include "math/lane.h"
#include "math/project.h"

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

AVATAR_RT_INLINE void append(Segment& segment, std::size_t tile, std::uint32_t depth,
                             std::uint32_t splat, std::uint64_t blocks) {
  std::uint32_t& cursor = segment.cursors[tile];
  segment.entries[cursor] = {depth, splat, blocks};
  cursor += blocks != 0;
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

// The first and the last pixel whose centre lies in [from, to], within the bounds.
AVATAR_RT_INLINE int first_pixel(float from, int low, int high) {
  return static_cast<int>(__builtin_ceilf(
      min(max(from - 0.5f, static_cast<float>(low)), static_cast<float>(high))));
}
AVATAR_RT_INLINE int last_pixel(float to, int low, int high) {
  return static_cast<int>(__builtin_floorf(
      min(max(to - 0.5f, static_cast<float>(low - 1)), static_cast<float>(high - 1))));
}

// One Gaussian that spans more than two by two tiles.
[[gnu::noinline]] static void emit_large(const ProjectArgs& args, Segment& segment,
                                         const Ellipse<float>& e, float reach,
                                         std::uint32_t depth, std::uint32_t splat) {
  const Bounds b = bounds_of(args);
  const SpanMaker<float> maker = span_maker(e, reach);
  const int y0 = first_pixel(e.y - maker.half_height, b.top, b.bottom);
  const int y1 = last_pixel(e.y + maker.half_height, b.top, b.bottom);
  for (int tile_y = y0 / kTile; tile_y <= y1 / kTile; ++tile_y) {
    int first[8], last[8], tile_first = 1 << 30, tile_last = -1;
    for (int r = 0; r < 8; ++r) {
      const int row = tile_y * kTile + r * kBlock;
      first[r] = 1;
      last[r] = 0;
      if (row + kBlock <= y0 || row > y1) continue;
      const float centre = static_cast<float>(row) + 0.5f - e.y;
      const Span<float> s = span(maker, max(centre, -maker.half_height),
                                 min(centre + (kBlock - 1), maker.half_height));
      const int x0 = first_pixel(e.x + s.left, b.left, b.right);
      const int x1 = last_pixel(e.x + s.right, b.left, b.right);
      if (x0 > x1) continue;
      first[r] = x0 / kBlock;
      last[r] = x1 / kBlock;
      if (first[r] / 8 < tile_first) tile_first = first[r] / 8;
      if (last[r] / 8 > tile_last) tile_last = last[r] / 8;
    }
    for (int tile_x = tile_first; tile_x <= tile_last; ++tile_x) {
      std::uint64_t blocks = 0;
      for (int r = 0; r < 8; ++r) {
        const int from = first[r] - 8 * tile_x, to = last[r] - 8 * tile_x;
        if (from > 7 || to < 0 || from > to) continue;
        const unsigned row = (2u << (to < 7 ? to : 7)) - (1u << (from > 0 ? from : 0));
        blocks |= static_cast<std::uint64_t>(row) << (8 * r);
      }
      const int column = tile_x - args.region.tile_x, line = tile_y - args.region.tile_y;
      append(segment, static_cast<std::size_t>(line) * args.region.columns + column, depth, splat,
             blocks);
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
  segment.skipped += __builtin_popcount(bits(valid) & ~bits(finite) &
                                        ~bits(less(e.depth, splat(kNearPlane))));

  // u² + v² ≤ reach is where alpha is at least the minimum; a little more, so that rounding here
  // never decides what the blend stage tests exactly
  constexpr float kTwoLn2 = 1.38629436f, kMargin = 1e-3f;
  const F reach = kTwoLn2 * (log2_opacity - args.log2_alpha_min) + kMargin;
  M drawn = both(both(valid, finite), both(less(splat(kMargin), reach),
                                           at_least(e.depth, splat(kNearPlane))));
  if (!bits(drawn)) return;
  const F positive = max(reach, splat(kMargin));
  const SpanMaker<F> maker = span_maker(e, positive);
  const F half_width = sqrt(positive * e.xx);

  const auto first = [](F from, int low, int high) __attribute__((always_inline)) {
    return ceil_int(clamp(from - 0.5f, splat(static_cast<float>(low)),
                          splat(static_cast<float>(high))));
  };
  const auto last = [](F to, int low, int high) __attribute__((always_inline)) {
    return floor_int(clamp(to - 0.5f, splat(static_cast<float>(low - 1)),
                           splat(static_cast<float>(high - 1))));
  };
  const I x0 = first(e.x - half_width, b.left, b.right);
  const I x1 = last(e.x + half_width, b.left, b.right);
  const I y0 = first(e.y - maker.half_height, b.top, b.bottom);
  const I y1 = last(e.y + maker.half_height, b.top, b.bottom);
  drawn = both(drawn, both(less(x0, x1 + 1), less(y0, y1 + 1)));
  const unsigned drawn_bits = bits(drawn);
  if (!drawn_bits) return;

  alignas(64) float field[8][kWidth];
  store(field[0], e.x);
  store(field[1], e.y);
  store(field[2], e.l11 * kExponentRoot);
  store(field[3], e.l21 * kExponentRoot);
  store(field[4], e.l22 * kExponentRoot);
  store(field[5], (log2_opacity + kExponentBias) * kMantissa);
  store(field[6], e.depth);
  store(field[7], F{});
  float* splat_out = &args.splats[index].x;
  for (int k = 0; k < kWidth; k += 4) {
    for (int half = 0; half < 8; half += 4) {
      F4 a = load4(&field[half][k]), c = load4(&field[half + 1][k]);
      F4 g = load4(&field[half + 2][k]), h = load4(&field[half + 3][k]);
      transpose4(a, c, g, h);
      store4(splat_out + 8 * k + half, a);
      store4(splat_out + 8 * (k + 1) + half, c);
      store4(splat_out + 8 * (k + 2) + half, g);
      store4(splat_out + 8 * (k + 3) + half, h);
    }
  }

  const I tile_x = x0 >> 5, tile_y = y0 >> 5;
  const I row0 = y0 >> 2, rows = (y1 >> 2) - row0 + 1;
  const M small = both(less((x1 >> 5) - tile_x, splat(2)), less((y1 >> 5) - tile_y, splat(2)));
  const M quick = both(drawn, small);
  const unsigned quick_bits = bits(quick);
  const I row_count = select(quick, rows, I{});
  const int most_rows = largest(row_count);
  const I column0 = tile_x << 3, row_in_tile = row0 & 7;
  TileMasks masks;
  F centre = to_float(row0 << 2) + 0.5f - e.y;
  for (int r = 0; r < most_rows; ++r, centre += 4.0f) {
    const Span<F> s = span(maker, max(centre, -maker.half_height),
                           min(centre + 3.0f, maker.half_height));
    const I from = max(first(e.x + s.left, b.left, b.right), x0);
    const I to = min(last(e.x + s.right, b.left, b.right), x1);
    const M some = both(less(from, to + 1), less(splat(r), row_count));
    const I low = clamp((from >> 2) - column0, I{}, splat(15));
    const I high = clamp((to >> 2) - column0, I{}, splat(15));
    const I row = shift_left(splat(2), high) - shift_left(splat(1), low);
    masks.add_row(select(some, row, I{}), row_in_tile + r);
  }

  alignas(64) std::uint64_t quarter[4][kWidth];
  masks.store(quarter);
  alignas(64) std::int32_t tile[kWidth];
  store(tile, (tile_y - args.region.tile_y) * args.region.columns + (tile_x - args.region.tile_x));
  for (unsigned todo = quick_bits; todo != 0; todo &= todo - 1) {
    const int k = __builtin_ctz(todo);
    std::uint32_t depth;
    std::memcpy(&depth, &field[6][k], sizeof depth);
    const auto number = static_cast<std::uint32_t>(index + k);
    const auto at = static_cast<std::size_t>(tile[k]);
    append(segment, at, depth, number, quarter[0][k]);
    append(segment, at + 1, depth, number, quarter[1][k]);
    if ((quarter[2][k] | quarter[3][k]) != 0) {
      append(segment, at + args.region.columns, depth, number, quarter[2][k]);
      append(segment, at + args.region.columns + 1, depth, number, quarter[3][k]);
    }
  }

  unsigned large = drawn_bits & ~quick_bits;
  if (large == 0) return;
  alignas(64) float rest[8][kWidth];
  store(rest[0], e.l11);
  store(rest[1], e.l21);
  store(rest[2], e.l22);
  store(rest[3], e.xx);
  store(rest[4], e.xy);
  store(rest[5], e.yy);
  store(rest[6], e.det);
  store(rest[7], positive);
  for (; large != 0; large &= large - 1) {
    const int k = __builtin_ctz(large);
    std::uint32_t depth;
    std::memcpy(&depth, &field[6][k], sizeof depth);
    const Ellipse<float> one = {field[0][k], field[1][k], field[6][k], rest[0][k], rest[1][k],
                                rest[2][k],  rest[3][k],  rest[4][k],  rest[5][k], rest[6][k]};
    emit_large(args, segment, one, rest[7][k], depth, static_cast<std::uint32_t>(index + k));
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
