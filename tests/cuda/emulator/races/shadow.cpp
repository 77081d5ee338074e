#include "shadow.h"

#include <cstring>

namespace emulated::races {
namespace {

bool conflicts(Kind a, Kind b) {
  return (writes(a) || writes(b)) && !(atomic(a) && atomic(b));
}

// Whoever is ordered after `later` is ordered after `earlier`, too, and conflicts with it only if it
// does with `later`.
bool stands_for(const Access& later, const Access& earlier, bool ordered) {
  if (!ordered || (earlier.bytes & ~later.bytes) != 0) return false;
  return later.how() == Kind::write || later.kind == earlier.kind ||
         earlier.how() == Kind::atomic_read;
}

// The cell is full: a write is worth more than a read, and a read by another warp than one more by ours.
int least(const Cell& cell, const Access& access) {
  int worst = 0;
  unsigned lowest = ~0u;
  for (int i = 0; i < Cell::kMost; ++i) {
    const Access& old = cell.accesses[i];
    const bool near = old.moment.thread / 32 == access.moment.thread / 32;
    const unsigned worth = (writes(old.how()) ? 4u : 0u) + (near ? 0u : 2u) +
                           ((access.moment.time + access.moment.thread + unsigned(i)) % 2);
    if (worth < lowest) lowest = worth, worst = i;
  }
  return worst;
}

}  // namespace

Cell& Shadow::cell(std::uintptr_t address) {
  const std::uintptr_t word = address / 4, number = word / kCells;
  Page*& recent = recent_[number % 1024];
  if (recent == nullptr || recent->number != number) {
    auto& page = pages_[number];
    if (page == nullptr) {
      page = std::make_unique<Page>();
      page->number = number;
    }
    recent = page.get();
  }
  if (recent->launch != launch_) {
    std::memset(static_cast<void*>(recent->cells), 0, sizeof recent->cells);
    recent->launch = launch_;
  }
  return recent->cells[word % kCells];
}

bool record(Cell& cell, const Access& access, const Order& order, Access& conflict) {
  unsigned kept = 0;
  for (unsigned i = 0; i < cell.count; ++i) {
    const Access old = cell.accesses[i];
    const bool same = old.moment.thread == access.moment.thread;
    if (same && old.moment.time == access.moment.time && old.kind == access.kind &&
        (access.bytes & ~old.bytes) == 0) {
      // nothing new; what came in between was held against this one
      for (; i < cell.count; ++i) cell.accesses[kept++] = cell.accesses[i];
      cell.count = kept & 7u;
      return true;
    }
    const bool ordered = same || order.before_now(old.moment);
    if (!ordered && (old.bytes & access.bytes) != 0 && conflicts(old.how(), access.how())) {
      conflict = old;
      return false;
    }
    if (!stands_for(access, old, ordered)) cell.accesses[kept++] = old;
  }
  cell.count = kept & 7u;
  const int slot = kept < Cell::kMost ? static_cast<int>(cell.count++) : least(cell, access);
  cell.accesses[slot] = access;
  return true;
}

}  // namespace emulated::races
