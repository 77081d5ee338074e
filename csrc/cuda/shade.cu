// Colours of Gaussians in plain arrays by spherical harmonics.
#include "cuda/kernels.h"
#include "math/sh_adjoint.h"

namespace avatar_rt::cuda {
namespace {

using scalar::Vec3;

// max(Σ basis·coefficient + ½, 0), the basis at the direction from the eye. What is not finite stays
// so (-inf as NaN), and the Gaussian is then skipped.
__global__ void __launch_bounds__(kThreads) shade_kernel(ShadeArgs args, std::int64_t count) {
  const std::int64_t index = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (index >= count) return;
  const float* m = args.means + 3 * index;
  const auto direction = scalar::direction_of(
      Vec3<float>{m[0] - args.eye[0], m[1] - args.eye[1], m[2] - args.eye[2]});
  float basis[16];
  scalar::sh_basis(direction.unit, args.count, basis);
  const float* sh = args.coefficients + static_cast<std::size_t>(index) * args.stride;
  float rgb[3] = {0.5f, 0.5f, 0.5f};
  for (int b = 0; b < 16; ++b) {
    if (b >= args.count) break;  // unrolled, the basis stays in registers
    for (int c = 0; c < 3; ++c) rgb[c] += basis[b] * sh[3 * b + c];
  }
  for (int c = 0; c < 3; ++c) args.colors[3 * index + c] = rgb[c] < 0 ? 0 * rgb[c] : rgb[c];
}

}  // namespace

void shade(cudaStream_t stream, const ShadeArgs& args, std::int64_t count) {
  launch(stream, shade_kernel, blocks_for(count, kThreads), kThreads, args, count);
}

}  // namespace avatar_rt::cuda
