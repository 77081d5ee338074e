// The CUDA backend: whether it works here, and avatars that it draws.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/animator.h"
#include "core/renderer.h"
#include "core/splat.h"

namespace avatar_rt::cuda {

struct Device {
  int number;
  std::string name;
  int major, minor;                // compute capability
  std::size_t memory_free, memory_total;  // bytes
};

// "available", or why no device can be used: the driver is missing or too old, there is no device,
// none that this was compiled for.
std::string status();

// Those that can be used; empty where status() is not "available".
std::vector<Device> devices();

// Drawn by a device. Raises DeviceError where that fails, memory's end included.
std::unique_ptr<Avatar> make_avatar(std::shared_ptr<const PackedAvatar> packed, int device);

// One avatar among others that are drawn together.
struct Sitting {
  Avatar* avatar;
  PoseView pose;
  Shot* shot;
  Quality quality;
};
// Draws them all in one launch, by the first one's memory. The same bits as one by one. Raises
// std::invalid_argument where they are not all made by make_avatar() for one device.
void render_together(const std::vector<Sitting>& sittings, PixelFormat format);

// Memory of a device's.
std::shared_ptr<void> memory_on(int device, std::size_t bytes);
// `from` may be null: zeros.
void copy_to(int device, void* to, const void* from, std::size_t bytes);
// Once the device has done all that it was given.
void copy_from(int device, void* to, const void* from, std::size_t bytes);
// Which device's memory that is; -1 where it is none's.
int device_of(const void* data);

// A batch of views of plain arrays, drawn, and what their gradients need.
class Splats {
 public:
  virtual ~Splats() = default;
  virtual const std::vector<std::int64_t>& skipped() const = 0;  // per view
  // As avatar_rt::splat_backward, for at least one view. All arrays are the device's, but background's and viewmats'
  // gradients, for which it waits.
  virtual void backward(const float* images, const float* alphas, const float* image_gradients,
                        const float* alpha_gradients, const SplatGradients& out) = 0;
};
// As avatar_rt::splat. All arrays but cameras and background are the device's, and stay as they are
// until the gradients are taken; `stream` (a cudaStream_t) is where they are ready and where all work
// is put.
std::unique_ptr<Splats> splat(const SplatBatch& batch, int device, void* stream, float* images,
                              float* alphas);

// avatar_rt::Animator on a device. Coefficients, joints' rotations, translation and triangles are the
// processor's, as are the gradients of the first three, for which backward() waits; all other arrays
// are the device's. `stream` (a cudaStream_t) is where they are ready and where all work is put.
class DeviceAnimator {
 public:
  virtual ~DeviceAnimator() = default;
  virtual void forward(const AnimationView& view, const AnimationOutput& out, void* stream) = 0;
  // Raises std::invalid_argument where a vertex of view.vertices is not finite.
  virtual void backward(const AnimationView& view, const AnimationGradient& gradient,
                        const AnimationInputGradient& out, void* stream) = 0;
};
// Copies the head.
std::unique_ptr<DeviceAnimator> make_animator(const HeadView& head, int device);

// Has a stream (a cudaStream_t; null is the default one) wait until a picture is drawn.
void let_wait(const DevicePicture& picture, void* stream);
// Waits for it, and copies its bytes into memory of the processor's.
void read_back(const DevicePicture& picture, void* pixels, std::size_t bytes);

}  // namespace avatar_rt::cuda
