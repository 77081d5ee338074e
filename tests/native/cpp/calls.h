// Calls of an Animator: poses, Gaussians and gradients of what they yield.
#pragma once

#include <cstdint>
#include <vector>

#include "core/animator.h"
#include "head.h"

namespace avatar_rt::fuzz {

// csrc/bind checks that poses and vertices are finite and that triangles are in range; of the
// Gaussians and of the gradients it checks nothing.
struct Call {
  int batch = 0;
  std::vector<float> coefficients, rotations, translation;
  std::vector<float> vertices;     // may be empty
  Frame frame = Frame::affine;
  std::vector<std::int32_t> triangles;
  std::vector<float> barycentric, offsets, quats, scales;
  bool gives_means = true, gives_covars = true, gives_vertices = true;
  std::vector<float> of_means, of_covars, of_vertices;

  std::size_t count() const { return triangles.size(); }
  AnimationView view() const;
  AnimationGradient gradient() const;
  // Whether every number of Gaussian i that is used is finite: the first weight is not.
  bool finite(std::size_t i) const;
  bool all_finite() const;
  // The call where sound Gaussians, whose gradients are zero, stand for those that are not finite.
  Call without_broken() const;
  // Zeros instead of what is not given.
  void give_zeros(std::size_t vertex_count);
};

Call make_call(Source& source, const MadeHead& head, bool friendly);

}  // namespace avatar_rt::fuzz
