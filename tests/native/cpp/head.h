// Made-up heads with Gaussians on them, and poses for them, from friendly to hostile.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/renderer.h"
#include "core/views.h"
#include "source.h"

namespace avatar_rt::fuzz {

// An avatar's arrays within the contract of csrc/core/renderer.h: csrc/bind checks that the head is
// finite, that indices are in range and that triangles ascend; of the Gaussians it checks nothing.
struct MadeHead {
  std::vector<float> vertices, basis, joints, weights, correctives;
  std::vector<std::int32_t> faces, parents;
  std::vector<std::int32_t> triangles;
  std::vector<float> barycentric, offsets, quats, scales, opacities, colors;
  int sh_count = 1;
  Frame frame = Frame::affine;

  int vertex_count() const { return static_cast<int>(vertices.size() / 3); }
  int joint_count() const { return static_cast<int>(parents.size()); }
  int expression_count() const { return static_cast<int>(basis.size() / vertices.size()); }
  std::size_t count() const { return triangles.size(); }
  HeadView head() const;
  BoundView bound() const;
  std::unique_ptr<Avatar> avatar(int threads) const;  // drawn by the processor
};

struct MadePose {
  std::vector<float> coefficients, rotations, translation;
  PoseView view() const {
    return {coefficients.data(), rotations.data(), translation.data()};
  }
};

MadeHead make_head(Source& source, Manner manner = Manner::any);
MadePose make_pose(Source& source, const MadeHead& head, bool hostile);

}  // namespace avatar_rt::fuzz
