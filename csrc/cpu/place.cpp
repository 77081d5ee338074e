// Gaussians from their triangles' frames into the world, as means and covariances, and back.
#include "core/animation_args.h"
#include "cpu/rows.h"
#include "cpu/stages.h"
#include "math/rig_adjoint.h"

namespace avatar_rt::AVATAR_RT_ISA {
namespace {

struct Lane {
  std::int64_t at;  // its first Gaussian
  int count;
  std::int32_t triangle[kWidth];
  TriangleFrame<F> frame;
  LocalGaussian<F> own;
};

template <bool kSimilarity>
AVATAR_RT_INLINE Lane load_lane(const PlaceArgs& args, std::int64_t at, std::int64_t last) {
  Lane lane;
  lane.at = at;
  lane.count = last - at < kWidth ? static_cast<int>(last - at) : kWidth;
  // Gaussians mostly come by ascending triangles: a lane then finds its own within one load
  bool near = true;
  for (int k = 0; k < kWidth; ++k) {
    const std::int32_t triangle = args.triangles[at + (k < lane.count ? k : lane.count - 1)];
    lane.triangle[k] = triangle;
    near = near && triangle >= lane.triangle[0] && triangle - lane.triangle[0] < kWidth;
  }
  const I triangle = load(lane.triangle), from_first = triangle - lane.triangle[0];
  F f[15];
  for (int k = 0; k < (kSimilarity ? 15 : 12); ++k) {
    const float* field = args.frames + k * args.frame_stride;
    f[k] = near ? look_up(field + lane.triangle[0], from_first) : gather(field, triangle);
  }
  lane.frame = {{{f[0], f[1], f[2]}, {f[3], f[4], f[5]}, {f[6], f[7], f[8]}},
                {f[9], f[10], f[11]},
                splat(1.0f), F{}, splat(1.0f), F{}};
  if constexpr (kSimilarity) {
    lane.frame.along1 = f[12], lane.frame.along2 = f[13];
    lane.frame.flat2 = F{}, lane.frame.across2 = f[14];
  }
  F b[3], o[3], q[4], s[3];
  load_rows(args.barycentric + 3 * at, lane.count, b);
  load_rows(args.offsets + 3 * at, lane.count, o);
  load_rows(args.quats + 4 * at, lane.count, q);
  load_rows(args.scales + 3 * at, lane.count, s);
  // one of no length turns nothing, and its gradient is 0
  const F square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
  const F unit = rsqrt(max(square, splat(kTinySquare)));
  lane.own = {{o[0], o[1], o[2]},
              b[1],
              b[2],
              {unit * q[0], unit * q[1], unit * q[2], unit * q[3]},
              unit,
              {s[0], s[1], s[2]}};
  return lane;
}

template <bool kSimilarity>
AVATAR_RT_INLINE void place_lane(const PlaceArgs& args, std::int64_t at, std::int64_t last) {
  const Lane lane = load_lane<kSimilarity>(args, at, last);
  const PlacedGaussian<F> placed = avatar_rt::AVATAR_RT_ISA::place(lane.frame, lane.own);
  F covar[6];
  covariance(placed, covar);
  const F mean[3] = {placed.mean.x, placed.mean.y, placed.mean.z};
  store_rows(args.means + 3 * at, lane.count, false, mean);
  store_rows(args.covars + 6 * at, lane.count, false, covar);
}

// Adds each Gaussian's part, from column c on, to its triangle's row. Four of one triangle are
// summed first: additions to the same place in memory wait for each other.
AVATAR_RT_INLINE void add_parts(const PlaceAdjointArgs& args, const Lane& lane, int c,
                                const F4 (&parts)[kWidth]) {
  if (args.places != nullptr) {
    for (int k = 0; k < lane.count; ++k) {
      const auto place = static_cast<std::size_t>(args.places[lane.at + k]);
      store4(args.parts + kFrameRow * place + c, parts[k]);
    }
    return;
  }
  const auto row = [&](int k) __attribute__((always_inline)) {
    return args.rows + std::size_t{kFrameRow} * static_cast<std::size_t>(lane.triangle[k]) + c;
  };
  for (int k = 0; k < lane.count; k += 4) {
    if (k + 4 <= lane.count && lane.triangle[k] == lane.triangle[k + 3]) {
      store4(row(k), load4(row(k)) + ((parts[k] + parts[k + 1]) + (parts[k + 2] + parts[k + 3])));
      continue;
    }
    for (int i = k; i < k + 4 && i < lane.count; ++i) store4(row(i), load4(row(i)) + parts[i]);
  }
}

template <bool kSimilarity>
AVATAR_RT_INLINE void place_adjoint_lane(const PlaceAdjointArgs& args, std::int64_t at,
                                         std::int64_t last) {
  const Lane lane = load_lane<kSimilarity>(args.place, at, last);
  const PlacedGaussian<F> placed = avatar_rt::AVATAR_RT_ISA::place(lane.frame, lane.own);
  F mean[3] = {}, covar[6] = {};
  if (args.means != nullptr) load_rows(args.means + 3 * at, lane.count, mean);
  if (args.covars != nullptr) load_rows(args.covars + 6 * at, lane.count, covar);
  LocalGradient<F> g;
  FrameGradient<F> f;
  avatar_rt::AVATAR_RT_ISA::place_adjoint(lane.frame, lane.own, placed,
                                          {mean[0], mean[1], mean[2]}, covar, g, f);
  // one that is not finite was never drawn: it pulls at nothing
  F drawn[6];
  covariance(placed, drawn);
  const F sum = placed.mean.x + placed.mean.y + placed.mean.z + drawn[0] + drawn[3] + drawn[5];
  const M finite = at_least(sum * 0.0f, F{});
  const auto sound = [&](F v) __attribute__((always_inline)) { return select(finite, v, F{}); };
  const F b[3] = {F{}, sound(g.b1), sound(g.b2)};
  const F o[3] = {sound(g.offset.x), sound(g.offset.y), sound(g.offset.z)};
  const F q[4] = {sound(g.quat.w), sound(g.quat.x), sound(g.quat.y), sound(g.quat.z)};
  const F s[3] = {sound(g.scale[0]), sound(g.scale[1]), sound(g.scale[2])};
  store_rows(args.barycentric + 3 * at, lane.count, args.add, b);
  store_rows(args.offsets + 3 * at, lane.count, args.add, o);
  store_rows(args.quats + 4 * at, lane.count, args.add, q);
  store_rows(args.scales + 3 * at, lane.count, args.add, s);

  const F fields[16] = {f.axis[0].x, f.axis[0].y, f.axis[0].z, f.axis[1].x,
                        f.axis[1].y, f.axis[1].z, f.axis[2].x, f.axis[2].y,
                        f.axis[2].z, f.origin.x,  f.origin.y,  f.origin.z,
                        f.along1,    f.along2,    f.across2,   F{}};
  for (int c = 0; c < (kSimilarity ? 16 : 12); c += 4) {
    F4 parts[kWidth];
    parts_of(sound(fields[c]), sound(fields[c + 1]), sound(fields[c + 2]), sound(fields[c + 3]),
             parts);
    add_parts(args, lane, c, parts);
  }
}

}  // namespace

void place(const PlaceArgs& args, std::int64_t first, std::int64_t last) {
  for (std::int64_t at = first; at < last; at += kWidth) {
    if (args.similarity) {
      place_lane<true>(args, at, last);
    } else {
      place_lane<false>(args, at, last);
    }
  }
}

void place_adjoint(const PlaceAdjointArgs& args, std::int64_t first, std::int64_t last) {
  for (std::int64_t at = first; at < last; at += kWidth) {
    if (args.place.similarity) {
      place_adjoint_lane<true>(args, at, last);
    } else {
      place_adjoint_lane<false>(args, at, last);
    }
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
