// The way back of animate.cu: from Gaussians to themselves and to the corners of their triangles, a
// thread per Gaussian; from posed vertices to the shape at rest, to the coefficients of its deltas and
// to the joints' matrices, half a warp per pack of vertices.
#include "cuda/pose.h"
#include "cuda/reduce.h"

namespace avatar_rt::cuda {
namespace {

using scalar::Vec3;

constexpr int kPacks = kThreads / kWarp;  // a block

__device__ __forceinline__ bool is_finite(float value) { return value * 0 == 0; }

__device__ __forceinline__ void add_if_any(float* to, float value) {
  if (value != 0) atomicAdd(global(to), value);
}

// Where the run of lanes ends that hold the same triangle as this one and stand beside each other.
struct Run {
  bool first;                      // this lane is the run's
  int end;

  __device__ __forceinline__ explicit Run(int triangle) {
    const int before = __shfl_up_sync(kAll, triangle, 1);
    first = lane_of() == 0 || before != triangle;
    const unsigned later = __ballot_sync(kAll, first) & (0xfffffffeu << lane_of());
    end = later != 0 ? __ffs(static_cast<int>(later)) - 1 : kWarp;
  }
  // The sum over the run from this lane on. Gaussians mostly come by ascending triangles: one lane
  // then adds for several.
  __device__ __forceinline__ float sum(float value) const {
    for (int beside = 1; beside < kWarp; beside *= 2) {
      const float other = __shfl_down_sync(kAll, value, beside);
      if (lane_of() + beside < end) value += other;
    }
    return value;
  }
};

// Of one pose: adds to the Gaussian's own gradient, and sets its corners'.
__device__ void place_back(const AnimationView& view, const Triangle& triangle,
                           const scalar::LocalGaussian<float>& own,
                           const AnimationGradient& gradient, std::size_t row,
                           scalar::LocalGradient<float>& sum, Vec3<float> (&corner)[3]) {
  const auto frame = triangle.frame(view.frame);
  const auto placed = scalar::place(frame, own);
  Vec3<float> of_mean = {};
  float of_covar[6] = {}, drawn[6];
  if (gradient.means != nullptr) of_mean = vector_at(gradient.means + 3 * row);
  for (int k = 0; k < 6 && gradient.covars != nullptr; ++k) {
    of_covar[k] = gradient.covars[6 * row + k];
  }
  // one that is not finite was never drawn: it pulls at nothing
  covariance(placed, drawn);
  const Vec3<float> m = placed.mean;
  if (!is_finite(m.x + m.y + m.z + drawn[0] + drawn[3] + drawn[5])) return;
  scalar::LocalGradient<float> local;
  scalar::FrameGradient<float> of_frame;
  scalar::place_adjoint(frame, own, placed, of_mean, of_covar, local, of_frame);
  sum.offset = sum.offset + local.offset;
  sum.b1 += local.b1;
  sum.b2 += local.b2;
  sum.quat = {sum.quat.w + local.quat.w, sum.quat.x + local.quat.x, sum.quat.y + local.quat.y,
              sum.quat.z + local.quat.z};
  for (int k = 0; k < 3; ++k) sum.scale[k] += local.scale[k];
  const Vec3<float>(&v)[3] = triangle.corner;
  if (view.frame == Frame::similarity) {
    scalar::similarity_frame_adjoint(v[0], v[1], v[2], kTinySquare, of_frame, corner);
  } else {
    scalar::affine_frame_adjoint(v[0], v[1], v[2], kTinySquare, of_frame, corner);
  }
}

// Through all poses, so that a Gaussian's own gradient is summed by one thread.
__global__ void __launch_bounds__(kThreads)
    place_poses_adjoint_kernel(AnimationJob job, const float* posed, AnimationGradient gradient,
                               AnimationInputGradient out, float* posed_gradient) {
  const AnimationView& view = job.view;
  const auto count = static_cast<std::size_t>(view.count);
  const std::size_t index = std::size_t{blockIdx.x} * kThreads + threadIdx.x;
  const bool here = index < count;  // all lanes take part in the sums
  const int number = here ? view.triangles[index] : -1;
  const std::int32_t* face = job.faces + (here ? std::size_t{3} * number : 0);
  const Run run(number);
  scalar::LocalGaussian<float> own{};
  if (here) own = gaussian_of(view, index);
  scalar::LocalGradient<float> sum{};
  for (std::size_t pose = 0; pose < static_cast<std::size_t>(view.batch); ++pose) {
    const std::size_t vertices = 3 * pose * job.vertex_count;
    Vec3<float> corner[3] = {};
    if (here) {
      place_back(view, Triangle(face, posed + vertices), own, gradient, pose * count + index, sum,
                 corner);
    }
    for (int k = 0; k < 3; ++k) {
      const Vec3<float> all = {run.sum(corner[k].x), run.sum(corner[k].y), run.sum(corner[k].z)};
      if (!here || !run.first) continue;
      float* to = posed_gradient + vertices + std::size_t{3} * face[k];
      add_if_any(to, all.x);
      add_if_any(to + 1, all.y);
      add_if_any(to + 2, all.z);
    }
  }
  if (!here) return;
  const auto set = [&](float* to, float x, float y, float z) {
    to[0] = x, to[1] = y, to[2] = z;
  };
  set(out.barycentric + 3 * index, 0, sum.b1, sum.b2);
  set(out.offsets + 3 * index, sum.offset.x, sum.offset.y, sum.offset.z);
  set(out.scales + 3 * index, sum.scale[0], sum.scale[1], sum.scale[2]);
  float* q = out.quats + 4 * index;
  q[0] = sum.quat.w, q[1] = sum.quat.x, q[2] = sum.quat.y, q[3] = sum.quat.z;
}

// A warp per pack: both of its halves hold the pack's vertices, each with joints and deltas of its own.
__global__ void __launch_bounds__(kThreads)
    skin_poses_adjoint_kernel(AnimationJob job, const float* posed_gradient, float* rest_gradient,
                              PoseSums sums) {
  const Part part = part_of_block(job.packs, kPacks);
  const int pack = static_cast<int>(part.first + threadIdx.x / kWarp);
  if (pack >= job.packs) return;  // the whole warp
  const int row = lane_of() % kPack;
  const auto half = static_cast<std::uint32_t>(lane_of() / kPack);
  const int vertex = kPack * pack + row;
  const SkinArgs head = head_in(job, part.pose);
  Vec3<float> rest = {}, g = {};   // of a last pack's empty places
  if (vertex < job.vertex_count) {
    rest = rest_of(job, vertex);
    g = vector_at(posed_gradient + 3 * (part.pose * job.vertex_count + vertex));
    if (!is_finite(rest.x + rest.y + rest.z)) atomicAdd(sums.broken, 1.0);
  }
  const Vec3<float> p = shaped(head, rest, vertex);
  float m[12];
  blend_joints(head, vertex, m);

  double* matrices = global(sums.matrices) + job.stride * part.pose;
  const std::uint32_t joints_end = head.influence_begin[pack + 1];
  for (std::uint32_t k = head.influence_begin[pack]; k < joints_end; k += 2) {
    const std::uint32_t mine = k + half;
    const bool any = mine < joints_end;
    const Vec3<float> r = (any ? head.influence_weight[std::size_t{16} * mine + row] : 0) * g;
    float entries[kPack] = {r.x * p.x, r.x * p.y, r.x * p.z, r.x, r.y * p.x, r.y * p.y,
                            r.y * p.z, r.y,       r.z * p.x, r.z * p.y, r.z * p.z, r.z};
    const float sum = fold<kPack>(entries);
    if (any && row < 12 && sum != 0) {
      atomicAdd(matrices + 12 * head.influence_joint[mine] + row, static_cast<double>(sum));
    }
  }

  const Vec3<float> of_p = scalar::skin_vertex_adjoint(m, g);
  if (half == 0 && vertex < job.vertex_count) {
    float* to = rest_gradient + std::size_t{3} * vertex;
    add_if_any(to, of_p.x);
    add_if_any(to + 1, of_p.y);
    add_if_any(to + 2, of_p.z);
  }
  double* coefficients = global(sums.coefficients) + job.stride * part.pose;
  const std::uint32_t deltas_end = head.delta_begin[pack + 1];
  for (std::uint32_t d = head.delta_begin[pack]; d < deltas_end; d += 2 * kFolded) {
    const std::uint32_t first = d + kFolded * half;
    float along[kFolded];
    for (int k = 0; k < kFolded; ++k) {
      along[k] = first + k < deltas_end ? dot(delta_of(head, first + k, vertex), of_p) : 0;
    }
    const float sum = fold<kPack>(along);
    const std::uint32_t mine = first + row / (kPack / kFolded);
    if (row % (kPack / kFolded) == 0 && mine < deltas_end && sum != 0) {
      atomicAdd(coefficients + head.delta_source[mine],
                static_cast<double>(head.delta_scale[mine] * sum));
    }
  }
}

}  // namespace

void place_poses_adjoint(cudaStream_t stream, const AnimationJob& job, const float* posed,
                         const AnimationGradient& gradient, const AnimationInputGradient& out,
                         float* posed_gradient) {
  const auto count = static_cast<std::size_t>(job.view.count);
  launch(stream, place_poses_adjoint_kernel, blocks_for(count, kThreads), kThreads, job, posed,
         gradient, out, posed_gradient);
}

void skin_poses_adjoint(cudaStream_t stream, const AnimationJob& job, const float* posed_gradient,
                        float* rest_gradient, const PoseSums& sums) {
  const auto poses = static_cast<std::size_t>(job.view.batch);
  const auto packs = static_cast<std::size_t>(job.packs);
  launch(stream, skin_poses_adjoint_kernel, poses * blocks_for(packs, kPacks), kThreads, job,
         posed_gradient, rest_gradient, sums);
}

}  // namespace avatar_rt::cuda
