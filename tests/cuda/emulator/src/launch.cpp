// A kernel's launch: its shape is checked as CUDA does, and its blocks are run in shuffled order.
#include "emulated/launch.h"

#include <cstdlib>

#include "block.h"
#include "gate.h"
#include "launches.h"
#include "races.h"
#include "report.h"
#include "stream.h"

namespace emulated {
namespace {

std::uint64_t launched = 0;

std::uint64_t seed() {
  const char* given = std::getenv("AVATAR_RT_EMULATED_SEED");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
}

bool allowed(dim3 grid, dim3 block) {
  const auto threads = std::uint64_t(block.x) * block.y * block.z;
  return grid.x > 0 && grid.x <= 0x7fffffffu && grid.y > 0 && grid.y <= 65535u && grid.z > 0 &&
         grid.z <= 65535u && block.x <= 1024u && block.y <= 1024u && block.z <= 64u &&
         threads > 0 && threads <= 1024u;
}

void run(const Kernel& kernel, dim3 grid, dim3 shape) {
  if (block().running()) fail("a kernel was launched from within a kernel");
  Seed numbers(seed() * 0x9e3779b97f4a7c15u + ++launched);
  std::vector<std::uint64_t> order(std::uint64_t(grid.x) * grid.y * grid.z);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  numbers.shuffle(order);
  standing.blocks = grid;
  block().start(kernel, shape, numbers.next());
  races::launch_starts();
  for (const std::uint64_t i : order) {
    block().run({static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                 static_cast<unsigned>(i / (std::uint64_t(grid.x) * grid.y))});
  }
  races::launch_ends();
}

}  // namespace

std::uint64_t launches_so_far() { return launched; }

cudaError_t launch(const cudaLaunchConfig_t& config, Kernel kernel) {
  return call([&] {
    if (config.dynamicSmemBytes != 0) return cudaErrorNotSupported;  // nobody here has asked for it
    if (!allowed(config.gridDim, config.blockDim)) return cudaErrorInvalidConfiguration;
    return submit(config.stream, cudaGraphNodeTypeKernel,
                  [kernel = std::move(kernel), grid = config.gridDim, shape = config.blockDim] {
                    run(kernel, grid, shape);
                  });
  });
}

cudaError_t function_attributes(cudaFuncAttributes* attributes) {
  return call([&] {
    *attributes = {.sharedSizeBytes = 0, .constSizeBytes = 0, .localSizeBytes = 0,
                   .maxThreadsPerBlock = 1024, .numRegs = 32, .ptxVersion = 90,
                   .binaryVersion = 90};
    return cudaSuccess;
  });
}

}  // namespace emulated
