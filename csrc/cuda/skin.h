// A vertex of a packed head: its shape before joints move it, and the matrix by which they do.
#pragma once

#include "core/backend.h"
#include "math/skin.h"

namespace avatar_rt::cuda {

__device__ __forceinline__ scalar::Vec3<float> packed_rest(const SkinArgs& head, int vertex) {
  const float* rest = head.rest + 48 * (vertex / kPack) + vertex % kPack;
  return {rest[0], rest[16], rest[32]};
}

// What delta d moves that vertex by, in its own scale.
__device__ __forceinline__ scalar::Vec3<float> delta_of(const SkinArgs& head, std::uint32_t d,
                                                        int vertex) {
  const std::int16_t* delta = head.deltas + std::size_t{48} * d + vertex % kPack;
  return {static_cast<float>(delta[0]), static_cast<float>(delta[16]),
          static_cast<float>(delta[32])};
}

// `rest` with expression and pose deltas.
__device__ __forceinline__ scalar::Vec3<float> shaped(const SkinArgs& head,
                                                      scalar::Vec3<float> rest, int vertex) {
  const int pack = vertex / kPack;
  const std::uint32_t end = head.delta_begin[pack + 1];
  for (std::uint32_t d = head.delta_begin[pack]; d < end; ++d) {
    const float weight = head.coefficients[head.delta_source[d]] * head.delta_scale[d];
    if (weight == 0) continue;  // most expressions rest
    rest = rest + weight * delta_of(head, d, vertex);
  }
  return rest;
}

// The joints' matrices, blended.
__device__ __forceinline__ void blend_joints(const SkinArgs& head, int vertex, float (&m)[12]) {
  const int pack = vertex / kPack;
  for (float& entry : m) entry = 0;
  const std::uint32_t end = head.influence_begin[pack + 1];
  for (std::uint32_t k = head.influence_begin[pack]; k < end; ++k) {
    const float weight = head.influence_weight[std::size_t{16} * k + vertex % kPack];
    const float* joint = head.matrices + 12 * head.influence_joint[k];
    for (int i = 0; i < 12; ++i) m[i] += weight * joint[i];
  }
}

}  // namespace avatar_rt::cuda
