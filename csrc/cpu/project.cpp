// Gaussians, from a rig's triangles or from plain arrays, onto the screen and into tiles.
#include "cpu/emit.h"
#include "cpu/stages.h"
#include "math/gaussian.h"
#include "math/sh.h"

namespace avatar_rt::AVATAR_RT_ISA {
namespace {

// The colours of a lane of Gaussians seen along `direction` (camera space, any length).
AVATAR_RT_INLINE void shade(const ProjectArgs& args, const RigArgs& rig, Vec3<F> direction,
                            std::int64_t index) {
  const F scale = rsqrt(max(dot(direction, direction), splat(kTinySquare)));
  const Vec3<F> world = turned_back(args.view.rotation, scale * direction);
  F basis[16];
  sh_basis(world, rig.sh_count, basis);
  const float* sh =
      rig.sh + std::size_t{48} * rig.sh_count * (index / kPack) + index % kPack;
  F rgb[3] = {splat(0.5f), splat(0.5f), splat(0.5f)};
  for (int k = 0; k < rig.sh_count; ++k) {
    for (int c = 0; c < 3; ++c) rgb[c] += basis[k] * load(sh + 16 * (3 * k + c));
  }
  for (F& value : rgb) value = clamp(value, F{}, splat(1e30f));  // a broken camera spreads no NaN
  F4 rows[kWidth];
  parts_of(rgb[0], rgb[1], rgb[2], F{}, rows);
  for (int k = 0; k < kWidth; ++k) store4(rig.shaded + 4 * (index + k), rows[k]);
}

template <bool kSimilarity, bool kNear>
[[gnu::noinline]] void project_rig_lane(const ProjectArgs& args, const RigArgs& rig,
                                        Segment& segment, std::int64_t index) {
  const float* pack = rig.packs + std::size_t{kRigFields * kPack} * (index / kPack) + index % kPack;
  const auto field = [&](int k) __attribute__((always_inline)) { return load(pack + 16 * k); };
  const I triangle = (I)field(0);
  const int low = triangle[0];
  const I place = triangle - low;
  const float* frames = rig.frames + low;
  const auto frame = [&](int k) __attribute__((always_inline)) {
    return kNear ? look_up(frames + k * rig.frame_stride, place)
                 : gather(frames + k * rig.frame_stride, place);
  };
  M faces = first_lanes(kWidth);
  if (args.facing_min > -1) {
    const Vec3<F> normal = {frame(3), frame(4), frame(5)};
    const Vec3<F> origin = {frame(9), frame(10), frame(11)};
    F away = dot(normal, origin) *
             rough_rsqrt(max(dot(normal, normal) * dot(origin, origin), splat(kTinySquare)));
    // what is not a number is kept, to be counted
    away = select(less(max(away, -away), splat(2.0f)), away, splat(-1.0f));
    faces = less(away, splat(-args.facing_min));
    if (!bits(faces)) return;
  }
  Vec3<F> local = {field(1), field(2), field(3)};
  if constexpr (kSimilarity) {
    const F b1 = field(4), b2 = field(5);
    local.x += b1 * frame(12) + b2 * frame(13);
    local.z += b2 * frame(14);
  }
  const F az = frame(2), bz = frame(5), cz = frame(8);
  const F depth = frame(11) + local.x * az + local.y * bz + local.z * cz;
  const Vec3<F> axis[3] = {
      {frame(0), frame(1), az}, {frame(3), frame(4), bz}, {frame(6), frame(7), cz}};
  const Vec3<F> mean = {
      frame(9) + local.x * axis[0].x + local.y * axis[1].x + local.z * axis[2].x,
      frame(10) + local.x * axis[0].y + local.y * axis[1].y + local.z * axis[2].y, depth};
  const Footprint<F> foot = footprint(mean, args.lens);
  F ax[3], ay[3];
  for (int k = 0; k < 3; ++k) {
    ax[k] = foot.row_x.x * axis[k].x + foot.row_x.z * axis[k].z;
    ay[k] = foot.row_y.y * axis[k].y + foot.row_y.z * axis[k].z;
  }
  const F r00 = field(6), r10 = field(7), r11 = field(8), r20 = field(9), r21 = field(10),
          r22 = field(11);
  const F tx[3] = {ax[0] * r00 + ax[1] * r10 + ax[2] * r20, ax[1] * r11 + ax[2] * r21, ax[2] * r22};
  const F ty[3] = {ay[0] * r00 + ay[1] * r10 + ay[2] * r20, ay[1] * r11 + ay[2] * r21, ay[2] * r22};
  if (rig.sh != nullptr) shade(args, rig, mean, index);
  const std::int64_t left = rig.count - index;
  const M valid = both(faces, first_lanes(left < kWidth ? static_cast<int>(left) : kWidth));
  emit(args, segment, ellipse_of_root(foot.x, foot.y, mean.z, tx, ty), field(12), valid, index);
}

// log2 of an opacity: at most 0, -1000 where it is not positive, NaN where it is NaN.
AVATAR_RT_INLINE float log2_opacity_of(float opacity) {
  if (opacity >= 1) return opacity < __builtin_inff() ? 0 : opacity;
  if (opacity <= 0) return opacity > -__builtin_inff() ? -1000 : opacity;
  return __builtin_log2f(opacity);
}

}  // namespace

void project_rig(const ProjectArgs& args, const RigArgs& rig, Segment& segment) {
  for (std::int64_t i = segment.first; i < segment.last; i += kWidth) {
    std::int32_t first, last;
    const float* triangles = rig.packs + std::size_t{kRigFields * kPack} * (i / kPack) + i % kPack;
    std::memcpy(&first, triangles, sizeof first);
    std::memcpy(&last, triangles + kWidth - 1, sizeof last);
    // triangles ascend, so a lane mostly finds its own within one load
    const bool near = last - first < kWidth;
    if (rig.similarity) {
      near ? project_rig_lane<true, true>(args, rig, segment, i)
           : project_rig_lane<true, false>(args, rig, segment, i);
    } else {
      near ? project_rig_lane<false, true>(args, rig, segment, i)
           : project_rig_lane<false, false>(args, rig, segment, i);
    }
  }
}

void project_array(const ProjectArgs& args, const GaussianView& g, Segment& segment) {
  for (std::int64_t i = segment.first; i < segment.last; i += kWidth) {
    const int lanes = static_cast<int>(segment.last - i < kWidth ? segment.last - i : kWidth);
    alignas(64) float field[11][kWidth] = {};
    for (int k = 0; k < lanes; ++k) {
      const std::int64_t n = i + k;
      for (int c = 0; c < 3; ++c) field[c][k] = g.means[3 * n + c];
      if (g.covars != nullptr) {
        for (int c = 0; c < 6; ++c) field[3 + c][k] = g.covars[6 * n + c];
      } else {
        for (int c = 0; c < 4; ++c) field[3 + c][k] = g.quats[4 * n + c];
        for (int c = 0; c < 3; ++c) field[7 + c][k] = g.scales[3 * n + c];
      }
      float log2_opacity = log2_opacity_of(g.opacities[n]);
      for (int c = 0; g.colors != nullptr && c < g.channels; ++c) {
        // 0 for a finite colour, NaN otherwise
        log2_opacity += g.colors[n * g.channels + c] * 0.0f;
      }
      field[10][k] = log2_opacity;
    }
    const auto get = [&](int k) __attribute__((always_inline)) { return load(field[k]); };
    const Seen<F> seen = seen_from(args.view, args.lens, Vec3<F>{get(0), get(1), get(2)});
    const M valid = first_lanes(lanes);
    if (g.covars != nullptr) {
      const F v[6] = {get(3), get(4), get(5), get(6), get(7), get(8)};
      emit(args, segment, ellipse_of_covariance(seen, v), get(10), valid, i);
      continue;
    }
    const Quat<F> q = {get(3), get(4), get(5), get(6)};
    const F unit = rsqrt(q.w * q.w + q.x * q.x + q.y * q.y + q.z * q.z);
    const F scale[3] = {get(7), get(8), get(9)};
    const Axes<F> axes = axes_of(seen, {unit * q.w, unit * q.x, unit * q.y, unit * q.z}, scale);
    emit(args, segment, ellipse_of_axes(seen, axes), get(10), valid, i);
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
