// Colours of Gaussians in plain arrays by spherical harmonics.
#include "core/splat_args.h"
#include "cpu/stages.h"
#include "math/lane.h"
#include "math/sh_adjoint.h"

namespace avatar_rt::AVATAR_RT_ISA {

// max(Σ basis·coefficient + ½, 0), the basis at the direction from the eye. What is not finite stays
// so (-inf as NaN), and the Gaussian is then skipped.
void shade(const ShadeArgs& args, std::int64_t first, std::int64_t last) {
  for (std::int64_t i = first; i < last; i += kWidth) {
    const int lanes = static_cast<int>(last - i < kWidth ? last - i : kWidth);
    alignas(64) float place[3][kWidth] = {};
    for (int k = 0; k < lanes; ++k) {
      for (int c = 0; c < 3; ++c) place[c][k] = args.means[3 * (i + k) + c] - args.eye[c];
    }
    const auto direction =
        direction_of(Vec3<F>{load(place[0]), load(place[1]), load(place[2])});
    F basis[16];
    sh_basis(direction.unit, args.count, basis);
    alignas(64) float at[16][kWidth];
    for (int b = 0; b < args.count; ++b) store(at[b], basis[b]);
    for (int k = 0; k < lanes; ++k) {
      const float* sh = args.coefficients + static_cast<std::size_t>(i + k) * args.stride;
      F4 sum = F4{} + 0.5f;
      int b = 0;
      // four floats at once: r g b and one of the next, which the last has not got
      for (; b + 1 < args.count; ++b) sum += at[b][k] * load4(sh + 3 * b);
      const F4 end = {sh[3 * b], sh[3 * b + 1], sh[3 * b + 2], 0};
      sum += at[b][k] * end;
      float* out = args.colors + 3 * (i + k);
      for (int c = 0; c < 3; ++c) out[c] = sum[c] < 0 ? 0 * sum[c] : sum[c];
    }
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
