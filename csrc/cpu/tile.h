// A tile's place in the picture, and its blocks: eight rows of eight, bit by bit.
#pragma once

#include "core/backend.h"
#include "math/inline.h"

namespace avatar_rt::AVATAR_RT_ISA {

inline constexpr int kTileRows = kTile / kBlock, kTileColumns = kTile / kBlock;

struct TilePlace {
  int x, y;              // its first pixel
  std::uint64_t blocks;  // those that lie within the picture
};

AVATAR_RT_INLINE TilePlace place_of(const BlendArgs& args, int tile) {
  const int x = (args.region.tile_x + tile % args.region.columns) * kTile;
  const int y = (args.region.tile_y + tile / args.region.columns) * kTile;
  std::uint64_t blocks = 0;
  for (int r = 0; r < kTileRows; ++r) {
    for (int c = 0; c < kTileColumns; ++c) {
      if (x + kBlock * c < args.width && y + kBlock * r < args.height) {
        blocks |= std::uint64_t{1} << (kTileColumns * r + c);
      }
    }
  }
  return {x, y, blocks};
}

// The blocks of row r.
AVATAR_RT_INLINE unsigned row_of(std::uint64_t blocks, int r) {
  return static_cast<unsigned>(blocks >> (kTileColumns * r) & ((1u << kTileColumns) - 1));
}

}  // namespace avatar_rt::AVATAR_RT_ISA
