// Gaussians in plain arrays onto the screen.
#include "cuda/kernels.h"
#include "cuda/settle.h"
#include "math/gaussian.h"

namespace avatar_rt::cuda {
namespace {

using scalar::Vec3;

// log2 of an opacity: at most 0, -1000 where it is not positive, NaN or infinity where it is that.
__device__ float log2_opacity_of(float opacity) {
  if (opacity >= 1) return opacity < INFINITY ? 0 : opacity;
  if (opacity <= 0) return opacity > -INFINITY ? -1000 : opacity;
  return log2f(opacity);
}

__device__ void project_plain(const ViewJob& job, std::size_t index, Projected& out) {
  const GaussianView& g = job.arrays;
  const float* m = g.means + 3 * index;
  const scalar::Seen<float> seen =
      scalar::seen_from(job.view, job.lens, Vec3<float>{m[0], m[1], m[2]});
  out.log2_opacity = log2_opacity_of(g.opacities[index]);
  const float* color = g.colors + index * g.channels;
  // 0 for a finite colour, NaN otherwise
  for (int c = 0; c < g.channels; ++c) out.log2_opacity += color[c] * 0.0f;
  if (g.covars != nullptr) {
    const float* c = g.covars + 6 * index;
    const float v[6] = {c[0], c[1], c[2], c[3], c[4], c[5]};
    out.ellipse = scalar::ellipse_of_covariance(seen, v);
    return;
  }
  const float *q = g.quats + 4 * index, *s = g.scales + 3 * index;
  const float unit = scalar::rsqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  const float scale[3] = {s[0], s[1], s[2]};
  const scalar::Axes<float> axes =
      axes_of(seen, {unit * q[0], unit * q[1], unit * q[2], unit * q[3]}, scale);
  out.ellipse = scalar::ellipse_of_axes(seen, axes);
}

__global__ void __launch_bounds__(kThreads) project_array_kernel(Batch batch, const Work* work) {
  project(batch, work, [](const ViewJob& job, std::size_t index, Projected& found) {
    project_plain(job, index, found);
    return true;
  });
}

}  // namespace

void project_array(cudaStream_t stream, const Batch& batch, Works work) {
  launch(stream, project_array_kernel, work.count, kThreads, batch, work.data);
}

}  // namespace avatar_rt::cuda
