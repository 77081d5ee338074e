// Joints: from their rotations to skinning matrices and the weights of pose correctives, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/views.h"

namespace avatar_rt {

class Skeleton {
 public:
  Skeleton(const float* joints, const std::int32_t* parents, int count);

  // matrices: 3×4 row-major a joint, taking a rest position to its posed one, translation included.
  // correctives: 9 a joint but the first, the entries of R - I (SMPL, Loper et al. 2015, eq. 9).
  void pose(const float* joint_rotations, const float* translation, float* matrices,
            float* correctives) const;
  // The same of a pose, and behind its own `expressions` coefficients those of correctives: where a
  // head has none, no delta refers to them.
  void pose(const PoseView& pose, std::size_t expressions, float* coefficients,
            float* matrices) const;

  // From the gradients of matrices and correctives to those of rotations (3 a joint) and
  // translation (3).
  void adjoint(const float* joint_rotations, const double* matrices, const double* correctives,
               float* rotation_gradient, float* translation_gradient) const;

  int count() const { return static_cast<int>(parents_.size()); }

 private:
  // A joint's turn relative to its parent, and its rotation and place in the world; row-major.
  struct Place {
    double own[9], R[9], t[3];
  };

  std::vector<Place> places(const float* joint_rotations) const;
  // A joint's rest position relative to its parent's, or to the origin.
  void from_parent(std::size_t joint, double (&out)[3]) const;

  std::vector<double> joints_;
  std::vector<std::int32_t> parents_;
};

}  // namespace avatar_rt
