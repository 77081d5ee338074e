// Plain views of the caller's arrays: what the stages read and write. They own nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace avatar_rt {

// After `exact`, kinds of `fast`, each more in haste than the one before: how much haste an avatar
// stands is measured when it is made (canvas.cpp has the rules, docs/renderer.md says what for).
enum class Quality { exact, fast, faster, hasty, hastiest };
inline constexpr int kHastes = 4;
enum class PixelFormat { rgb8, rgba8, i420, nv12, float32 };

// Whether two by two pixels share a colour, so that sizes must be even.
constexpr bool halves_chroma(PixelFormat format) {
  return format == PixelFormat::i420 || format == PixelFormat::nv12;
}

// Whether a background is laid under the picture.
constexpr bool is_opaque(PixelFormat format) {
  return format == PixelFormat::rgb8 || halves_chroma(format);
}

enum class Frame { affine, similarity };

struct CameraView {
  double viewmat[16];      // world → camera, row-major
  double fx, fy, cx, cy;   // pixels; pixel centres at half integers
  int width, height;
};

struct GaussianView {
  std::int64_t count = 0;
  const float* means = nullptr;      // (N, 3)
  const float* quats = nullptr;      // (N, 4) wxyz, with scales; or null
  const float* scales = nullptr;     // (N, 3)
  const float* covars = nullptr;     // (N, 6) xx xy xz yy yz zz; or null
  const float* opacities = nullptr;  // (N,)
  const float* colors = nullptr;     // (N, C); null for the colour adjoint
  int channels = 0;                  // C
};

struct HeadView {
  int vertex_count, face_count, expression_count, joint_count, corrective_count;
  const float* vertices;           // (V, 3)
  const std::int32_t* faces;       // (F, 3)
  const float* expression_basis;   // (E, V, 3)
  const float* joints;             // (J, 3)
  const std::int32_t* parents;     // (J,), -1 or an earlier joint
  const float* weights;            // (V, J)
  const float* pose_correctives;   // (P, V, 3), P = 0 or 9 (J - 1)
};

struct BoundView {                 // Gaussians in the frames of triangles
  std::int64_t count;
  Frame frame;
  const std::int32_t* triangles;   // (N,), ascending
  const float* barycentric;        // (N, 3)
  const float* offsets;            // (N, 3)
  const float* quats;              // (N, 4)
  const float* scales;             // (N, 3)
  const float* opacities;          // (N,)
  const float* colors;             // (N, K, 3); K = 1 holds plain colours
  int sh_count;                    // K: 1, 4, 9 or 16
};

struct PoseView {
  const float* coefficients;       // (E,)
  const float* joint_rotations;    // (J, 3) axis-angle
  const float* translation;        // (3,)
};

struct StageTimes {                // seconds
  double animate = 0, project = 0, blend = 0;
};

struct Shot {                      // one picture of an avatar
  CameraView camera;
  const float* background;         // (3,), laid under opaque formats only
  void* pixels;                    // out, as PixelFormat says
  StageTimes times;                // out
  std::int64_t skipped;            // out: Gaussians left out as not finite
};

}  // namespace avatar_rt
