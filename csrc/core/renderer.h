// What the native core can do, free of Python: the functions that csrc/bind hands out.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "core/views.h"

namespace avatar_rt {

// Splats `gaussians` into image (H, W, C), over `background` (C,) unless null, and alpha (H, W).
// Returns how many Gaussians were skipped because a number of theirs was not finite.
std::int64_t rasterize(const GaussianView& gaussians, const CameraView& camera,
                       const float* background, Quality quality, int threads, float* image,
                       float* alpha);

// The transpose of `rasterize` in the colours, exact quality, no background:
// color_gradient (N, C) = Σ w·g and weight_sum (N,) = Σ w over all pixels.
void rasterize_colors_adjoint(const GaussianView& gaussians, const CameraView& camera,
                              const float* image_gradient, int threads, float* color_gradient,
                              float* weight_sum);

// Nearest triangle per pixel. Returns false where `faces` names a vertex outside [0, vertex_count).
bool rasterize_mesh(const float* points, std::int64_t vertex_count, const std::int32_t* faces,
                    std::int64_t face_count, int width, int height, int threads,
                    std::int32_t* triangle, float* barycentric, float* depth);

struct PackedAvatar;

// A picture that stays on the device that draws it.
struct DevicePicture {
  std::shared_ptr<void> memory;  // keeps `data` and `drawn` alive
  void* data;                    // as PixelFormat says
  void* drawn;                   // the device's event (cudaEvent_t): behind it the picture is there
  int device;
};

// One head with the Gaussians bound to it, on the device that draws it. One caller at a time; a twin
// serves another. Raises DeviceError (core/errors.h) where the device fails; the avatar is of no more
// use then, but on_cpu() is.
class Avatar {
 public:
  virtual ~Avatar() = default;

  // The same avatar for another caller: shares what it is, and has memory of its own to draw it.
  virtual std::unique_ptr<Avatar> twin() const = 0;
  // The same avatar, drawn by the processor.
  std::unique_ptr<Avatar> on_cpu(int threads) const;

  virtual void vertices(const PoseView& pose, float* out) = 0;                    // (V, 3)
  virtual void gaussians(const PoseView& pose, float* means, float* covars) = 0;  // (N, 3), (N, 6)
  // Takes `shot_count` pictures: shot k shows poses[k], or all show the only one, which is animated
  // once (its seconds are in the first shot's). The same bits as one at a time.
  virtual void render(const PoseView* poses, int pose_count, Shot* shots, int shot_count,
                      PixelFormat format, Quality quality) = 0;
  // Memory that pictures reach soonest, for Shot::pixels; null where any will do.
  virtual std::shared_ptr<void> picture_memory(std::size_t bytes);
  // One picture that stays where it is drawn. Raises std::invalid_argument where that is the
  // processor.
  virtual DevicePicture render_on_device(const PoseView& pose, const Shot& shot,
                                         PixelFormat format, Quality quality);
  // Seconds that a picture takes of the device by its own clock, the mean of `frames` in a row.
  virtual double device_seconds(const PoseView& pose, const Shot& shot, PixelFormat format,
                                Quality quality, int frames);

  // pixels as PixelFormat says; background (3,) is laid under opaque formats only. Returns how
  // many Gaussians were skipped as not finite.
  std::int64_t render(const PoseView& pose, const CameraView& camera, const float* background,
                      PixelFormat format, Quality quality, void* pixels, StageTimes& times);

  int vertex_count() const;
  int expression_count() const;
  int joint_count() const;
  std::int64_t gaussian_count() const;
  const std::shared_ptr<const PackedAvatar>& packed() const { return packed_; }

 protected:
  explicit Avatar(std::shared_ptr<const PackedAvatar> packed) : packed_(std::move(packed)) {}

 private:
  std::shared_ptr<const PackedAvatar> packed_;
};

// Copies what it is given.
std::shared_ptr<const PackedAvatar> pack_avatar(const HeadView& head, const BoundView& gaussians);
// Drawn by the processor.
std::unique_ptr<Avatar> make_avatar(std::shared_ptr<const PackedAvatar> packed, int threads);

}  // namespace avatar_rt
