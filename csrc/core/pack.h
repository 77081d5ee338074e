// An avatar's arrays in the layout that the stages read: by packs of 16, without what is zero.
#pragma once

#include <cstdint>

#include "core/backend.h"
#include "core/buffer.h"
#include "core/skeleton.h"
#include "core/views.h"

namespace avatar_rt {

// Expression and corrective deltas and skinning weights. A delta is kept for each pack of vertices
// that it moves, as 16-bit integers of a scale of its own; where those would be off by more than
// 2.5e-7 m, a second delta of the same coefficient holds what is left.
struct PackedHead {
  explicit PackedHead(const HeadView& head);

  int packs;
  Buffer<float> rest;                     // 48 a pack
  Buffer<std::uint32_t> delta_begin, delta_source;
  Buffer<float> delta_scale;
  Buffer<std::int16_t> deltas;            // 48 a delta
  Buffer<std::uint32_t> influence_begin, influence_joint;
  Buffer<float> influence_weight;         // 16 an influence
};

// The Gaussians and the corners of those triangles that hold any, numbered anew. One with a number
// that is not finite keeps none of them but an opacity of NaN, so that it is skipped and counted.
struct PackedGaussians {
  PackedGaussians(const HeadView& head, const BoundView& bound);

  int triangle_packs;
  Buffer<std::int32_t> corners[3];
  Buffer<float> fields;                   // kRigFields × 16 a pack
  Buffer<float> colors;                   // (N, 4); empty where there are spherical harmonics
  Buffer<float> sh;                       // sh_count × 3 × 16 a pack
};

// What an avatar is. Nothing of it changes once it is made, so any number of views may read one.
struct PackedAvatar {
  PackedAvatar(const HeadView& head_, const BoundView& bound)
      : vertex_count(head_.vertex_count),
        expression_count(head_.expression_count),
        gaussian_count(bound.count),
        similarity(bound.frame == Frame::similarity),
        sh_count(bound.sh_count),
        skeleton(head_.joints, head_.parents, head_.joint_count),
        head(head_),
        gaussians(head_, bound) {}

  int vertex_count, expression_count;
  std::int64_t gaussian_count;
  bool similarity;                        // how triangles carry Gaussians; else affine
  int sh_count;                           // 1 where colours are plain
  Skeleton skeleton;
  PackedHead head;
  PackedGaussians gaussians;
};

}  // namespace avatar_rt
