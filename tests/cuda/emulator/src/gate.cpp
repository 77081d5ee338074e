#include "gate.h"

#include <cstdlib>
#include <string>
#include <string_view>

namespace emulated {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

// AVATAR_RT_EMULATED_FAIL_AFTER: so many launches go well; the next one breaks the device. A real one
// stays broken until the process ends, this one until the variable is gone.
struct Breakage {
  std::string asked;
  long left = 0;
  bool broken = false;

  void look() {
    const std::string_view now = variable("AVATAR_RT_EMULATED_FAIL_AFTER");
    if (now == asked) return;
    asked = now;
    left = std::strtol(asked.c_str(), nullptr, 10);
    broken = false;
  }
} breakage;

thread_local cudaError_t last_error = cudaSuccess;

}  // namespace

std::recursive_mutex& device_lock() {
  static auto* lock = new std::recursive_mutex;  // never destroyed: calls may come at exit
  return *lock;
}

cudaError_t made_up_failure() {
  const std::string_view driver = variable("AVATAR_RT_EMULATED_DRIVER");
  if (driver == "old" || driver == "none") return cudaErrorInsufficientDriver;
  if (variable("AVATAR_RT_EMULATED_DEVICES") == "0") return cudaErrorNoDevice;
  breakage.look();
  return breakage.broken ? cudaErrorIllegalAddress : cudaSuccess;
}

cudaError_t count_a_launch() {
  breakage.look();
  if (breakage.asked.empty() || breakage.left-- > 0) return cudaSuccess;
  breakage.broken = true;
  return cudaErrorIllegalAddress;
}

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

}  // namespace emulated

using namespace emulated;

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard lock(device_lock());
  const cudaError_t failure = made_up_failure();
  return failure != cudaSuccess ? failure : last_error;
}
