#include "knowledge.h"

#include <algorithm>

namespace emulated::races {
namespace {

Past join(const Past& a, const Past& b) {
  Past joined{a.block, std::max(a.start, b.start), {}};
  const auto add = [&](std::uint32_t thread, std::uint32_t time) {
    if (time >= joined.start) joined.more.emplace_back(thread, time);
  };
  auto i = a.more.begin(), j = b.more.begin();
  while (i != a.more.end() || j != b.more.end()) {
    if (j == b.more.end() || (i != a.more.end() && i->first < j->first)) {
      add(i->first, i->second), ++i;
    } else if (i == a.more.end() || j->first < i->first) {
      add(j->first, j->second), ++j;
    } else {
      add(i->first, std::max(i->second, j->second)), ++i, ++j;
    }
  }
  return joined;
}

}  // namespace

bool Past::covers(std::uint32_t thread, std::uint32_t time) const {
  if (time < start) return true;
  const auto found = std::lower_bound(more.begin(), more.end(), std::pair(thread, 0u));
  return found != more.end() && found->first == thread && time <= found->second;
}

bool covers(const Knowledge& known, std::uint32_t block, std::uint32_t thread, std::uint32_t time) {
  if (known == nullptr) return false;
  const auto found = std::lower_bound(known->begin(), known->end(), block,
                                      [](const Past& p, std::uint32_t b) { return p.block < b; });
  return found != known->end() && found->block == block && found->covers(thread, time);
}

Knowledge join(const Knowledge& a, const Knowledge& b) {
  if (a == b || b == nullptr) return a;
  if (a == nullptr) return b;
  auto joined = std::make_shared<std::vector<Past>>();
  joined->reserve(a->size() + b->size());
  auto i = a->begin(), j = b->begin();
  while (i != a->end() || j != b->end()) {
    if (j == b->end() || (i != a->end() && i->block < j->block)) {
      joined->push_back(*i++);
    } else if (i == a->end() || j->block < i->block) {
      joined->push_back(*j++);
    } else {
      joined->push_back(join(*i++, *j++));
    }
  }
  return joined;
}

}  // namespace emulated::races
