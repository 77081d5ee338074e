// A slice's splats as one row of blocks sees them: what they all share along the row is found once,
// and each block has a list of those that touch it.
#pragma once

#include "cpu/slice.h"

namespace avatar_rt::AVATAR_RT_ISA {

inline constexpr int kBlockLanes = kBlockPixels / kWidth;

// A block's pixels lie column by column, four lines each: kBlockLanes lanes, each of whole columns.
// The exponent of an alpha at (x, y) is rest - (l11·x + along)², of y's line.
struct alignas(64) RowSplat {
  float along[kBlock];  // l21·y + u0
  float rest[kBlock];   // level - v²
  float r, g, b, l11;
};

struct Row {
  RowSplat splats[kSlice];
  std::uint16_t places[kListSpace];               // in the slice
  std::uint8_t hits[kListSpace];                  // bit c: it touches block c
  std::uint16_t lists[kTileColumns][kListSpace];  // numbers in this row, in order
  int lengths[kTileColumns];
};

struct alignas(64) TileMemory {
  Slice slice;
  Row row;
};
// What a stage keeps of a tile's blocks follows in the worker's memory.
AVATAR_RT_INLINE float* state_in(const Scratch& scratch) {
  return reinterpret_cast<float*>(static_cast<TileMemory*>(scratch.tile) + 1);
}

// Sixteen pixels' centres by the coordinate that changes from one to the next, and by the other.
alignas(64) static constexpr float kInner[kBlockPixels] = {0.5f, 1.5f, 2.5f, 3.5f, 0.5f, 1.5f,
                                                           2.5f, 3.5f, 0.5f, 1.5f, 2.5f, 3.5f,
                                                           0.5f, 1.5f, 2.5f, 3.5f};
alignas(64) static constexpr float kOuter[kBlockPixels] = {0.5f, 0.5f, 0.5f, 0.5f, 1.5f, 1.5f,
                                                           1.5f, 1.5f, 2.5f, 2.5f, 2.5f, 2.5f,
                                                           3.5f, 3.5f, 3.5f, 3.5f};

// A block's pixel centres along x, relative to the tile.
struct Columns {
  F x[kBlockLanes];
};
AVATAR_RT_INLINE Columns columns_of_block(int column) {
  Columns columns;
  for (int v = 0; v < kBlockLanes; ++v) {
    columns.x[v] = load(kOuter + v * kWidth) + static_cast<float>(kBlock * column);
  }
  return columns;
}

// Row r of the slice, for those of its blocks that are in `columns`, bit by bit.
[[gnu::noinline, maybe_unused]] static void enter_row(const Slice& slice, int r, unsigned columns,
                                                      Row& row) {
  int n = 0;
  for (int i = 0; i < slice.count; i += kHits) {
    const int left = slice.count - i;
    n += keep_hits(slice.rows[r] + i, columns, left < kHits ? left : kHits, i, row.hits + n,
                   row.places + n);
  }
  for (int i = n; i % kHits != 0; ++i) row.hits[i] = 0;
  const F4 y = load4(kInner) + static_cast<float>(kBlock * r);
  for (int k = 0; k < n; ++k) {
    const TileSplat& t = slice.splats[row.places[k]];
    RowSplat& out = row.splats[k];
    const F4 across = t.l22 * y + t.v0;
    store4(out.along, t.l21 * y + t.u0);
    store4(out.rest, t.level - across * across);
    store4(&out.r, load4(&t.r));
  }
  for (unsigned todo = columns; todo != 0; todo &= todo - 1) {
    const int column = __builtin_ctz(todo);
    int length = 0;
    for (int i = 0; i < n; i += kHits) {
      length += list_hits(row.lists[column] + length, HitRow(row.hits + i)(column), i);
    }
    row.lengths[column] = length;
  }
}

// The exponent of a row's splat at a lane of pixels.
AVATAR_RT_INLINE F power_of(const RowSplat& s, F x) {
  const F u = s.l11 * x + repeat4(s.along);
  return repeat4(s.rest) - u * u;
}

// Blends a row's splats into one of its blocks, of transmittances `through`: each(k, v, weight) gets
// the weights of splat k in lane v. Returns whether any pixel lets light through still, which is looked
// for at every fourth splat and at the last.
template <class Each>
AVATAR_RT_INLINE bool walk_block(const BlendArgs& args, const Row& row, int column, float* through,
                                 const Each& each) {
  const F threshold = splat(exponent_level(args.log2_alpha_min));
  const F opaque = splat(args.transmittance_min);
  const Columns columns = columns_of_block(column);
  const int n = row.lengths[column];
  for (int i = 0; i < n; ++i) {
    const int k = row.lists[column][i];
    unsigned any = 0;
    for (int v = 0; v < kBlockLanes; ++v) {
      const F T = load(through + v * kWidth);
      const F weight = weight_of<Cubic>(T, power_of(row.splats[k], columns.x[v]), threshold);
      const F next = T - weight;
      store(through + v * kWidth, next);
      any |= bits(less(opaque, next));
      each(k, v, weight);
    }
    if ((i % 4 == 3 || i + 1 == n) && any == 0) return false;
  }
  return true;
}

// each(r, column) for every block of `alive`, `row` being its row's; a block for which it returns false
// is alive no more.
template <class Each>
AVATAR_RT_INLINE void for_blocks(const Slice& slice, Row& row, std::uint64_t& alive,
                                 const Each& each) {
  for (int r = 0; r < kTileRows; ++r) {
    const unsigned columns = row_of(alive, r);
    if (columns == 0) continue;
    enter_row(slice, r, columns, row);
    for (unsigned todo = columns; todo != 0; todo &= todo - 1) {
      const int column = __builtin_ctz(todo);
      if (!each(r, column)) alive &= ~(std::uint64_t{1} << (kTileColumns * r + column));
    }
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
