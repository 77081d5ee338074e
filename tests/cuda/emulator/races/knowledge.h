// What a thread knows of other threads' pasts: of some blocks everything before a certain time, and of
// single threads a little more. It is never changed, only joined, so that many may share it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace emulated::races {

struct Past {                       // of one block
  std::uint32_t block, start;       // every thread's accesses before `start` are known
  std::vector<std::pair<std::uint32_t, std::uint32_t>> more;  // (thread, up to this time), by thread

  bool covers(std::uint32_t thread, std::uint32_t time) const;
};

using Knowledge = std::shared_ptr<const std::vector<Past>>;  // by block; null: of nothing

Knowledge join(const Knowledge& a, const Knowledge& b);
bool covers(const Knowledge& known, std::uint32_t block, std::uint32_t thread, std::uint32_t time);

}  // namespace emulated::races
