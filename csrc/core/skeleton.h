// Joints: from their rotations to skinning matrices and the weights of pose correctives.
#pragma once

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

  int count() const { return static_cast<int>(parents_.size()); }

 private:
  std::vector<double> joints_;
  std::vector<std::int32_t> parents_;
};

}  // namespace avatar_rt
