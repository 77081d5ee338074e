// Poses of a head and of the Gaussians on it: a thread per vertex, then one per Gaussian, which finds
// its triangle's frame from three posed vertices.
#include "cuda/pose.h"

namespace avatar_rt::cuda {
namespace {

using scalar::Vec3;

constexpr int kVertices = 64;      // a block

__global__ void __launch_bounds__(kVertices) skin_poses_kernel(AnimationJob job, float* posed) {
  const Part part = part_of_block(job.vertex_count, kVertices);
  const int vertex = static_cast<int>(part.first + threadIdx.x);
  if (vertex >= job.vertex_count) return;
  const SkinArgs head = head_in(job, part.pose);
  const Vec3<float> p = shaped(head, rest_of(job, vertex), vertex);
  float m[12];
  blend_joints(head, vertex, m);
  const Vec3<float> at = scalar::skin_vertex(m, p);
  float* out = posed + 3 * (part.pose * job.vertex_count + vertex);
  out[0] = at.x, out[1] = at.y, out[2] = at.z;
}

__global__ void __launch_bounds__(kThreads)
    place_poses_kernel(AnimationJob job, const float* posed, AnimationOutput out) {
  const AnimationView& view = job.view;
  const auto count = static_cast<std::size_t>(view.count);
  const Part part = part_of_block(count, kThreads);
  const std::size_t index = part.first + threadIdx.x;
  if (index >= count) return;
  const Triangle triangle(job.faces + std::size_t{3} * view.triangles[index],
                          posed + 3 * part.pose * job.vertex_count);
  const auto placed = scalar::place(triangle.frame(view.frame), gaussian_of(view, index));
  const std::size_t row = part.pose * count + index;
  float *mean = out.means + 3 * row, *covar = out.covars + 6 * row;
  float values[6];
  covariance(placed, values);
  mean[0] = placed.mean.x, mean[1] = placed.mean.y, mean[2] = placed.mean.z;
  for (int k = 0; k < 6; ++k) covar[k] = values[k];
}

}  // namespace

void skin_poses(cudaStream_t stream, const AnimationJob& job, float* posed) {
  const auto poses = static_cast<std::size_t>(job.view.batch);
  const auto vertices = static_cast<std::size_t>(job.vertex_count);
  launch(stream, skin_poses_kernel, poses * blocks_for(vertices, kVertices), kVertices, job, posed);
}

void place_poses(cudaStream_t stream, const AnimationJob& job, const float* posed,
                 const AnimationOutput& out) {
  const auto poses = static_cast<std::size_t>(job.view.batch);
  const auto count = static_cast<std::size_t>(job.view.count);
  launch(stream, place_poses_kernel, poses * blocks_for(count, kThreads), kThreads, job, posed,
         out);
}

}  // namespace avatar_rt::cuda
