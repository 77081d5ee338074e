#include "core/skeleton.h"

#include <array>
#include <cmath>

namespace avatar_rt {
namespace {

// Rodrigues' formula; R row-major.
std::array<double, 9> rotation_of(const float* axis_angle) {
  const double x = axis_angle[0], y = axis_angle[1], z = axis_angle[2];
  const double angle = std::sqrt(x * x + y * y + z * z);
  // sin(t)/t and (1 - cos t)/t², by their limits near zero
  const double a = angle < 1e-6 ? 1.0 : std::sin(angle) / angle;
  const double half = angle < 1e-6 ? 0.5 : std::sin(angle / 2) / angle;
  const double b = angle < 1e-6 ? 0.5 : 2 * half * half;
  return {1 - b * (y * y + z * z), b * x * y - a * z,       b * x * z + a * y,
          b * x * y + a * z,       1 - b * (x * x + z * z), b * y * z - a * x,
          b * x * z - a * y,       b * y * z + a * x,       1 - b * (x * x + y * y)};
}

}  // namespace

Skeleton::Skeleton(const float* joints, const std::int32_t* parents, int count)
    : joints_(joints, joints + 3 * count), parents_(parents, parents + count) {}

void Skeleton::pose(const float* joint_rotations, const float* translation, float* matrices,
                    float* correctives) const {
  struct Place {
    std::array<double, 9> R;
    std::array<double, 3> t;
  };
  std::vector<Place> world(parents_.size());
  for (std::size_t j = 0; j < parents_.size(); ++j) {
    const std::array<double, 9> R = rotation_of(joint_rotations + 3 * j);
    if (j > 0) {
      for (std::size_t k = 0; k < 9; ++k) {
        correctives[9 * (j - 1) + k] = static_cast<float>(R[k] - (k % 4 == 0 ? 1.0 : 0.0));
      }
    }
    const double* own = &joints_[3 * j];
    if (parents_[j] < 0) {
      world[j] = {R, {own[0], own[1], own[2]}};
    } else {
      const auto p = static_cast<std::size_t>(parents_[j]);
      const Place& parent = world[p];
      for (std::size_t r = 0; r < 3; ++r) {
        world[j].t[r] = parent.t[r];
        for (std::size_t k = 0; k < 3; ++k) {
          world[j].t[r] += parent.R[3 * r + k] * (own[k] - joints_[3 * p + k]);
        }
        for (std::size_t c = 0; c < 3; ++c) {
          double sum = 0;
          for (std::size_t k = 0; k < 3; ++k) sum += parent.R[3 * r + k] * R[3 * k + c];
          world[j].R[3 * r + c] = sum;
        }
      }
    }
    for (std::size_t r = 0; r < 3; ++r) {
      double offset = world[j].t[r] + translation[r];
      for (std::size_t k = 0; k < 3; ++k) {
        matrices[12 * j + 4 * r + k] = static_cast<float>(world[j].R[3 * r + k]);
        offset -= world[j].R[3 * r + k] * own[k];
      }
      matrices[12 * j + 4 * r + 3] = static_cast<float>(offset);
    }
  }
}

}  // namespace avatar_rt
