// Loops whose body is a lambda, shared out among the backend's threads.
#pragma once

#include <algorithm>

#include "core/backend.h"

namespace avatar_rt {

// f(item, worker) for each of 0 … items, in parallel; workers are numbered below `threads`.
template <class F>
void over_items(int threads, int items, const F& f) {
  backend().parallel(
      threads, items,
      [](void* c, int item, int worker) { (*static_cast<const F*>(c))(item, worker); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

// f(first, last) over 0 … packs of vertices or triangles, in parallel.
template <class F>
void over_packs(int threads, int packs, const F& f) {
  constexpr int kPacksPerItem = 64;  // some microseconds of work
  over_items(threads, (packs + kPacksPerItem - 1) / kPacksPerItem, [&](int item, int) {
    f(item * kPacksPerItem, std::min(packs, (item + 1) * kPacksPerItem));
  });
}

}  // namespace avatar_rt
