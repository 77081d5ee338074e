// What the native core can do, free of Python: the functions that csrc/bind hands out.
#pragma once

#include <cstdint>
#include <memory>

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

// One head with the Gaussians bound to it. Copies what it is given. One caller at a time; a twin
// serves another.
class Avatar {
 public:
  Avatar(const HeadView& head, const BoundView& gaussians, int threads);
  ~Avatar();
  Avatar(const Avatar&) = delete;
  Avatar& operator=(const Avatar&) = delete;

  // The same avatar for another caller: shares what it is, and has memory of its own to draw it.
  std::unique_ptr<Avatar> twin() const;

  void vertices(const PoseView& pose, float* out);                      // (V, 3)
  void gaussians(const PoseView& pose, float* means, float* covars);    // (N, 3), (N, 6)
  // pixels as PixelFormat says; background (3,) is laid under rgb8 and i420 only. Returns how many
  // Gaussians were skipped as not finite.
  std::int64_t render(const PoseView& pose, const CameraView& camera, const float* background,
                      PixelFormat format, Quality quality, void* pixels, StageTimes& times);
  // Takes `shot_count` pictures: shot k shows poses[k], or all show the only one, which is animated
  // once (its seconds are in the first shot's). The same bits as one at a time.
  void render(const PoseView* poses, int pose_count, Shot* shots, int shot_count,
              PixelFormat format, Quality quality);

  int vertex_count() const;
  int expression_count() const;
  int joint_count() const;
  std::int64_t gaussian_count() const;

 private:
  struct Memory;
  Avatar(std::shared_ptr<const PackedAvatar> packed, int threads);

  std::shared_ptr<const PackedAvatar> packed_;
  std::unique_ptr<Memory> memory_;
  int threads_;
};

}  // namespace avatar_rt
