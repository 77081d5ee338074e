// Walking a tile's chain of pages (core/backend.h).
#pragma once

#include "core/backend.h"
#include "math/inline.h"

namespace avatar_rt::AVATAR_RT_ISA {

// Calls visit(slot) for every entry of a segment's tile, in the order in which they were entered.
template <class Visit>
AVATAR_RT_INLINE void for_slots(const Segment& segment, int tile, const Visit& visit) {
  const std::uint32_t end = segment.cursors[tile];
  for (std::uint32_t slot = static_cast<std::uint32_t>(tile) * kPage; slot != end;) {
    visit(slot);
    if (++slot % kPage == kPage - 1 && slot != end) slot = segment.entries[slot].splat;
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
