// Poses that are animated with gradients (core/animator.h): what the kernels read, and their launches,
// each of which takes all poses.
#pragma once

#include "core/animator.h"
#include "cuda/jobs.h"
#include "cuda/runtime.h"

namespace avatar_rt::cuda {

// All arrays are the device's.
struct AnimationJob {
  AnimationView view;              // coefficients, joint_rotations and translation unused
  SkinArgs head;                   // the first pose's; x, y and z unused
  std::size_t stride;              // from a pose's coefficients and matrices to the next one's
  int vertex_count, packs;
  const std::int32_t* faces;       // (F, 3)
};

// What adding up over vertices gives: doubles laid out as the poses' coefficients and matrices are,
// `stride` a pose, and one more, above zero where a vertex at rest is not finite.
struct PoseSums {
  double *coefficients, *matrices;  // the first pose's
  double* broken;
};

// posed: (B, V, 3).
void skin_poses(cudaStream_t stream, const AnimationJob& job, float* posed);
void place_poses(cudaStream_t stream, const AnimationJob& job, const float* posed,
                 const AnimationOutput& out);

// Sets the gradients of barycentric, offsets, quats and scales; adds to posed_gradient (B, V, 3).
void place_poses_adjoint(cudaStream_t stream, const AnimationJob& job, const float* posed,
                         const AnimationGradient& gradient, const AnimationInputGradient& out,
                         float* posed_gradient);
// Adds to rest_gradient (V, 3) and to the sums.
void skin_poses_adjoint(cudaStream_t stream, const AnimationJob& job, const float* posed_gradient,
                        float* rest_gradient, const PoseSums& sums);

}  // namespace avatar_rt::cuda
