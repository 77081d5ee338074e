// What a thread reads of a pose: which item of which pose is its own, the head's numbers in that pose,
// a Gaussian and its triangle.
#pragma once

#include "cuda/animation.h"
#include "cuda/skin.h"
#include "math/rig_adjoint.h"

namespace avatar_rt::cuda {

// A launch has blocks_for(items, a_block) blocks for each pose.
struct Part {
  std::size_t pose, first;         // item of that pose
};
__device__ __forceinline__ Part part_of_block(std::size_t items, int a_block) {
  const auto each = static_cast<unsigned>((items + a_block - 1) / a_block);
  return {blockIdx.x / each, std::size_t{blockIdx.x % each} * a_block};
}

__device__ __forceinline__ SkinArgs head_in(const AnimationJob& job, std::size_t pose) {
  SkinArgs head = job.head;
  head.coefficients += job.stride * pose;
  head.matrices += job.stride * pose;
  return head;
}

__device__ __forceinline__ scalar::Vec3<float> vector_at(const float* from) {
  return {from[0], from[1], from[2]};
}

__device__ __forceinline__ scalar::Vec3<float> rest_of(const AnimationJob& job, int vertex) {
  return job.view.vertices != nullptr ? vector_at(job.view.vertices + std::size_t{3} * vertex)
                                      : packed_rest(job.head, vertex);
}

// A triangle in a pose.
struct Triangle {
  scalar::Vec3<float> corner[3];

  // posed: that pose's (V, 3).
  __device__ __forceinline__ Triangle(const std::int32_t* face, const float* posed) {
    for (int k = 0; k < 3; ++k) corner[k] = vector_at(posed + std::size_t{3} * face[k]);
  }
  __device__ __forceinline__ scalar::TriangleFrame<float> frame(Frame kind) const {
    return kind == Frame::similarity
               ? scalar::similarity_frame(corner[0], corner[1], corner[2], kTinySquare)
               : scalar::affine_frame(corner[0], corner[1], corner[2], kTinySquare);
  }
};

__device__ __forceinline__ scalar::LocalGaussian<float> gaussian_of(const AnimationView& view,
                                                                    std::size_t index) {
  const float *b = view.barycentric + 3 * index, *q = view.quats + 4 * index,
              *s = view.scales + 3 * index;
  // one of no length turns nothing, and its gradient is 0
  const float square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
  const float unit = scalar::rsqrt(scalar::max(square, kTinySquare));
  return {vector_at(view.offsets + 3 * index),
          b[1],
          b[2],
          {unit * q[0], unit * q[1], unit * q[2], unit * q[3]},
          unit,
          {s[0], s[1], s[2]}};
}

}  // namespace avatar_rt::cuda
