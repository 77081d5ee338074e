// A view of an avatar in the making: the memory that drawing takes beside the avatar itself.
#pragma once

#include <cstdint>

#include "core/buffer.h"
#include "core/canvas.h"
#include "core/pack.h"
#include "core/views.h"

namespace avatar_rt {

// An avatar's vertices in one pose.
class Face {
 public:
  void pose(const PackedAvatar& avatar, const PoseView& pose, int threads);
  const float* axis(int c) const { return axes_[c].data(); }  // x, y or z of all vertices

 private:
  Buffer<float> coefficients_, matrices_, axes_[3];
};

// Draws faces of one avatar, one at a time.
class View {
 public:
  // Places the triangles that carry Gaussians before a camera.
  void place(const PackedAvatar& avatar, const Face& face, const Rigid& camera, int threads);
  // The Gaussians on the triangles as placed: (N, 3) and (N, 6).
  void gaussians(const PackedAvatar& avatar, int threads, float* means, float* covars) const;
  // shot.pixels from the triangles as placed; adds to shot.times.
  void draw(const PackedAvatar& avatar, Shot& shot, PixelFormat format, Quality quality,
            int threads);

  Face face;  // for whoever draws each view in a pose of its own

 private:
  std::size_t frame_stride_ = 0;
  Buffer<float> frames_, shaded_;
  Canvas canvas_;
};

}  // namespace avatar_rt
