#include "order.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace emulated::races {

void Order::launch_starts() { published_.clear(); }

void Order::block_starts(std::uint32_t block, int threads) {
  block_ = block;
  count_ = threads;
  start_ = 1;
  any_fence_ = false;
  for (int i = 0; i < threads; ++i) {
    threads_[i].now = 1;
    threads_[i].known = nullptr;
    threads_[i].fence = {};
    threads_[i].unfenced = false;
    std::memset(threads_[i].seen, 0, sizeof threads_[i].seen);
  }
}

void Order::barrier_passed() {
  Knowledge known;
  bool all_fenced = any_fence_;
  for (int i = 0; i < count_; ++i) {
    start_ = std::max(start_, threads_[i].now + 1);
    known = join(known, threads_[i].known);
    all_fenced = all_fenced && !threads_[i].unfenced;
  }
  any_fence_ = false;
  for (int i = 0; i < count_; ++i) {
    threads_[i].now = start_;
    threads_[i].known = known;
    if (all_fenced) snapshot(threads_[i]);
  }
}

void Order::synced(int first_thread, unsigned mask) {
  std::uint32_t seen[32] = {};
  Knowledge known;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const Thread& thread = threads_[first_thread + std::countr_zero(rest)];
    for (int i = 0; i < 32; ++i) seen[i] = std::max(seen[i], thread.seen[i]);
    known = join(known, thread.known);
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    seen[lane] = std::max(seen[lane], threads_[first_thread + lane].now);
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    Thread& thread = threads_[first_thread + std::countr_zero(rest)];
    std::memcpy(thread.seen, seen, sizeof seen);
    thread.known = known;
    ++thread.now;
  }
}

void Order::snapshot(Thread& thread) {
  thread.fence.start = start_;
  thread.fence.time = thread.now;
  thread.fence.known = thread.known;
  std::memcpy(thread.fence.seen, thread.seen, sizeof thread.seen);
  ++thread.now;
}

void Order::fenced() {
  threads_[me_].unfenced = false;
  any_fence_ = true;
  snapshot(threads_[me_]);
}

void Order::observed(std::uintptr_t address) {
  const auto found = published_.find(address);
  if (found != published_.end()) threads_[me_].known = join(threads_[me_].known, found->second);
}

void Order::published(std::uintptr_t address) {
  const Fence& fence = threads_[me_].fence;
  if (fence.time == 0) return;
  Past past{block_, fence.start, {}};
  const int first = me_ / 32 * 32;
  for (int i = 0; i < 32; ++i) {
    const std::uint32_t time = first + i == me_ ? fence.time : fence.seen[i];
    if (time >= fence.start) past.more.emplace_back(static_cast<std::uint32_t>(first + i), time);
  }
  const auto ours = std::make_shared<const std::vector<Past>>(1, std::move(past));
  Knowledge& all = published_[address];
  all = join(all, join(fence.known, ours));
}

bool Order::before_now(Moment access) const {
  const std::uint32_t block = access.thread / kBlockThreads, number = access.thread % kBlockThreads;
  const Thread& me = threads_[me_];
  if (block == block_) {
    if (access.time < start_ || number == static_cast<std::uint32_t>(me_)) return true;
    if (number / 32 == static_cast<std::uint32_t>(me_) / 32 && access.time <= me.seen[number % 32]) {
      return true;
    }
  }
  return covers(me.known, block, number, access.time);
}

}  // namespace emulated::races
