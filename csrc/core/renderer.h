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

// One head with the Gaussians bound to it. Copies what it is given.
class Avatar {
 public:
  Avatar(const HeadView& head, const BoundView& gaussians, int threads);
  ~Avatar();
  Avatar(const Avatar&) = delete;
  Avatar& operator=(const Avatar&) = delete;

  void vertices(const PoseView& pose, float* out);                      // (V, 3)
  void gaussians(const PoseView& pose, float* means, float* covars);    // (N, 3), (N, 6)
  // pixels as PixelFormat says; background (3,) is laid under rgb8 and i420 only. Returns how many
  // Gaussians were skipped as not finite.
  std::int64_t render(const PoseView& pose, const CameraView& camera, const float* background,
                      PixelFormat format, Quality quality, void* pixels, StageTimes& times);

  int vertex_count() const;
  int expression_count() const;
  int joint_count() const;
  std::int64_t gaussian_count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace avatar_rt
