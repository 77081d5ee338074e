// An avatar's Gaussians, from their triangles onto the screen, or into the world.
#include "cuda/kernels.h"
#include "cuda/settle.h"
#include "math/rig.h"
#include "math/sh.h"

namespace avatar_rt::cuda {
namespace {

using scalar::Footprint;
using scalar::Vec3;

// The colour of an avatar's Gaussian seen along `direction` (camera space, any length).
__device__ Vec3<float> shade(const ViewJob& job, Vec3<float> direction, std::size_t index) {
  const float scale = scalar::rsqrt(fmaxf(dot(direction, direction), kTinySquare));
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
    frame = job.similarity ? scalar::similarity_frame(a, b, c, kTinySquare)
                           : scalar::affine_frame(a, b, c, kTinySquare);
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
        scalar::rsqrt(fmaxf(dot(normal, normal) * dot(origin, origin), kTinySquare));
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

__global__ void __launch_bounds__(kThreads) project_rig_kernel(Batch batch, const Work* work) {
  project(batch, work, [](const ViewJob& job, std::size_t index, Projected& found) {
    return project_one(job, index, found);
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
  launch(stream, place_kernel, blocks_for(view.count, kThreads), kThreads, view, means, covars);
}

cudaError_t runs_here() {
  cudaFuncAttributes attributes{};
  return cudaFuncGetAttributes(&attributes, place_kernel);
}

void project_rig(cudaStream_t stream, const Batch& batch, Works work) {
  launch(stream, project_rig_kernel, work.count, kThreads, batch, work.data);
}

}  // namespace avatar_rt::cuda
