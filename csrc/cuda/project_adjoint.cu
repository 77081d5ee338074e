// From a Gaussian's sums over its pixels back to its parameters and to the camera.
#include "cuda/kernels.h"
#include "cuda/reduce.h"
#include "math/exp2_blend.h"
#include "math/gaussian_adjoint.h"
#include "math/sh_adjoint.h"

namespace avatar_rt::cuda {
namespace {

using scalar::Quat;
using scalar::Vec3;

template <int kCount>
__device__ __forceinline__ void add_row(const float (&values)[kCount], float* row) {
  for (int k = 0; k < kCount; ++k) row[k] += values[k];
}

// Harmonics: of their coefficients into args.colors, of the direction into the result.
__device__ Vec3<float> shade_adjoint(const ProjectAdjointArgs& args, const ShadeArgs& shade,
                                     Vec3<float> world, const float* sums, std::size_t row) {
  const float* eye = shade.eye;
  const auto direction = scalar::direction_of(
      Vec3<float>{world.x - eye[0], world.y - eye[1], world.z - eye[2]});
  float basis[16] = {}, of_basis[16] = {};
  scalar::sh_basis(direction.unit, shade.count, basis);
  const float *sh = shade.coefficients + row * shade.stride, *rgb = shade.colors + 3 * row;
  float* out = args.colors + row * shade.stride;
  for (int c = 0; c < 3; ++c) {
    const float own = rgb[c] > 0 ? sums[kMoments + c] : 0;  // a clamped colour follows nothing
    for (int n = 0; n < 16; ++n) {
      if (n >= shade.count) break;
      of_basis[n] += own * sh[3 * n + c];
      out[3 * n + c] += basis[n] * own;
    }
  }
  return scalar::direction_adjoint(
      direction, scalar::sh_basis_adjoint(direction.unit, shade.count, of_basis));
}

// What a Gaussian adds to the camera's sums; nothing where no pixel's gradient reached it.
__device__ void go_back(const ProjectAdjointArgs& args, const ShadeArgs& shade, std::size_t row,
                        float (&camera)[kCameraSums]) {
  const GaussianView& g = args.gaussians;
  const int stride = sum_count(g.channels);
  const float* sums = args.sums + row * stride;
  float size = 0;
  for (int k = 0; k < stride; ++k) size += fabsf(sums[k]);
  const Vec3<float> world = {g.means[3 * row], g.means[3 * row + 1], g.means[3 * row + 2]};
  // so far away that the square of its distance overflows, it moves nothing
  if (!(size > 0 && dot(world, world) < 1e30f)) return;
  constexpr float kPer = 1 / scalar::kLog2Root, kPer2 = kPer * kPer;
  const scalar::Moments<float> moments = {sums[0],         sums[1] * kPer,  sums[2] * kPer,
                                          sums[3] * kPer2, sums[4] * kPer2, sums[5] * kPer2};
  const scalar::Seen<float> seen = scalar::seen_from(args.view, args.lens, world);
  scalar::Ellipse<float> e;
  scalar::EllipseAdjoint<float> of_e;
  scalar::RowAdjoint<float> of_rows;
  if (g.covars != nullptr) {
    const float* c = g.covars + 6 * row;
    const float v[6] = {c[0], c[1], c[2], c[3], c[4], c[5]};
    e = scalar::ellipse_of_covariance(seen, v);
    of_e = scalar::ellipse_adjoint(e, moments);
    float out[6];
    of_rows = scalar::covariance_adjoint(seen, v, of_e, out);
    add_row(out, args.covars + 6 * row);
  } else {
    const float *p = g.quats + 4 * row, *s = g.scales + 3 * row;
    const float per_length =
        scalar::rsqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2] + p[3] * p[3]);
    const Quat<float> q = {per_length * p[0], per_length * p[1], per_length * p[2],
                           per_length * p[3]};
    const float scale[3] = {s[0], s[1], s[2]};
    const scalar::Axes<float> axes = scalar::axes_of(seen, q, scale);
    e = scalar::ellipse_of_axes(seen, axes);
    of_e = scalar::ellipse_adjoint(e, moments);
    Quat<float> of_q;
    float of_scale[3];
    of_rows = scalar::axes_adjoint(seen, axes, q, per_length, of_e, of_q, of_scale);
    add_row({of_q.w, of_q.x, of_q.y, of_q.z}, args.quats + 4 * row);
    add_row(of_scale, args.scales + 3 * row);
  }
  const auto of_mean = scalar::mean_adjoint(args.view, args.lens, seen, of_e, of_rows);
  Vec3<float> of_world = of_mean.world;

  // log alpha = log opacity - …; an opacity above 1 counts as 1
  const float opacity = g.opacities[row];
  if (opacity <= 1) args.opacities[row] += moments.one / opacity;
  if (shade.count != 0) {
    const Vec3<float> of_eye = shade_adjoint(args, shade, world, sums, row);
    of_world = of_world + of_eye;
    camera[12] = -of_eye.x;
    camera[13] = -of_eye.y;
    camera[14] = -of_eye.z;
  } else {
    float* out = args.colors + row * static_cast<std::size_t>(g.channels);
    for (int c = 0; c < g.channels; ++c) out[c] += sums[kMoments + c];
  }
  add_row({of_world.x, of_world.y, of_world.z}, args.means + 3 * row);
  add_row({of_e.x, of_e.y}, args.means2d + 2 * row);
  // how far alpha is at least the minimum
  const float reach = 2 * logf(fminf(opacity, 1) / args.alpha_min);
  args.radii[row] = scalar::sqrt(fmaxf(reach, 0) * fmaxf(e.xx, e.yy));
  scalar::view_adjoint(seen, world, of_rows, of_mean.seen, camera);
}

__global__ void __launch_bounds__(kThreads)
    project_adjoint_kernel(ProjectAdjointArgs args, ShadeArgs shade) {
  const std::size_t row = std::size_t{blockIdx.x} * kThreads + threadIdx.x;
  float camera[kCameraSums] = {};
  if (row < static_cast<std::size_t>(args.gaussians.count)) go_back(args, shade, row, camera);
  for (int k = 0; k < kCameraSums; ++k) {
    const float sum = warp_sum(camera[k]);
    if (lane_of() == 0 && sum != 0) atomicAdd(global(args.camera) + k, static_cast<double>(sum));
  }
}

}  // namespace

void project_adjoint(cudaStream_t stream, const ProjectAdjointArgs& args, const ShadeArgs& shade) {
  launch(stream, project_adjoint_kernel, blocks_for(args.gaussians.count, kThreads), kThreads, args,
         shade);
}

}  // namespace avatar_rt::cuda
