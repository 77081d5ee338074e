// What the CUDA backend answers in a build that has none.
#ifndef AVATAR_RT_WITH_CUDA
#include "core/errors.h"
#include "cuda/register.h"

namespace avatar_rt::cuda {

std::string status() { return AVATAR_RT_CUDA_STATUS; }

std::vector<Device> devices() { return {}; }

std::unique_ptr<Avatar> make_avatar(std::shared_ptr<const PackedAvatar>, int) {
  throw DeviceError(status());
}

std::shared_ptr<void> memory_on(int, std::size_t) { throw DeviceError(status()); }
std::unique_ptr<DeviceAnimator> make_animator(const HeadView&, int) {
  throw DeviceError(status());
}
std::unique_ptr<Splats> splat(const SplatBatch&, int, void*, float*, float*) {
  throw DeviceError(status());
}

// no device's memory reaches the others, since there is none
void render_together(const std::vector<Sitting>&, PixelFormat) { throw DeviceError(status()); }
void copy_to(int, void*, const void*, std::size_t) { throw DeviceError(status()); }
void copy_from(int, void*, const void*, std::size_t) { throw DeviceError(status()); }
int device_of(const void*) { return -1; }
void let_wait(const DevicePicture&, void*) { throw DeviceError(status()); }

void read_back(const DevicePicture&, void*, std::size_t) { throw DeviceError(status()); }

}  // namespace avatar_rt::cuda
#endif
