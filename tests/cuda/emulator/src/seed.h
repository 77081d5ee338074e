// Numbers for shuffling, from AVATAR_RT_EMULATED_SEED and the launch's number: the same on every run.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace emulated {

class Seed {
 public:
  explicit Seed(std::uint64_t state = 0) : state_(state) {}

  std::uint64_t next() {  // a Weyl sequence, mixed by two rounds of xor-shift and multiply
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 32) * 0xd6e8feb86659fd93u;
    z = (z ^ z >> 32) * 0xd6e8feb86659fd93u;
    return z ^ z >> 32;
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace emulated
