#include "cpu/pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/cores.h"

namespace avatar_rt::cpu {
namespace {

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Job {
  void (*work)(void*, int, int);
  void* context;
  int items, helpers_wanted;
  std::atomic<int> next{0};
  std::atomic<int> helping{0};  // threads of the pool that are inside
  int helpers_seen = 0;         // guarded by the pool's mutex
  std::mutex failure_mutex{};
  std::exception_ptr failure{};

  void run(int worker) {
    try {
      for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < items;) {
        work(context, i, worker);
      }
    } catch (...) {
      next.store(items);
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  }
};

class Pool {
 public:
  void run(Job& job) {
    {
      const std::lock_guard lock(mutex_);
      while (threads_ < job.helpers_wanted && threads_ < kMostThreads) {
        std::thread([this] { serve(); }).detach();
        ++threads_;
      }
      jobs_.push_back(&job);
      posted_.fetch_add(1, std::memory_order_release);
    }
    if (job.helpers_wanted == 1) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
    job.run(0);
    {
      const std::lock_guard lock(mutex_);
      jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
    }
    for (int spin = 0; spins_ && spin < kSpins; ++spin) {
      if (job.helping.load(std::memory_order_acquire) == 0) return;
      pause();
    }
    std::unique_lock lock(mutex_);
    left_.wait(lock, [&] { return job.helping.load(std::memory_order_acquire) == 0; });
  }

 private:
  static constexpr int kSpins = 2000;  // some tens of microseconds: the gap between two stages
  static constexpr int kMostThreads = 255;

  // A job that wants one more helper; joins it.
  Job* join(int& worker) {
    for (Job* job : jobs_) {
      if (job->helpers_seen < job->helpers_wanted &&
          job->next.load(std::memory_order_relaxed) < job->items) {
        worker = ++job->helpers_seen;
        job->helping.fetch_add(1, std::memory_order_relaxed);
        return job;
      }
    }
    return nullptr;
  }

  void serve() {
    for (;;) {
      int worker = 0;
      Job* job = nullptr;
      const std::uint32_t seen = posted_.load(std::memory_order_acquire);
      {
        const std::lock_guard lock(mutex_);
        job = join(worker);
      }
      if (job == nullptr) {
        for (int k = 0; spins_ && k < kSpins; ++k) {
          if (posted_.load(std::memory_order_acquire) != seen) break;
          pause();
        }
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return (job = join(worker)) != nullptr; });
      }
      job->run(worker);
      {
        // the job lives on its caller's stack: not to be touched once the caller sees 0
        const std::lock_guard lock(mutex_);
        if (job->helping.fetch_sub(1, std::memory_order_release) == 1) left_.notify_all();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, left_;
  std::vector<Job*> jobs_;
  std::atomic<std::uint32_t> posted_{0};
  int threads_ = 0;
  const bool spins_ = usable_cores() > 1;
};

// Never destroyed: its threads outlive static destruction. A forked child gets a new one, for the
// threads did not come along and the mutex may have been held.
std::atomic<Pool*> the_pool{nullptr};

Pool& pool() {
  static const bool ready = [] {
    the_pool = new Pool;
    pthread_atfork(nullptr, nullptr, [] { the_pool = new Pool; });
    return true;
  }();
  (void)ready;
  return *the_pool.load();
}

}  // namespace

void parallel(int threads, int items, void (*work)(void*, int, int), void* context) {
  if (items <= 0) return;
  const int helpers = std::min(threads, items) - 1;
  if (helpers <= 0) {
    for (int i = 0; i < items; ++i) work(context, i, 0);
    return;
  }
  Job job{work, context, items, helpers};
  pool().run(job);
  if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace avatar_rt::cpu
