// Blends tiles: a thread has a pixel, a block a tile.
#include "cuda/kernels.h"
#include "cuda/output.h"
#include "cuda/walk.h"

namespace avatar_rt::cuda {
namespace {

__device__ __forceinline__ bool inside(const ViewJob& job, const Pixel& p) {
  return p.x < job.width && p.y < job.height;
}

// T and colour sums of a pixel, and of each step their change.
template <int kMost>
struct Blended {
  float T = 1;
  float sums[kMost] = {};
};

template <int kMost, class Key>
__device__ __forceinline__ Blended<kMost> blended(const Batch& batch, const ViewJob& job,
                                                  const Entries<Key>& entries, const Work& own,
                                                  const Pixel& pixel) {
  Blended<kMost> out;
  const float x = static_cast<float>(pixel.x) + 0.5f, y = static_cast<float>(pixel.y) + 0.5f;
  const bool here = inside(job, pixel);
  const int channels = job.arrays.channels;
  const float log2_alpha_min = job.log2_alpha_min, opaque = job.transmittance_min;
  const auto color_of = [&](const ScreenSplat& s, std::uint32_t number) {
    const float own = __uint_as_float(number);
    if (kMost != 3) return make_float4(0, 0, 0, own);
    if (job.arrays.colors == nullptr) {
      const float2 rg = __half22float2(s.red_green);
      return make_float4(rg.x, rg.y, __low2float(s.blue), own);
    }
    const float* c = job.arrays.colors + std::size_t{3} * number;
    return make_float4(c[0], c[1], c[2], own);
  };
  walk(job, batch.splats, entries, job.first_tile + own.first, pixel, color_of,
       [&] { return here && out.T > opaque; },
       [&](const Staged& s) {
         return scalar::alpha_at(at_pixel(s, x, y).power, log2_alpha_min);
       },
       [&](const Staged& s, float alpha) {
         const float weight = alpha * out.T;
         out.T -= weight;
         if constexpr (kMost == 3) {
           out.sums[0] += weight * s.color.x;
           out.sums[1] += weight * s.color.y;
           out.sums[2] += weight * s.color.z;
         } else {
           const float* color =
               job.arrays.colors +
               static_cast<std::size_t>(__float_as_uint(s.color.w)) * channels;
           for (int c = 0; c < kMost; ++c) {
             if (c < channels) out.sums[c] += weight * color[c];
           }
         }
       });
  // what shows through the end is taken to look like what lies before it
  if (job.close && out.T <= opaque) {
    const float scale = 1 / (1 - out.T);
    for (float& sum : out.sums) sum *= scale;
    out.T = 0;
  }
  return out;
}

// For any number of channels up to kMost.
template <int kMost>
__device__ __forceinline__ void write_floats(const ViewJob& job, const Pixel& pixel,
                                             const Blended<kMost>& found) {
  if (!inside(job, pixel)) return;
  const int channels = job.arrays.channels;
  const std::size_t at = static_cast<std::size_t>(pixel.y) * job.width + pixel.x;
  float* out = static_cast<float*>(job.image) + at * channels;
  job.alpha[at] = 1 - found.T;
  for (int c = 0; c < kMost; ++c) {
    if (c < channels) out[c] = found.sums[c] + (job.opaque ? found.T * job.background[c] : 0);
  }
}

template <class Key>
__global__ void __launch_bounds__(kThreads)
    blend_kernel(Batch batch, const Work* work, Entries<Key> entries) {
  const Work own = work[blockIdx.x];
  const ViewJob& job = batch.views[own.job];
  const Pixel pixel(job, own.first);
  Blended<3> found = blended<3>(batch, job, entries, own, pixel);
  write_pixel(job, pixel.x, pixel.y, inside(job, pixel), found.T, found.sums);
}

template <int kMost, class Key>
__global__ void __launch_bounds__(kThreads)
    blend_floats_kernel(Batch batch, const Work* work, Entries<Key> entries) {
  const Work own = work[blockIdx.x];
  const ViewJob& job = batch.views[own.job];
  const Pixel pixel(job, own.first);
  write_floats(job, pixel, blended<kMost>(batch, job, entries, own, pixel));
}

}  // namespace

template <class Key>
void blend(cudaStream_t stream, const Batch& batch, Works work, const Entries<Key>& entries) {
  launch(stream, blend_kernel<Key>, work.count, kThreads, batch, work.data, entries);
}

template <class Key>
void blend_floats(cudaStream_t stream, const Batch& batch, Works work,
                  const Entries<Key>& entries, int channels) {
  launch(stream, channels == 3 ? blend_floats_kernel<3, Key> : blend_floats_kernel<kMaxChannels, Key>,
         work.count, kThreads, batch, work.data, entries);
}

template void blend(cudaStream_t, const Batch&, Works, const Entries<std::uint32_t>&);
template void blend(cudaStream_t, const Batch&, Works, const Entries<std::uint64_t>&);
template void blend_floats(cudaStream_t, const Batch&, Works, const Entries<std::uint32_t>&, int);
template void blend_floats(cudaStream_t, const Batch&, Works, const Entries<std::uint64_t>&, int);

}  // namespace avatar_rt::cuda
