// Loops whose body is a lambda on the backend's threads, in items that do not depend on how many
// there are.
#pragma once

#include <algorithm>
#include <type_traits>

#include "core/backend.h"

namespace avatar_rt {

// f(item), or f(item, worker) with workers numbered below `threads`, for each of `items`, in
// parallel.
template <class F>
void over_items(int threads, int items, const F& f) {
  backend().parallel(
      threads, items,
      [](void* c, int item, int worker) {
        const F& own = *static_cast<const F*>(c);
        if constexpr (std::is_invocable_v<const F&, int, int>) {
          own(item, worker);
        } else {
          own(item);
        }
      },
      const_cast<F*>(&f));
}

// f(first, last) over 0 … packs of vertices or triangles, in parallel.
template <class F>
void over_packs(int threads, int packs, const F& f) {
  constexpr int kPacksPerItem = 64;  // some microseconds of work
  over_items(threads, (packs + kPacksPerItem - 1) / kPacksPerItem, [&](int item) {
    f(item * kPacksPerItem, std::min(packs, (item + 1) * kPacksPerItem));
  });
}

}  // namespace avatar_rt
