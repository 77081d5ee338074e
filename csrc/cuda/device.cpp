// Which devices there are, and what may be asked of a picture on one.
#include <limits>

#include "cuda/kernels.h"
#include "cuda/register.h"

namespace avatar_rt::cuda {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Those that run the kernels, at most so many, or in `reason` why there are none. Asking takes some
// memory of each device that is asked.
std::vector<Device> usable(std::string& reason, std::size_t most) {
  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found == cudaErrorInsufficientDriver) {
    int driver = 0;
    cudaDriverGetVersion(&driver);
    reason = (driver == 0 ? "no NVIDIA driver is installed"
                          : "the NVIDIA driver is too old: it knows CUDA " + version_text(driver)) +
             ("; this build needs one for CUDA " + version_text(CUDART_VERSION));
  } else if (found == cudaErrorNoDevice || (found == cudaSuccess && count == 0)) {
    reason = "the NVIDIA driver finds no device (CUDA_VISIBLE_DEVICES may hide them)";
  } else if (found != cudaSuccess) {
    reason = std::string("CUDA does not start: ") + cudaGetErrorString(found);
  }
  std::vector<Device> out;
  for (int number = 0; reason.empty() && number < count && out.size() < most; ++number) {
    cudaDeviceProp is{};
    std::size_t free = 0, total = 0;
    try {
      const OnDevice on(number);
      check(cudaGetDeviceProperties(&is, number), "asking what the device is");
      check(runs_here(), "loading the kernels");
      check(cudaMemGetInfo(&free, &total), "asking for free memory");
    } catch (const DeviceError& error) {
      if (out.empty() && number == count - 1) {
        reason = std::string(is.name) + " (compute capability " + std::to_string(is.major) + "." +
                 std::to_string(is.minor) + ") cannot be used: " + error.what();
      }
      continue;
    }
    out.push_back({number, is.name, is.major, is.minor, free, total});
  }
  cudaGetLastError();
  return out;
}

}  // namespace

std::string status() {
  std::string reason;
  usable(reason, 1);
  return reason.empty() ? "available" : reason;
}

std::vector<Device> devices() {
  std::string reason;
  return usable(reason, std::numeric_limits<std::size_t>::max());
}

std::shared_ptr<void> memory_on(int device, std::size_t bytes) {
  const OnDevice on(device);
  auto memory = std::make_shared<Memory<std::byte>>();
  memory->reserve(bytes == 0 ? 1 : bytes);
  return {memory, memory->data()};
}

void copy_to(int device, void* to, const void* from, std::size_t bytes) {
  const OnDevice on(device);
  if (bytes == 0) return;
  check(from != nullptr ? cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice)
                        : cudaMemset(to, 0, bytes),
        "copying to the device");
  check(cudaStreamSynchronize(nullptr), "copying to the device");  // other streams would not wait
}

void copy_from(int device, void* to, const void* from, std::size_t bytes) {
  const OnDevice on(device);
  check(cudaDeviceSynchronize(), "waiting for the device");
  if (bytes == 0) return;
  check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "copying from the device");
}

int device_of(const void* data) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, data), "asking whose memory an array is");
  return attributes.type == cudaMemoryTypeDevice ? attributes.device : -1;
}

void let_wait(const DevicePicture& picture, void* stream) {
  const OnDevice on(picture.device);
  check(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream),
                            static_cast<cudaEvent_t>(picture.drawn), 0),
        "waiting for a picture");
}

void read_back(const DevicePicture& picture, void* pixels, std::size_t bytes) {
  const OnDevice on(picture.device);
  check(cudaEventSynchronize(static_cast<cudaEvent_t>(picture.drawn)), "waiting for a picture");
  check(cudaMemcpy(pixels, picture.data, bytes, cudaMemcpyDeviceToHost),
        "copying a picture from the device");
}

}  // namespace avatar_rt::cuda
