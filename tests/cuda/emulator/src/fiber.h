// Fibers: many stacks on one OS thread, and the step from one to another. A thread of a block is one;
// thousands of steps a millisecond must cost little, so no signal masks are saved.
#pragma once

#include <cstddef>
#include <utility>

namespace emulated {

class Fiber {
 public:
  Fiber() = default;                        // the caller's own stack
  Fiber(void (*body)(void*), void* argument, int number);  // body never returns
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void switch_to(Fiber& next);
  std::pair<const char*, const char*> stack() const {
    const auto* begin = static_cast<const char*>(stack_);
    return {begin, begin + bytes_};
  }

 private:
  static void begin();
  static void arrive();

  void* point_ = nullptr;                   // where it goes on
  void* stack_ = nullptr;
  std::size_t bytes_ = 0;
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
  void* sanitizer_ = nullptr;               // AddressSanitizer's notes on the stack
};

}  // namespace emulated
