// The threads that can go on: a ring, because released lanes join in front and pausing ones behind.
#pragma once

namespace emulated {

struct Thread;

class Ready {
 public:
  bool empty() const { return size_ == 0; }
  void clear() { first_ = size_ = 0; }
  void push_back(Thread* thread) { ring_[(first_ + size_++) % kMost] = thread; }
  void push_front(Thread* thread) {
    first_ = (first_ + kMost - 1) % kMost;
    ring_[first_] = thread;
    ++size_;
  }
  Thread* pop() {
    Thread* thread = ring_[first_];
    first_ = (first_ + 1) % kMost;
    --size_;
    return thread;
  }

 private:
  static constexpr unsigned kMost = 1024;  // threads of a block; each is in here once at most
  Thread* ring_[kMost];
  unsigned first_ = 0, size_ = 0;
};

}  // namespace emulated
