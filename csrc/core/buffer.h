// Memory for the stages: aligned to a cache line, kept between frames, grown but never shrunk.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

namespace avatar_rt {

template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() { release(); }

  T* data() const { return data_; }
  T& operator[](std::size_t i) const { return data_[i]; }
  std::size_t size() const { return size_; }

  // At least `size` elements; the first `kept` keep their values, the others have none.
  void reserve(std::size_t size, std::size_t kept = 0) {
    if (size <= size_) return;
    T* fresh = static_cast<T*>(::operator new(size * sizeof(T), kAlignment));
    if (kept != 0) std::memcpy(fresh, data_, kept * sizeof(T));
    release();
    data_ = fresh;
    size_ = size;
  }

  // Exactly what reserve gives, all bytes zero.
  void zeros(std::size_t size) {
    reserve(size);
    if (size != 0) std::memset(static_cast<void*>(data_), 0, size * sizeof(T));
  }

 private:
  static constexpr std::align_val_t kAlignment{64};

  void release() {
    if (data_ != nullptr) ::operator delete(data_, kAlignment);
  }
  void swap(Buffer& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace avatar_rt
