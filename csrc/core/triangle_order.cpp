#include "core/triangle_order.h"

#include <algorithm>

#include "core/backend.h"

namespace avatar_rt {
namespace {

constexpr std::int64_t kPerItem = 2048;  // Gaussians: some tens of microseconds of work

}  // namespace

void TriangleOrder::arrange(const std::int32_t* triangles, std::int64_t count, int face_count) {
  const auto n = static_cast<std::size_t>(count), faces = static_cast<std::size_t>(face_count);
  ascends_ = std::is_sorted(triangles, triangles + n);
  items_ = static_cast<int>((count + kPerItem - 1) / kPerItem);
  begin_.reserve(static_cast<std::size_t>(items_) + 1);
  std::int64_t at = 0;
  for (int item = 0; item < items_; ++item) {
    at = std::max(at, item * kPerItem);
    while (ascends_ && at > 0 && at < count && triangles[at] == triangles[at - 1]) ++at;
    begin_[static_cast<std::size_t>(item)] = at;
  }
  begin_[static_cast<std::size_t>(items_)] = count;
  if (ascends_) return;

  first_.zeros(faces + 1);
  for (std::size_t i = 0; i < n; ++i) ++first_[static_cast<std::size_t>(triangles[i]) + 1];
  for (std::size_t t = 0; t < faces; ++t) first_[t + 1] += first_[t];
  next_.reserve(faces);
  std::copy_n(first_.data(), faces, next_.data());
  places_.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    places_[i] = static_cast<std::int32_t>(next_[static_cast<std::size_t>(triangles[i])]++);
  }
}

}  // namespace avatar_rt
