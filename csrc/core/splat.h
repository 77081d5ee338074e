// Splatting a batch of views, and the way back: the functions behind _core.splat and
// _core.splat_backward, free of Python.
#pragma once

#include <array>
#include <cstdint>

#include "core/buffer.h"
#include "core/canvas.h"
#include "core/splat_args.h"
#include "core/views.h"

namespace avatar_rt {

// An array that all views share, or of which each has its own.
template <class T>
struct PerView {
  T* data = nullptr;
  std::size_t step = 0;            // elements from one view to the next; 0: shared

  T* of(int view) const {
    return data == nullptr ? nullptr : data + static_cast<std::size_t>(view) * step;
  }
};

struct SplatBatch {
  std::int64_t count = 0;          // Gaussians
  int views = 0;
  const CameraView* cameras = nullptr;  // one per view, all of one size
  PerView<const float> means, quats, scales, covars, opacities;  // as GaussianView
  PerView<const float> colors;     // (N, C), or harmonics (N, K, 3)
  int channels = 0;                // C; 3 for harmonics
  int sh_count = 0;                // harmonics in use, 1, 4, 9 or 16; 0: plain colours
  int sh_stored = 0;               // K ≥ sh_count
  const float* background = nullptr;  // (C,), or null
  Quality quality = Quality::exact;
  int threads = 1;
};

// images (B, H, W, C), alphas (B, H, W), and per view how many Gaussians were skipped.
void splat(const SplatBatch& batch, float* images, float* alphas, std::int64_t* skipped);

struct SplatGradients {            // out; all zero at first
  PerView<float> means, quats, scales, covars, opacities, colors;
  double* background = nullptr;    // (C,), or null
  double* viewmats = nullptr;      // (B, 4, 4)
  float* means2d = nullptr;        // (B, N, 2) pixels
  float* radii = nullptr;          // (B, N) pixels
  std::int64_t* skipped = nullptr; // (B,)
};

// images and alphas are what splat() gave for the same batch, or both null: then they are made again.
void splat_backward(const SplatBatch& batch, const float* images, const float* alphas,
                    const float* image_gradients, const float* alpha_gradients,
                    const SplatGradients& out);

// Raises std::invalid_argument where a view's totals show that a picture or a gradient was not finite.
void require_finite_total(double total);
// Adds what kCameraSums say of a view to its viewmat's gradient (4, 4).
void add_camera(const CameraView& camera, const double* sums, bool with_eye, double* viewmat);

// One view being drawn: its memory, and what both directions do first.
class SplatView {
 public:
  // Sets the view up: its Gaussians, and their colours where they come from harmonics.
  void prepare(const SplatBatch& batch, int view, int threads);

  BlendArgs blend_args(const SplatBatch& batch, float* image, float* alpha) const;
  std::int64_t draw(const SplatBatch& batch, int view, int threads, const BlendArgs& blend,
                    const Canvas::Draw& draw);

  Canvas canvas;
  GaussianView gaussians;
  ShadeArgs shade{};

 private:
  Buffer<float> shaded_;
};

// The eye of a camera in the world: the last column of the inverse of its viewmat. inverse is that
// of the 3×3 part; both hold NaN where it has none.
struct Eye {
  double inverse[9], place[3];
};
Eye eye_of(const CameraView& camera);

}  // namespace avatar_rt
