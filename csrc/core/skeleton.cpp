#include "core/skeleton.h"

#include <algorithm>

#include "math/skin.h"

namespace avatar_rt {
namespace {

using Matrix = double[9];

void turn(const float* axis_angle, Matrix& out) {
  const double v[3] = {axis_angle[0], axis_angle[1], axis_angle[2]};
  scalar::turn_matrix(v, out);
}

// out += A·B, A·Bᵀ and Aᵀ·B.
void add_product(const Matrix& A, const Matrix& B, Matrix& out) {
  for (int r = 0; r < 9; ++r) {
    for (int k = 0; k < 3; ++k) out[r] += A[r / 3 * 3 + k] * B[3 * k + r % 3];
  }
}
void add_product_transposed(const Matrix& A, const Matrix& B, Matrix& out) {
  for (int r = 0; r < 9; ++r) {
    for (int k = 0; k < 3; ++k) out[r] += A[r / 3 * 3 + k] * B[r % 3 * 3 + k];
  }
}
void add_transposed_product(const Matrix& A, const Matrix& B, Matrix& out) {
  for (int r = 0; r < 9; ++r) {
    for (int k = 0; k < 3; ++k) out[r] += A[3 * k + r / 3] * B[3 * k + r % 3];
  }
}

}  // namespace

Skeleton::Skeleton(const float* joints, const std::int32_t* parents, int count)
    : joints_(joints, joints + 3 * count), parents_(parents, parents + count) {}

void Skeleton::from_parent(std::size_t joint, double (&out)[3]) const {
  for (std::size_t k = 0; k < 3; ++k) {
    out[k] = joints_[3 * joint + k];
    if (parents_[joint] >= 0) out[k] -= joints_[3 * static_cast<std::size_t>(parents_[joint]) + k];
  }
}

std::vector<Skeleton::Place> Skeleton::places(const float* joint_rotations) const {
  std::vector<Place> world(parents_.size());
  for (std::size_t j = 0; j < world.size(); ++j) {
    Place& here = world[j];
    turn(joint_rotations + 3 * j, here.own);
    from_parent(j, here.t);
    if (parents_[j] < 0) {
      std::copy_n(here.own, 9, here.R);
      continue;
    }
    const Place& parent = world[static_cast<std::size_t>(parents_[j])];
    add_product(parent.R, here.own, here.R);
    double moved[3];
    for (int r = 0; r < 3; ++r) {
      moved[r] = parent.t[r];
      for (int k = 0; k < 3; ++k) moved[r] += parent.R[3 * r + k] * here.t[k];
    }
    std::copy_n(moved, 3, here.t);
  }
  return world;
}

void Skeleton::pose(const float* joint_rotations, const float* translation, float* matrices,
                    float* correctives) const {
  const std::vector<Place> world = places(joint_rotations);
  for (std::size_t j = 0; j < world.size(); ++j) {
    for (std::size_t k = 0; j > 0 && k < 9; ++k) {
      correctives[9 * (j - 1) + k] = static_cast<float>(world[j].own[k] - (k % 4 == 0 ? 1.0 : 0.0));
    }
    for (std::size_t r = 0; r < 3; ++r) {
      double offset = world[j].t[r] + translation[r];
      for (std::size_t k = 0; k < 3; ++k) {
        matrices[12 * j + 4 * r + k] = static_cast<float>(world[j].R[3 * r + k]);
        offset -= world[j].R[3 * r + k] * joints_[3 * j + k];
      }
      matrices[12 * j + 4 * r + 3] = static_cast<float>(offset);
    }
  }
}

void Skeleton::pose(const PoseView& pose_, std::size_t expressions, float* coefficients,
                    float* matrices) const {
  std::copy_n(pose_.coefficients, expressions, coefficients);
  pose(pose_.joint_rotations, pose_.translation, matrices, coefficients + expressions);
}

void Skeleton::adjoint(const float* joint_rotations, const double* matrices,
                       const double* correctives, float* rotation_gradient,
                       float* translation_gradient) const {
  const std::vector<Place> world = places(joint_rotations);
  std::vector<Place> gradient(world.size());  // zero
  double moved[3] = {};
  for (std::size_t j = 0; j < world.size(); ++j) {
    for (std::size_t r = 0; r < 3; ++r) {
      const double offset = matrices[12 * j + 4 * r + 3];
      gradient[j].t[r] = offset;
      moved[r] += offset;
      for (std::size_t k = 0; k < 3; ++k) {
        gradient[j].R[3 * r + k] = matrices[12 * j + 4 * r + k] - offset * joints_[3 * j + k];
      }
    }
  }
  for (std::size_t j = world.size(); j-- > 0;) {  // children first
    Place& own = gradient[j];
    if (parents_[j] < 0) {
      std::copy_n(own.R, 9, own.own);
    } else {
      const auto p = static_cast<std::size_t>(parents_[j]);
      Place& parent = gradient[p];
      double bone[3];
      from_parent(j, bone);
      add_product_transposed(own.R, world[j].own, parent.R);
      for (int r = 0; r < 3; ++r) {
        parent.t[r] += own.t[r];
        for (int k = 0; k < 3; ++k) parent.R[3 * r + k] += own.t[r] * bone[k];
      }
      add_transposed_product(world[p].R, own.R, own.own);
    }
    for (std::size_t k = 0; j > 0 && k < 9; ++k) own.own[k] += correctives[9 * (j - 1) + k];
    const double v[3] = {joint_rotations[3 * j], joint_rotations[3 * j + 1],
                         joint_rotations[3 * j + 2]};
    double out[3];
    scalar::turn_adjoint(v, own.own, out);
    for (std::size_t k = 0; k < 3; ++k) rotation_gradient[3 * j + k] = static_cast<float>(out[k]);
  }
  for (int k = 0; k < 3; ++k) translation_gradient[k] = static_cast<float>(moved[k]);
}

}  // namespace avatar_rt
