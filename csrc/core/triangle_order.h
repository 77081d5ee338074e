// How the gradients of Gaussians are summed by triangle, each sum by one thread and in one order.
//
// Where triangles ascend, items of work end at triangles' borders, and each Gaussian's part is added
// to its triangle at once. Otherwise parts are first laid down sorted by triangle, then summed: the
// Gaussians' own arrays are still read and written as they are stored.
#pragma once

#include <cstdint>

#include "core/buffer.h"

namespace avatar_rt {

class TriangleOrder {
 public:
  void arrange(const std::int32_t* triangles, std::int64_t count, int face_count);

  int items() const { return items_; }
  // Item i holds the Gaussians begin(i) … begin(i + 1) - 1.
  std::int64_t begin(int item) const { return begin_[static_cast<std::size_t>(item)]; }

  // For each Gaussian: where its part goes; null where triangles ascend.
  const std::int32_t* places() const { return ascends_ ? nullptr : places_.data(); }
  // Triangle t has the places first(t) … first(t + 1) - 1, where they do not ascend.
  std::int64_t first(int triangle) const { return first_[static_cast<std::size_t>(triangle)]; }

 private:
  bool ascends_ = true;
  int items_ = 0;
  Buffer<std::int64_t> begin_, first_, next_;
  Buffer<std::int32_t> places_;
};

}  // namespace avatar_rt
