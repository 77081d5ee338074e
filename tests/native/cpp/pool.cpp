// native_pool: the pool of threads under what a server does to it. Several avatars at once, children
// forked in the middle of frames, stages that throw, and more threads than cores. Most of its worth
// comes when it is built with the thread sanitizer.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/backend.h"
#include "core/renderer.h"
#include "cpu/pool.h"
#include "cpu/register.h"
#include "guarded.h"
#include "head.h"
#include "scene.h"

namespace {

using namespace avatar_rt;
using fuzz::require;

constexpr int kCallers = 4;

// In a child forked amid other threads, the thread sanitizer starts no threads, so that the child
// draws alone, and the address sanitizer's allocator may be locked for good, so that none is forked.
#if defined(__SANITIZE_THREAD__)
constexpr int kChildThreads = 1, kChildren = 6;
#elif defined(__SANITIZE_ADDRESS__)
constexpr int kChildThreads = 3, kChildren = 0;
#else
constexpr int kChildThreads = 3, kChildren = 6;
#endif

// A head that takes long enough for callers to meet in the pool, with the pose and the camera.
struct Sitter {
  fuzz::MadeHead head;
  fuzz::MadePose pose;
  CameraView camera;

  explicit Sitter(std::uint64_t seed) {
    fuzz::Source source(seed);
    do {
      head = fuzz::make_head(source);
    } while (head.count() < 300);
    pose = fuzz::make_pose(source, head, false);
    camera = fuzz::make_camera(source, false);
    camera.width = 150;
    camera.height = 130;
  }

  std::vector<unsigned char> picture(Avatar& avatar) const {
    std::vector<unsigned char> pixels(static_cast<std::size_t>(3 * camera.width * camera.height));
    const float background[3] = {0.1f, 0.5f, 0.9f};
    StageTimes times;
    avatar.render(pose.view(), camera, background, PixelFormat::rgb8, Quality::exact,
                  pixels.data(), times);
    return pixels;
  }
  std::vector<unsigned char> picture(int threads) const {
    return picture(*head.avatar(threads));
  }
};

// f(caller) on several threads at once; a failure of any is thrown here.
template <class F>
void at_once(const F& f) {
  std::vector<std::thread> callers;
  std::exception_ptr failures[kCallers] = {};
  for (int k = 0; k < kCallers; ++k) {
    callers.emplace_back([&f, &failures, k] {
      try {
        f(k);
      } catch (...) {
        failures[k] = std::current_exception();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

void several_avatars() {
  at_once([](int caller) {
    const Sitter sitter(static_cast<std::uint64_t>(caller));
    const auto expected = sitter.picture(1);
    const auto avatar = sitter.head.avatar(2 + caller);
    for (int frame = 0; frame < 10; ++frame) {
      require(sitter.picture(*avatar) == expected, "a neighbour changed an avatar's picture");
    }
  });
}

void children() {
  if (kChildren == 0) std::printf("skipped: forking under the address sanitizer\n");
  const Sitter sitter(7);
  const auto expected = sitter.picture(1);
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  for (int k = 0; k < 2; ++k) {
    others.emplace_back([&] {
      const auto avatar = sitter.head.avatar(3);
      while (!done) sitter.picture(*avatar);
    });
  }
  bool all = true;
  for (int k = 0; k < kChildren; ++k) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(30);
      _exit(sitter.picture(kChildThreads) == expected ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    all = all && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  done = true;
  for (std::thread& other : others) other.join();
  require(all, "a forked child drew another picture, or hung");
}

struct Thrown : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void exceptions() {
  at_once([](int) {
    for (int round = 0; round < 200; ++round) {
      std::atomic<int> ran{0};
      bool thrown = false;
      try {
        cpu::parallel(
            3, 50,
            [](void* counter, int item, int) {
              if (item == 7) throw Thrown("item 7");
              ++*static_cast<std::atomic<int>*>(counter);
            },
            &ran);
      } catch (const Thrown&) {
        thrown = true;
      }
      require(thrown && ran < 50, "an exception did not reach its caller");
    }
  });
}

std::atomic<int> tiles_left{0};

void a_stage_that_throws() {
  const Backend real = backend();
  static const auto real_blend = real.stages->blend;
  static Stages broken;
  broken = *real.stages;
  broken.blend = [](const BlendArgs& args, int tile, Scratch& scratch) {
    if (--tiles_left == 0) throw Thrown("a tile");
    real_blend(args, tile, scratch);
  };
  const Sitter sitter(9);
  const auto expected = sitter.picture(1);
  const auto avatar = sitter.head.avatar(3);
  for (int tile = 1; tile < 20; ++tile) {
    set_backend({&broken, real.parallel});
    tiles_left = tile;
    bool thrown = false;
    try {
      sitter.picture(*avatar);
    } catch (const Thrown&) {
      thrown = true;
    }
    set_backend(real);
    require(thrown, "a stage's exception was lost");
    require(sitter.picture(*avatar) == expected, "an avatar did not recover from an exception");
  }
}

void more_threads_than_cores() {
  const Sitter sitter(11);
  const auto expected = sitter.picture(1);
  for (const int threads : {9, 40, 300}) {
    require(sitter.picture(threads) == expected, "many threads drew another picture");
    std::vector<int> seen(1000);
    cpu::parallel(
        threads, 1000,
        [](void* counts, int item, int) { ++(*static_cast<std::vector<int>*>(counts))[item]; },
        &seen);
    require(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }),
            "an item ran twice or not at all");
  }
}

}  // namespace

int main() {
  const struct {
    const char* name;
    void (*run)();
  } tests[] = {
      {"several avatars at once", &several_avatars},
      {"children forked amid frames", &children},
      {"exceptions from work", &exceptions},
      {"a stage that throws", &a_stage_that_throws},
      {"more threads than cores", &more_threads_than_cores},
  };
  set_backend(cpu::backend());
  alarm(300);  // a pool that hangs must not hang its test
  for (const auto& test : tests) {
    try {
      test.run();
      std::printf("%s: %s\n", backend().stages->isa, test.name);
      std::fflush(stdout);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", test.name, error.what());
      return 1;
    }
  }
  return 0;
}
