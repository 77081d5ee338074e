// Output buffers with guards on both sides, and the checks that every entry point shares.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace avatar_rt::fuzz {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void require(bool holds, const char* what) {
  if (!holds) throw Failure(what);
}

// `size` elements full of bytes that are NaN as floats and no likely pixel, between guards that no
// entry point may touch. The guards see what a sanitizer cannot: writes within one allocation.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t size) : size_(size), bytes_(2 * kGuard + size * sizeof(T), kFill) {}

  T* data() { return reinterpret_cast<T*>(bytes_.data() + kGuard); }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data() + kGuard); }
  const T& operator[](std::size_t i) const { return data()[i]; }
  std::size_t size() const { return size_; }

  void refill(unsigned char value) {
    std::memset(static_cast<void*>(data()), value, size_ * sizeof(T));
  }
  bool untouched_outside() const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (bytes_[i] != kFill || bytes_[bytes_.size() - 1 - i] != kFill) return false;
    }
    return true;
  }
  bool same(const Guarded& other) const {
    return size_ == other.size_ && std::memcmp(data(), other.data(), size_ * sizeof(T)) == 0;
  }

 private:
  static constexpr std::size_t kGuard = 256;
  static constexpr unsigned char kFill = 0xff;
  std::size_t size_;
  std::vector<unsigned char> bytes_;
};

// Whether two rows of numbers are the same bits; a NaN's do not count, as sums may meet theirs in
// any order.
template <class T>
bool same_numbers(const T* a, const T* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    if (std::memcmp(a + i, b + i, sizeof(T)) != 0 && !(std::isnan(a[i]) && std::isnan(b[i]))) {
      return false;
    }
  }
  return true;
}

inline float largest_finite(const std::vector<float>& values) {
  float most = 0;
  for (const float v : values) {
    if (std::isfinite(v)) most = std::fmax(most, std::fabs(v));
  }
  return most;
}

// Blending adds shares of colours, so no pixel exceeds the strongest one; where the sums could
// overflow nothing is asked of them.
inline void require_within(const Guarded<float>& image, float bound, const char* what) {
  if (bound > 1e38f) return;
  const float limit = bound * 1.001f;
  for (std::size_t i = 0; i < image.size(); ++i) require(std::fabs(image[i]) <= limit, what);
}

inline void require_alpha(float alpha) {
  require(alpha >= 0 && alpha <= 1, "an alpha lies outside [0, 1]");
}

}  // namespace avatar_rt::fuzz
