#include "cuda/runtime.h"

namespace avatar_rt::cuda {

void check(cudaError_t status, const char* doing) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // so that the next call does not report it again
  const std::string words = std::string("CUDA: ") + doing + " failed: " +
                            cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")";
  if (status == cudaErrorMemoryAllocation) throw DeviceMemoryError(words);
  throw DeviceError(words);
}

OnDevice::OnDevice(int device) {
  check(cudaGetDevice(&before_), "asking for the device");
  if (before_ != device) check(cudaSetDevice(device), "choosing the device");
}
OnDevice::~OnDevice() {
  int now = before_;
  if (cudaGetDevice(&now) == cudaSuccess && now != before_) cudaSetDevice(before_);
}

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  return Stream(stream);
}

Event make_event(bool timed) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming),
        "making an event");
  return Event(event);
}

}  // namespace avatar_rt::cuda
