// Gaussians, from a rig's triangles or from plain arrays, onto the screen.
#include "cuda/cover.h"
#include "cuda/kernels.h"
#include "cuda/reduce.h"
#include "math/exp2_blend.h"
#include "math/gaussian.h"
#include "math/sh.h"

namespace avatar_rt::cuda {
namespace {

using scalar::Ellipse;
using scalar::Footprint;
using scalar::Vec3;

constexpr float kTwoLn2 = 1.38629436f;
constexpr float kTiny = 1e-30f;

struct Projected {
  Ellipse<float> ellipse;
  float log2_opacity;              // at most 0
  Vec3<float> color;               // an avatar's
};

// A pixel's number as an integer within low … high; what is not a number is low.
__device__ __forceinline__ int pixel(float at, int low, int high) {
  return static_cast<int>(fminf(fmaxf(at, static_cast<float>(low)), static_cast<float>(high)));
}

// Half precision has an end, which is not to become an infinity.
__device__ __forceinline__ float within_half(float value) {
  return fminf(fmaxf(value, -65504.0f), 65504.0f);
}

struct Nothing {
  __device__ __forceinline__ Nothing of_lane(int) const { return {}; }
};

// Finds where a lane's Gaussian is drawn, and writes what there is to it. All lanes of a warp call
// it; `here` where the lane has one.
__device__ void settle(const ViewJob& job, ViewState& state, const Projected& found, bool here,
                       ScreenSplat* splat, Footing* footing) {
  const Ellipse<float>& e = found.ellipse;
  // one infinity or NaN among them (a covariance that is not positive makes l11 one) spoils the sum
  const float total = e.x + e.y + e.xx + e.yy + e.det + e.l11 + e.l22 + e.depth +
                      found.log2_opacity;
  const bool finite = fabsf(total) < 3e38f;
  const bool behind = e.depth < kNearPlane && e.depth > -3e38f;
  if (here && !finite && !behind) atomicAdd(&state.skipped, 1u);

  const ScreenSplat drawn = {e.x,
                             e.y,
                             e.l11 * scalar::kLog2Root,
                             e.l21 * scalar::kLog2Root,
                             e.l22 * scalar::kLog2Root,
                             found.log2_opacity,
                             __floats2half2_rn(within_half(found.color.x),
                                               within_half(found.color.y)),
                             __floats2half2_rn(within_half(found.color.z), 0)};
  Footing box{};
  if (here && finite && e.depth >= kNearPlane && found.log2_opacity > job.log2_alpha_min) {
    const float reach = kTwoLn2 * reach_of(found.log2_opacity, job.log2_alpha_min);
    const float half_width = scalar::sqrt(reach * e.xx), half_height = scalar::sqrt(reach * e.yy);
    const int x0 = pixel(ceilf(e.x - half_width - 0.5f), 0, job.width);
    const int x1 = pixel(floorf(e.x + half_width - 0.5f), -1, job.width - 1);
    const int y0 = pixel(ceilf(e.y - half_height - 0.5f), job.top_row * kSide, job.height);
    const int low = job.bottom_row * kSide < job.height ? job.bottom_row * kSide : job.height;
    const int y1 = pixel(floorf(e.y + half_height - 0.5f), -1, low - 1);
    if (x0 <= x1 && y0 <= y1) {
      box.left = static_cast<std::uint16_t>(x0 / kSide);
      box.top = static_cast<std::uint16_t>(y0 / kSide);
      box.right = static_cast<std::uint16_t>(x1 / kSide + 1);
      box.bottom = static_cast<std::uint16_t>(y1 / kSide + 1);
    }
  }
  const std::uint32_t count = for_tiles(cover_of(drawn, job.log2_alpha_min, box), Nothing{},
                                        [](Nothing, int, int, std::uint32_t) {});
  const std::uint32_t depth = count != 0 ? __float_as_uint(e.depth) : 0;
  // the view's nearest and farthest, a warp's at once
  const std::uint32_t farthest = warp_max(depth);
  const std::uint32_t inverted = warp_max(count != 0 ? ~depth : 0);
  if (threadIdx.x % kWarp == 0 && farthest != 0) {
    atomicMax(&state.farthest, farthest);
    atomicMax(&state.inverted_nearest, inverted);
  }
  if (!here) return;
  box.depth = depth;
  box.count = count;
  *footing = box;
  if (count != 0) *splat = drawn;
}

// The colour of an avatar's Gaussian seen along `direction` (camera space, any length).
__device__ Vec3<float> shade(const ViewJob& job, Vec3<float> direction, std::size_t index) {
  const float scale = scalar::rsqrt(fmaxf(dot(direction, direction), kTiny));
  float basis[16];
  scalar::sh_basis(scalar::turned_back(job.view.rotation, scale * direction), job.sh_count, basis);
  const __half* sh =
      job.harmonics + std::size_t{48} * job.sh_count * (index / kPack) + index % kPack;
  float rgb[3] = {0.5f, 0.5f, 0.5f};
  for (int k = 0; k < 16; ++k) {
    if (k >= job.sh_count) break;  // unrolled, the basis stays in registers
    for (int c = 0; c < 3; ++c) rgb[c] += basis[k] * __half2float(sh[16 * (3 * k + c)]);
  }
  for (float& value : rgb) value = fmaxf(value, 0.0f);  // a broken camera spreads no NaN
  return {rgb[0], rgb[1], rgb[2]};
}

__device__ Vec3<float> corner_of(const ViewJob& job, int corner) {
  const float4 p = job.posed[corner];
  const Vec3<float> out = scalar::turned(job.view.rotation, Vec3<float>{p.x, p.y, p.z});
  const float* t = job.view.translation;
  return {out.x + t[0], out.y + t[1], out.z + t[2]};
}

// A rig's Gaussian, whose triangle's frame is known.
struct Bound {
  const float* fields;             // kRigFields, 16 apart
  scalar::TriangleFrame<float> frame;

  __device__ __forceinline__ Bound(const ViewJob& job, std::size_t index)
      : fields(job.packs + std::size_t{kRigFields * kPack} * (index / kPack) + index % kPack) {
    const int triangle = __float_as_int(field(0));
    const Vec3<float> a = corner_of(job, job.corners[0][triangle]);
    const Vec3<float> b = corner_of(job, job.corners[1][triangle]);
    const Vec3<float> c = corner_of(job, job.corners[2][triangle]);
    frame = job.similarity ? scalar::similarity_frame(a, b, c, kTiny)
                           : scalar::affine_frame(a, b, c, kTiny);
  }
  __device__ __forceinline__ float field(int k) const { return fields[16 * k]; }

  __device__ __forceinline__ Vec3<float> mean(bool similarity) const {
    Vec3<float> local = {field(1), field(2), field(3)};
    if (similarity) {
      const float b1 = field(4), b2 = field(5);
      local.x += b1 * frame.along1 + b2 * frame.along2;
      local.z += b2 * frame.across2;
    }
    return to_world(frame, local);
  }
};

// False where the Gaussian's triangle faces too far away.
__device__ bool project_one(const ViewJob& job, std::size_t index, Projected& out) {
  const Bound own(job, index);
  const scalar::TriangleFrame<float>& frame = own.frame;
  if (job.facing_min > -1) {
    const Vec3<float> normal = frame.axis[1], origin = frame.origin;
    const float away =
        dot(normal, origin) *
        scalar::rsqrt(fmaxf(dot(normal, normal) * dot(origin, origin), kTiny));
    // what is not a number is kept, to be counted
    if (fabsf(away) < 2 && away >= -job.facing_min) return false;
  }
  const Vec3<float> mean = own.mean(job.similarity);
  const Footprint<float> foot = scalar::footprint(mean, job.lens);
  float ax[3], ay[3];
  for (int k = 0; k < 3; ++k) {
    ax[k] = foot.row_x.x * frame.axis[k].x + foot.row_x.z * frame.axis[k].z;
    ay[k] = foot.row_y.y * frame.axis[k].y + foot.row_y.z * frame.axis[k].z;
  }
  const float r00 = own.field(6), r10 = own.field(7), r11 = own.field(8), r20 = own.field(9),
              r21 = own.field(10), r22 = own.field(11);
  const float tx[3] = {ax[0] * r00 + ax[1] * r10 + ax[2] * r20, ax[1] * r11 + ax[2] * r21,
                       ax[2] * r22};
  const float ty[3] = {ay[0] * r00 + ay[1] * r10 + ay[2] * r20, ay[1] * r11 + ay[2] * r21,
                       ay[2] * r22};
  out.ellipse = scalar::ellipse_of_root(foot.x, foot.y, mean.z, tx, ty);
  out.log2_opacity = own.field(12);
  if (job.harmonics != nullptr) {
    out.color = shade(job, mean, index);
  } else {
    const float* color = job.colors + 4 * index;
    out.color = {color[0], color[1], color[2]};
  }
  return true;
}

// log2 of an opacity: at most 0, -1000 where it is not positive, NaN or infinity where it is that.
__device__ float log2_opacity_of(float opacity) {
  if (!(fabsf(opacity) < 3.4e38f)) return opacity;
  if (opacity >= 1) return 0;
  return opacity <= 0 ? -1000 : log2f(opacity);
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

template <class Find>
__device__ __forceinline__ void project(const Batch& batch, const Work* work, const Find& find) {
  const Work own = work[blockIdx.x];
  const ViewJob& job = batch.views[own.job];
  const std::size_t index = own.first + threadIdx.x, place = job.first_splat + index;
  bool here = index < static_cast<std::size_t>(job.count);
  Projected found{};
  const bool faces = here && find(job, index, found);
  if (here && !faces) batch.footings[place] = {};
  settle(job, batch.states[own.job], found, faces, batch.splats + place, batch.footings + place);
}

__global__ void __launch_bounds__(kThreads) project_rig_kernel(Batch batch, const Work* work) {
  project(batch, work, [](const ViewJob& job, std::size_t index, Projected& found) {
    return project_one(job, index, found);
  });
}

__global__ void __launch_bounds__(kThreads) project_array_kernel(Batch batch, const Work* work) {
  project(batch, work, [](const ViewJob& job, std::size_t index, Projected& found) {
    project_plain(job, index, found);
    return true;
  });
}

__global__ void __launch_bounds__(kThreads)
    place_kernel(ViewJob job, float* means, float* covars) {
  const std::size_t index = std::size_t{blockIdx.x} * kThreads + threadIdx.x;
  if (index >= static_cast<std::size_t>(job.count)) return;
  const Bound own(job, index);
  const Vec3<float> mean = own.mean(job.similarity);
  const Vec3<float>* axis = own.frame.axis;
  // columns of the covariance's root
  const Vec3<float> root[3] = {
      own.field(6) * axis[0] + own.field(7) * axis[1] + own.field(9) * axis[2],
      own.field(8) * axis[1] + own.field(10) * axis[2], own.field(11) * axis[2]};
  float* m = means + 3 * index;
  float* v = covars + 6 * index;
  m[0] = mean.x, m[1] = mean.y, m[2] = mean.z;
  for (int k = 0; k < 6; ++k) v[k] = 0;
  for (const Vec3<float>& r : root) {
    v[0] += r.x * r.x, v[1] += r.x * r.y, v[2] += r.x * r.z;
    v[3] += r.y * r.y, v[4] += r.y * r.z, v[5] += r.z * r.z;
  }
}

}  // namespace

void place_gaussians(cudaStream_t stream, const ViewJob& view, float* means, float* covars) {
  const std::size_t blocks = (static_cast<std::size_t>(view.count) + kThreads - 1) / kThreads;
  launch(stream, place_kernel, blocks, kThreads, view, means, covars);
}

cudaError_t runs_here() {
  cudaFuncAttributes attributes{};
  return cudaFuncGetAttributes(&attributes, place_kernel);
}

void project_rig(cudaStream_t stream, const Batch& batch, Works work) {
  launch(stream, project_rig_kernel, work.count, kThreads, batch, work.data);
}

void project_array(cudaStream_t stream, const Batch& batch, Works work) {
  launch(stream, project_array_kernel, work.count, kThreads, batch, work.data);
}

}  // namespace avatar_rt::cuda
