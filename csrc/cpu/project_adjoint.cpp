// From a Gaussian's sums over its pixels back to its parameters and to the camera.
#include "core/backend.h"
#include "core/splat_args.h"
#include "cpu/stages.h"
#include "math/blend.h"
#include "math/gaussian_adjoint.h"
#include "math/sh_adjoint.h"

namespace avatar_rt::AVATAR_RT_ISA {
namespace {

// `count` floats of each of a lane's rows, one lane per float; rows beyond `lanes` are zero.
AVATAR_RT_INLINE void load_rows(const float* rows, std::size_t stride, int count, int lanes,
                                float (*out)[kWidth]) {
  for (int k = 0; k < lanes; ++k) {
    for (int c = 0; c < count; ++c) out[c][k] = rows[static_cast<std::size_t>(k) * stride + c];
  }
  for (int k = lanes; k < kWidth; ++k) {
    for (int c = 0; c < count; ++c) out[c][k] = 0;
  }
}

// The reverse, added, and nothing where `touched` says so: their numbers may be NaN.
AVATAR_RT_INLINE void add_rows(const F* values, int count, M touched, float* rows) {
  alignas(64) float lane[12][kWidth];
  for (int c = 0; c < count; ++c) store(lane[c], values[c]);
  for (unsigned todo = bits(touched); todo != 0; todo &= todo - 1) {
    const int k = __builtin_ctz(todo);
    for (int c = 0; c < count; ++c) rows[k * count + c] += lane[c][k];
  }
}

struct CameraSums {
  F sum[kCameraSums] = {};
};

// Harmonics: of their coefficients into args.colors, of the direction into the result. `rgb` is that
// of the colours, already zero where those were clamped.
AVATAR_RT_INLINE Vec3<F> shade_adjoint(const ProjectAdjointArgs& args, const ShadeArgs& shade,
                                       Vec3<F> from_eye, const F (&rgb)[3], M touched,
                                       std::int64_t index) {
  const auto direction = direction_of(from_eye);
  F basis[16] = {}, of_basis[16];
  sh_basis(direction.unit, shade.count, basis);
  alignas(64) float at[16][kWidth], of_at[16][kWidth] = {}, color[3][kWidth];
  for (int b = 0; b < shade.count; ++b) store(at[b], basis[b]);
  for (int c = 0; c < 3; ++c) store(color[c], rgb[c]);
  for (unsigned todo = bits(touched); todo != 0; todo &= todo - 1) {
    const int k = __builtin_ctz(todo);
    const auto place = static_cast<std::size_t>(index + k) * shade.stride;
    const float* sh = shade.coefficients + place;
    float* out = args.colors + place;
    const float r = color[0][k], g = color[1][k], b = color[2][k];
    for (int n = 0; n < shade.count; ++n) {
      of_at[n][k] = r * sh[3 * n] + g * sh[3 * n + 1] + b * sh[3 * n + 2];
      out[3 * n] += at[n][k] * r;
      out[3 * n + 1] += at[n][k] * g;
      out[3 * n + 2] += at[n][k] * b;
    }
  }
  for (int b = 0; b < 16; ++b) of_basis[b] = load(of_at[b]);
  return direction_adjoint(direction, sh_basis_adjoint(direction.unit, shade.count, of_basis));
}

void adjoint_lane(const ProjectAdjointArgs& args, std::int64_t i, int lanes, CameraSums& camera) {
  const GaussianView& g = args.gaussians;
  const auto row = static_cast<std::size_t>(i);
  const int stride = sum_count(g.channels);
  alignas(64) float sums[kMoments + kMaxChannels][kWidth];
  load_rows(args.sums + row * stride, stride, stride, lanes, sums);
  F size{};
  for (int k = 0; k < stride; ++k) size += max(load(sums[k]), -load(sums[k]));
  M touched = less(F{}, size);
  if (bits(touched) == 0) return;
  constexpr float kPer = 1 / kExponentRoot, kPer2 = kPer * kPer;
  const Moments<F> moments = {load(sums[0]),         load(sums[1]) * kPer,  load(sums[2]) * kPer,
                              load(sums[3]) * kPer2, load(sums[4]) * kPer2, load(sums[5]) * kPer2};

  alignas(64) float field[12][kWidth];
  const auto get = [&](int k) __attribute__((always_inline)) { return load(field[k]); };
  load_rows(g.means + 3 * row, 3, 3, lanes, field);
  const Vec3<F> world = {get(0), get(1), get(2)};
  // so far away that the square of its distance overflows, it moves nothing
  touched = both(touched, less(dot(world, world), splat(1e30f)));
  load_rows(g.opacities + row, 1, 1, lanes, field);
  const F opacity = get(0);
  const Seen<F> seen = seen_from(args.view, args.lens, world);
  Ellipse<F> e;
  EllipseAdjoint<F> of_e;
  RowAdjoint<F> of_rows;
  if (g.covars != nullptr) {
    load_rows(g.covars + 6 * row, 6, 6, lanes, field);
    const F v[6] = {get(0), get(1), get(2), get(3), get(4), get(5)};
    e = ellipse_of_covariance(seen, v);
    of_e = ellipse_adjoint(e, moments);
    F out[6];
    of_rows = covariance_adjoint(seen, v, of_e, out);
    add_rows(out, 6, touched, args.covars + 6 * row);
  } else {
    load_rows(g.quats + 4 * row, 4, 4, lanes, field);
    load_rows(g.scales + 3 * row, 3, 3, lanes, field + 4);
    Quat<F> q = {get(0), get(1), get(2), get(3)}, of_q;
    const F per_length = rsqrt(q.w * q.w + q.x * q.x + q.y * q.y + q.z * q.z);
    q = {per_length * q.w, per_length * q.x, per_length * q.y, per_length * q.z};
    const F scale[3] = {get(4), get(5), get(6)};
    F of_scale[3];
    const Axes<F> axes = axes_of(seen, q, scale);
    e = ellipse_of_axes(seen, axes);
    of_e = ellipse_adjoint(e, moments);
    of_rows = axes_adjoint(seen, axes, q, per_length, of_e, of_q, of_scale);
    const F quat[4] = {of_q.w, of_q.x, of_q.y, of_q.z};
    add_rows(quat, 4, touched, args.quats + 4 * row);
    add_rows(of_scale, 3, touched, args.scales + 3 * row);
  }
  const MeanAdjoint<F> of_mean = mean_adjoint(args.view, args.lens, seen, of_e, of_rows);
  Vec3<F> of_world = of_mean.world;

  // log alpha = log opacity - …; an opacity above 1 counts as 1
  const F of_opacity = select(less(splat(1.0f), opacity), F{}, moments.one * rcp(opacity));
  add_rows(&of_opacity, 1, touched, args.opacities + row);
  Vec3<F> of_eye = {F{}, F{}, F{}};
  if (args.shade != nullptr) {
    load_rows(args.shade->colors + 3 * row, 3, 3, lanes, field);
    F rgb[3];
    for (int c = 0; c < 3; ++c) rgb[c] = select(less(F{}, get(c)), load(sums[kMoments + c]), F{});
    const float* eye = args.shade->eye;
    const Vec3<F> from_eye = {world.x - eye[0], world.y - eye[1], world.z - eye[2]};
    const Vec3<F> of_direction = shade_adjoint(args, *args.shade, from_eye, rgb, touched, i);
    of_world = of_world + of_direction;
    of_eye = of_direction;
  } else {
    for (int k = 0; k < lanes; ++k) {
      float* out = args.colors + (row + k) * static_cast<std::size_t>(g.channels);
      for (int c = 0; c < g.channels; ++c) out[c] += sums[kMoments + c][k];
    }
  }
  const F point[3] = {of_world.x, of_world.y, of_world.z};
  add_rows(point, 3, touched, args.means + 3 * row);
  const F flat[2] = {of_e.x, of_e.y};
  add_rows(flat, 2, touched, args.means2d + 2 * row);
  // how far alpha is at least the minimum, as emit.h finds it
  alignas(64) float most_xx[kWidth];
  store(most_xx, max(e.xx, e.yy));
  for (unsigned todo = bits(touched); todo != 0; todo &= todo - 1) {
    const int k = __builtin_ctz(todo);
    const float o = g.opacities[i + k] < 1 ? g.opacities[i + k] : 1.0f;
    const float reach = 2 * __builtin_logf(o / args.alpha_min);
    args.radii[i + k] = sqrt(max(reach, 0.0f) * most_xx[k]);
  }

  F all[kCameraSums];
  view_adjoint(seen, world, of_rows, of_mean.seen, all);
  all[12] = -of_eye.x;
  all[13] = -of_eye.y;
  all[14] = -of_eye.z;
  for (int k = 0; k < kCameraSums; ++k) camera.sum[k] += select(touched, all[k], F{});
}

}  // namespace

void project_adjoint(const ProjectAdjointArgs& args, std::int64_t first, std::int64_t last) {
  CameraSums camera;
  for (std::int64_t i = first; i < last; i += kWidth) {
    adjoint_lane(args, i, static_cast<int>(last - i < kWidth ? last - i : kWidth), camera);
  }
  for (int k = 0; k < kCameraSums; ++k) args.camera[k] += sum(camera.sum[k]);
}

}  // namespace avatar_rt::AVATAR_RT_ISA
