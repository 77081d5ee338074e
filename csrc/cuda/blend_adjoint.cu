// From a picture's gradient to each Gaussian's sums over its pixels, by the same walk that blended it.
#include "cuda/kernels.h"
#include "cuda/reduce.h"
#include "cuda/walk.h"
#include "math/blend_adjoint.h"

namespace avatar_rt::cuda {
namespace {

using scalar::Moments;

// A pixel on the way: what of it is still to come (math/blend_adjoint.h), and its gradient.
template <int kMost>
struct Way {
  float T = 1, behind = 0;
  float gradient[kMost] = {};
};

// Reads a pixel, and adds what the picture as a whole needs to totals.
template <int kMost>
__device__ void begin(const ViewJob& job, const Pixel& pixel, bool here, Way<kMost>& way) {
  const PictureAdjoint& a = job.adjoint;
  double* const totals = global(a.totals);
  const int channels = job.arrays.channels;
  float end = 0;
  if (here) {
    const std::size_t at = static_cast<std::size_t>(pixel.y) * job.width + pixel.x;
    end = 1 - a.alpha[at];
    if (a.alpha_gradient != nullptr) way.behind = -end * a.alpha_gradient[at];
    for (int c = 0; c < kMost; ++c) {
      if (c >= channels) break;
      way.gradient[c] = a.image_gradient[at * channels + c];
      way.behind += way.gradient[c] * a.image[at * channels + c];
    }
  }
  __shared__ float block_totals[kMost + 1];
  if (threadIdx.x <= kMost) block_totals[threadIdx.x] = 0;
  __syncthreads();
  for (int c = 0; c < kMost; ++c) {
    if (c >= channels) break;
    const float sum = warp_sum(end * way.gradient[c]);
    if (lane_of() == 0) atomicAdd(block_totals + c, sum);
  }
  const float finite = warp_sum(0 * way.behind);
  if (lane_of() == 0) atomicAdd(block_totals + channels, finite);
  __syncthreads();
  if (static_cast<int>(threadIdx.x) <= channels) {
    const double total = block_totals[threadIdx.x];
    if (!(total == 0)) atomicAdd(totals + threadIdx.x, total);
  }
}

// Adds a warp's sums to those of a Gaussian.
template <int kMost>
__device__ __forceinline__ void add(const Moments<float>& m, const float (&colors)[kMost],
                                    int channels, float* sums) {
  constexpr int kSums = sum_count(kMost);
  const float moments[kMoments] = {m.one, m.u, m.v, m.uu, m.uv, m.vv};
  const int count = sum_count(channels);
  for (int first = 0; first + kFolded <= kSums; first += kFolded) {
    if (first >= count) break;
    float values[kFolded];
    for (int k = 0; k < kFolded; ++k) {
      values[k] = first + k < kMoments ? moments[first + k < kMoments ? first + k : 0]
                                       : colors[first + k < kMoments ? 0 : first + k - kMoments];
    }
    const float sum = fold(values);
    const int own = first + lane_of() / 4;
    if (lane_of() % 4 == 0 && own < count) atomicAdd(sums + own, sum);
  }
  for (int k = kSums / kFolded * kFolded; k < kSums; ++k) {
    if (k >= count) break;
    const float sum = warp_sum(colors[k - kMoments]);
    if (lane_of() == 1) atomicAdd(sums + k, sum);
  }
}

template <int kMost, class Key>
__global__ void __launch_bounds__(kThreads)
    blend_adjoint_kernel(Batch batch, const Work* work, Entries<Key> entries) {
  const Work own = work[blockIdx.x];
  const ViewJob& job = batch.views[own.job];
  const Pixel pixel(job, own.first);
  const bool here = pixel.x < job.width && pixel.y < job.height;
  const int channels = job.arrays.channels, stride = sum_count(channels);
  const float log2_alpha_min = job.log2_alpha_min, opaque = job.transmittance_min;
  float* const sums = global(job.adjoint.sums);
  Way<kMost> way;
  begin(job, pixel, here, way);
  const float x = static_cast<float>(pixel.x) + 0.5f, y = static_cast<float>(pixel.y) + 0.5f;
  const auto color_of = [&](const ScreenSplat&, std::uint32_t number) {
    const float name = __uint_as_float(number);
    if (kMost != 3) return make_float4(0, 0, 0, name);
    const float* c = job.arrays.colors + std::size_t{3} * number;
    return make_float4(c[0], c[1], c[2], name);
  };
  walk(job, batch.splats, entries, job.first_tile + own.first, pixel, color_of,
       [&] { return here && way.T > opaque; },
       [&](const Staged& s) { return at_pixel(s, x, y); },
       [&](const Staged& s, const At& at) {
         const std::size_t number = __float_as_uint(s.color.w);
         const float alpha = scalar::alpha_at(at.power, log2_alpha_min);
         const float weight = here ? alpha * way.T : 0;
         if (__ballot_sync(kAll, weight > 0) == 0) return;
         const float* color = job.arrays.colors + number * channels;
         const float staged[3] = {s.color.x, s.color.y, s.color.z};
         float worth = 0, weighted[kMost];
         for (int c = 0; c < kMost; ++c) {
           const float own_color = kMost == 3 ? staged[c % 3] : c < channels ? color[c] : 0;
           worth += way.gradient[c] * own_color;
           weighted[c] = weight * way.gradient[c];
         }
         // a clamped alpha does not follow its exponent; a pixel that is closed follows nothing
         const bool free = way.T >= opaque && alpha < kAlphaMax;
         way.T -= weight;
         way.behind -= weight * worth;
         Moments<float> moments{};
         const float g =
             free ? scalar::log_alpha_gradient(weight, worth, way.behind, way.T) : 0;
         add_moments(moments, g, at.u, at.v);
         add(moments, weighted, channels, sums + number * stride);
       });
}

}  // namespace

template <class Key>
void blend_adjoint(cudaStream_t stream, const Batch& batch, Works work,
                   const Entries<Key>& entries, int channels) {
  launch(stream,
         channels == 3 ? blend_adjoint_kernel<3, Key> : blend_adjoint_kernel<kMaxChannels, Key>,
         work.count, kThreads, batch, work.data, entries);
}

template void blend_adjoint(cudaStream_t, const Batch&, Works, const Entries<std::uint32_t>&,
                            int);
template void blend_adjoint(cudaStream_t, const Batch&, Works, const Entries<std::uint64_t>&,
                            int);

}  // namespace avatar_rt::cuda
