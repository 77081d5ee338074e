// What every call of the runtime passes: one lock, the failures that a test may ask for, and the
// thread's last error.
#pragma once

#include <mutex>

#include "emulated/errors.h"

namespace emulated {

std::recursive_mutex& device_lock();
cudaError_t made_up_failure();      // what this call must fail with, or cudaSuccess
cudaError_t count_a_launch();       // of a kernel or a graph: may be the one that breaks the device
cudaError_t remember(cudaError_t);  // as the thread's last error, unless it is none

template <class Work>
cudaError_t call(Work work) {
  const std::lock_guard lock(device_lock());
  const cudaError_t failure = made_up_failure();
  return remember(failure != cudaSuccess ? failure : static_cast<cudaError_t>(work()));
}

}  // namespace emulated
