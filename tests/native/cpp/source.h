// Where the generators' choices come from: a seed, or a fuzzer's bytes and, past their end, always the
// same numbers, so that a changed byte changes one choice only.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

namespace avatar_rt::fuzz {

// Gives back what lies behind the last elements, so that a sanitizer sees reads beyond them.
template <class... Ts>
void trim(std::vector<Ts>&... values) {
  (values.shrink_to_fit(), ...);
}

// Friendly input is well conditioned: no broken or extreme numbers, no Gaussians of one depth, no
// triangles without area, so that pictures of it can be compared. Anything else may be hostile.
enum class Manner { any, friendly };

class Source {
 public:
  explicit Source(std::uint64_t seed) : state_(seed) {}
  Source(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  std::uint32_t bits() {
    if (left_ >= sizeof(std::uint32_t)) {
      std::uint32_t taken;
      std::memcpy(&taken, data_, sizeof taken);
      data_ += sizeof taken;
      left_ -= sizeof taken;
      return taken;
    }
    // splitmix64 (Steele, Lea, Flood 2014)
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32);
  }

  int integer(int low, int high) {  // both may come
    const auto span = static_cast<std::uint64_t>(high - low) + 1;
    return low + static_cast<int>(bits() * span >> 32);
  }
  double uniform(double low, double high) { return low + (high - low) * (bits() * 0x1p-32); }
  bool chance(double probability) { return uniform(0, 1) < probability; }

  // The sum of four uniform numbers: near enough to a Gaussian of that deviation.
  float normal(double deviation) {
    double sum = 0;
    for (int k = 0; k < 4; ++k) sum += uniform(-1, 1);
    return static_cast<float>(sum * deviation * 0.866);
  }
  double magnitude(double low, double high) {  // even in the logarithm
    return std::exp(uniform(std::log(low), std::log(high)));
  }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[integer(0, static_cast<int>(choices.size()) - 1)];
  }

  // A float that arithmetic trips over.
  float nasty() {
    constexpr float kInf = std::numeric_limits<float>::infinity();
    if (chance(0.2)) {
      const std::uint32_t any = bits();
      float value;
      std::memcpy(&value, &any, sizeof value);
      return value;
    }
    const float value =
        pick({std::numeric_limits<float>::quiet_NaN(), kInf, std::numeric_limits<float>::max(),
              1e38f, 1e30f, 1e20f, 1e8f, 255.0f, 1.0f, 0.0f, 1e-8f, 1e-20f, 1e-38f, 1e-45f,
              std::numeric_limits<float>::min(), 16777217.0f, 2147483648.0f});
    return chance(0.5) ? -value : value;
  }
  float nasty_finite() {
    const float value = nasty();
    return std::isfinite(value) ? value : 1e38f;
  }

  // Puts nasty numbers at some places of `values`.
  void salt(std::vector<float>& values, double share, bool finite_only = false) {
    for (float& value : values) {
      if (chance(share)) value = finite_only ? nasty_finite() : nasty();
    }
  }
  // Puts numbers that are not finite at some.
  void shatter(std::vector<float>& values, double share) {
    constexpr float kInf = std::numeric_limits<float>::infinity();
    for (float& value : values) {
      if (chance(share)) value = pick({std::numeric_limits<float>::quiet_NaN(), kInf, -kInf});
    }
  }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t left_ = 0;
  std::uint64_t state_ = 0;
};

}  // namespace avatar_rt::fuzz
