// Scenes of plain Gaussians, from friendly to hostile: what rasterize and its adjoint are fed.
#pragma once

#include <vector>

#include "core/views.h"
#include "source.h"

namespace avatar_rt::fuzz {

// Whether a mean is surely before the camera: its depth is neither near the near plane nor rounded.
bool in_front(const CameraView& camera, const float* mean);

struct Scene {
  std::vector<float> means, quats, scales, covars, opacities, colors, background;
  int channels = 3;
  bool by_covariance = false;
  CameraView camera{};

  std::size_t count() const { return opacities.size(); }
  std::size_t pixels() const {
    return static_cast<std::size_t>(camera.width) * static_cast<std::size_t>(camera.height);
  }
  GaussianView view() const;
  // Whether every number of Gaussian i is finite.
  bool finite(std::size_t i) const;
  bool in_front(std::size_t i) const { return fuzz::in_front(camera, &means[3 * i]); }
  // Whether no number comes near the limits of float arithmetic.
  bool modest() const;
  // The scene where every Gaussian with a number that is not finite is an invisible one. They keep
  // their places: Gaussians of the very same depth are blended in an order that depends on those.
  Scene without_broken() const;
};

// Within the contract of csrc/core/renderer.h: csrc/bind lets no infinite camera through.
CameraView make_camera(Source& source, bool hostile);
Scene make_scene(Source& source, Manner manner = Manner::any);

}  // namespace avatar_rt::fuzz
