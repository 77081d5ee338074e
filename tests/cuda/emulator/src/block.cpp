#include "block.h"

#include <map>
#include <string>

#include "races.h"
#include "report.h"

namespace emulated {

Standing standing;

namespace {

constexpr int kVainPauses = 1 << 22;

const char* name(Meeting what) {
  switch (what) {
    case Meeting::barrier_or: return "__syncthreads_or";
    case Meeting::barrier_and: return "__syncthreads_and";
    case Meeting::barrier_count: return "__syncthreads_count";
    default: return "__syncthreads";
  }
}

}  // namespace

Block& block() {
  static Block* only = new Block;  // never destroyed: fibers may stand anywhere
  return *only;
}

void Block::start(const Kernel& kernel, dim3 shape, std::uint64_t seed) {
  kernel_ = &kernel;
  seed_ = Seed(seed);
  depth_first_ = (seed_.next() & 1) != 0;
  count_ = static_cast<int>(shape.x * shape.y * shape.z);
  while (static_cast<int>(threads_.size()) < count_) {
    threads_.push_back(std::make_unique<Thread>(&Block::live, static_cast<int>(threads_.size())));
  }
  order_.resize(static_cast<std::size_t>(count_));
  for (int i = 0; i < count_; ++i) {
    order_[static_cast<std::size_t>(i)] = i;
    const auto n = static_cast<unsigned>(i);
    threads_[n]->index = {n % shape.x, n / shape.x % shape.y, n / (shape.x * shape.y)};
  }
  seed_.shuffle(order_);
  standing.threads = shape;
}

void Block::run(uint3 index) {
  standing.block = index;
  live_ = count_;
  arrived_ = agreed_ = pauses_ = 0;
  for (int w = 0; w * 32 < count_; ++w) {
    const int lanes = count_ - w * 32;
    warps_[w].lanes = lanes >= 32 ? ~0u : (1u << lanes) - 1;
    warps_[w].exited = 0;
  }
  ready_.clear();
  const std::size_t turn = seed_.below(order_.size());
  for (std::size_t i = 0; i < order_.size(); ++i) {
    ready_.push_back(threads_[static_cast<std::size_t>(order_[(i + turn) % order_.size()])].get());
  }
  races::block_starts(count_);
  step_to(outside_, *ready_.pop());
  current_ = nullptr;
}

// A fiber's whole life: a thread of this block, then of the next one, and so on.
void Block::live(void* argument) {
  auto& thread = *static_cast<Thread*>(argument);
  for (;;) {
    block().kernel_->call(block().kernel_->arguments.get());
    thread.waits = nullptr;
    block().exit();
  }
}

void Block::step_to(Fiber& from, Thread& next) {
  current_ = &next;
  standing.thread = next.index;
  races::thread_runs(next.number);
  from.switch_to(next.fiber);
}

// Leaves the current fiber until somebody makes it ready and its turn comes.
void Block::go_on() {
  Thread& from = *current_;
  if (ready_.empty()) {
    if (live_ > 0) stuck();
    from.fiber.switch_to(outside_);
    return;
  }
  Thread& next = *ready_.pop();
  if (&next != &from) step_to(from.fiber, next);
}

void Block::pause() {
  if (current_ == nullptr) return;
  if (++pauses_ > kVainPauses) {
    fail("spins on something that no thread of this block, nor an earlier block, will do");
  }
  ready_.push_back(current_);
  go_on();
}

void Block::exit() {
  Thread& thread = *current_;
  Warp& warp = warps_[thread.number / 32];
  const unsigned bit = 1u << thread.number % 32;
  warp.exited |= bit;
  --live_;
  pauses_ = 0;
  for (const Group& group : warp.groups) {
    if (group.arrived != 0 && (group.mask & bit) != 0) {
      fail("returns, but other lanes of its warp wait for it in a collective at " +
           text(group.where));
    }
  }
  if (arrived_ > 0 && arrived_ == live_) release_barrier();
  go_on();
}

int Block::meet(Meeting what, bool predicate, Where where) {
  if (current_ == nullptr) fail(std::string(name(what)) + " outside a kernel");
  if (arrived_ == 0) {
    meeting_ = what;
    barrier_where_ = where;
    agreed_ = 0;
  } else if (what != meeting_ || where.line() != barrier_where_.line()) {
    fail(std::string("comes to ") + name(what) + " at " + text(where) + ", while others wait in " +
         name(meeting_) + " at " + text(barrier_where_));
  }
  ++arrived_;
  agreed_ += predicate ? 1 : 0;
  Thread& thread = *current_;
  thread.waits = name(what);
  thread.where = where;
  if (arrived_ == live_) {
    release_barrier();  // it is ready itself, too
  }
  go_on();
  return barrier_answer_;
}

void Block::release_barrier() {
  switch (meeting_) {
    case Meeting::barrier_or: barrier_answer_ = agreed_ > 0; break;
    case Meeting::barrier_and: barrier_answer_ = agreed_ == arrived_; break;
    default: barrier_answer_ = agreed_; break;
  }
  arrived_ = 0;
  pauses_ = 0;
  races::barrier_passed();
  // all run again, starting anywhere, in one direction or the other
  const std::size_t n = order_.size(), turn = seed_.below(n);
  const bool back = (seed_.next() & 1) != 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t at = (turn + (back ? n - i : i)) % n;
    Thread* thread = threads_[static_cast<std::size_t>(order_[at])].get();
    if (thread->waits == nullptr) continue;  // it has returned
    thread->waits = nullptr;
    ready_.push_back(thread);
  }
}

std::uint64_t Block::gather(Gathering what, unsigned mask, std::uint64_t value, int source,
                            Where where) {
  if (current_ == nullptr) fail("a warp's collective outside a kernel");
  Thread& thread = *current_;
  Warp& warp = warps_[thread.number / 32];
  const int lane = thread.number % 32;
  const unsigned bit = 1u << lane;
  if ((mask & bit) == 0) fail("gives a mask without itself at " + text(where));
  if ((mask & ~warp.lanes) != 0) fail("names lanes that its warp does not have at " + text(where));
  if ((mask & warp.exited) != 0) fail("names lanes that have returned at " + text(where));
  Group& group = warp.groups[__builtin_ctz(mask)];
  if (group.arrived == 0) {
    group.what = what;
    group.mask = mask;
    group.where = where;
  } else if (group.what != what || group.mask != mask || group.where.line() != where.line()) {
    fail("comes to a collective at " + text(where) + " whose other lanes wait at " +
         text(group.where) + (group.mask != mask ? ", with another mask" : ""));
  }
  group.arrived |= bit;
  warp.values[lane] = value;
  warp.sources[lane] = source;
  if (group.arrived == mask) {
    resolve(warp, group, thread.number - lane);
  } else {
    thread.waits = "a warp's collective";
    thread.where = where;
    go_on();
  }
  return thread.answer;
}

void Block::stuck() {
  std::map<std::string, int> places;
  for (int i = 0; i < count_; ++i) {
    const Thread& thread = *threads_[static_cast<std::size_t>(i)];
    if (thread.waits == nullptr) continue;
    ++places[std::string(thread.waits) + " at " + text(thread.where) +
             (thread.waits[0] == 'a' ? ", warp " + std::to_string(i / 32) : "")];
  }
  std::string message = "deadlock; " + std::to_string(count_ - live_) + " threads have returned";
  for (const auto& [place, number] : places) {
    message += "\n  " + std::to_string(number) + " wait in " + place;
  }
  fail(message);
}

int meet(Meeting what, bool predicate, Where where) { return block().meet(what, predicate, where); }
std::uint64_t gather(Gathering what, unsigned mask, std::uint64_t value, int source, Where where) {
  return block().gather(what, mask, value, source, where);
}
int lane() { return block().current().number % 32; }
void pause() { block().pause(); }

}  // namespace emulated
