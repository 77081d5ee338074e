// The adjoint of animate.cpp: from the frames of triangles to their corners, and from vertices to
// the rest shape, the coefficients of its deltas and the matrices of its joints.
#include "core/animation_args.h"
#include "cpu/rows.h"
#include "cpu/stages.h"
#include "math/rig_adjoint.h"
#include "math/skin.h"

namespace avatar_rt::AVATAR_RT_ISA {
namespace {

AVATAR_RT_INLINE FrameGradient<F> take_rows(float* rows) {
  F f[kFrameRow];
  for (int c = 0; c < kFrameRow; c += 4) {
    F column[4];
    columns_of(
        [&](int k) __attribute__((always_inline)) {
          float* from = rows + kFrameRow * k + c;
          const F4 part = load4(from);
          store4(from, F4{});
          return part;
        },
        column);
    for (int i = 0; i < 4; ++i) f[c + i] = column[i];
  }
  return {{{f[0], f[1], f[2]}, {f[3], f[4], f[5]}, {f[6], f[7], f[8]}},
          {f[9], f[10], f[11]},
          f[12], f[13], f[14]};
}

// The gradient of kWidth posed vertices from `first` on: what their corners and the caller give.
AVATAR_RT_INLINE Vec3<F> gather_vertices(const SkinAdjointArgs& args, int first) {
  alignas(64) float plane[3][kWidth] = {};
  for (int k = 0; k < kWidth && first + k < args.vertex_count; ++k) {
    const int v = first + k;
    F4 sum{};
    if (args.vertex_gradient != nullptr) {
      const float* own = args.vertex_gradient + std::size_t{3} * v;
      sum = F4{own[0], own[1], own[2], 0};
    }
    if (args.corner_gradient != nullptr) {
      for (std::uint32_t s = args.slot_begin[v]; s < args.slot_begin[v + 1]; ++s) {
        sum += load4(args.corner_gradient + std::size_t{4} * s);
      }
    }
    for (int c = 0; c < 3; ++c) plane[c][k] = sum[c];
  }
  return {load(plane[0]), load(plane[1]), load(plane[2])};
}

AVATAR_RT_INLINE void skin_adjoint_lane(const SkinAdjointArgs& args, int pack, int half,
                                        float* coefficients, float* matrices) {
  const SkinArgs& s = args.skin;
  const std::uint32_t delta_begin = s.delta_begin[pack], delta_end = s.delta_begin[pack + 1];
  const std::uint32_t influence_begin = s.influence_begin[pack],
                      influence_end = s.influence_begin[pack + 1];
  const float* rest = s.rest + std::size_t{48} * pack + half;
  Vec3<F> p = {load(rest), load(rest + 16), load(rest + 32)};
  const auto delta = [&](std::uint32_t d) __attribute__((always_inline)) {
    const std::int16_t* from = s.deltas + std::size_t{48} * d + half;
    return Vec3<F>{load_int16(from), load_int16(from + 16), load_int16(from + 32)};
  };
  for (std::uint32_t d = delta_begin; d < delta_end; ++d) {
    const float weight = s.coefficients[s.delta_source[d]] * s.delta_scale[d];
    if (weight != 0) p = p + splat(weight) * delta(d);
  }
  F m[12] = {};
  for (std::uint32_t k = influence_begin; k < influence_end; ++k) {
    const F weight = load(s.influence_weight + std::size_t{16} * k + half);
    const float* joint = s.matrices + std::size_t{12} * s.influence_joint[k];
    for (int i = 0; i < 12; ++i) m[i] += weight * joint[i];
  }
  const Vec3<F> g = gather_vertices(args, pack * kPack + half);
  for (std::uint32_t k = influence_begin; k < influence_end; ++k) {
    const F weight = load(s.influence_weight + std::size_t{16} * k + half);
    float* joint = matrices + std::size_t{12} * s.influence_joint[k];
    const F rows[3] = {weight * g.x, weight * g.y, weight * g.z};
    for (int r = 0; r < 3; ++r) {
      joint[4 * r] += sum(rows[r] * p.x);
      joint[4 * r + 1] += sum(rows[r] * p.y);
      joint[4 * r + 2] += sum(rows[r] * p.z);
      joint[4 * r + 3] += sum(rows[r]);
    }
  }
  const Vec3<F> of_p = skin_vertex_adjoint(m, g);
  float* out = args.rest_gradient + std::size_t{48} * pack + half;
  store(out, load(out) + of_p.x);
  store(out + 16, load(out + 16) + of_p.y);
  store(out + 32, load(out + 32) + of_p.z);
  for (std::uint32_t d = delta_begin; d < delta_end; ++d) {
    coefficients[s.delta_source[d]] += s.delta_scale[d] * sum(dot(delta(d), of_p));
  }
}

}  // namespace

void frames_adjoint(const FrameAdjointArgs& args, int first_pack, int last_pack) {
  const F tiny = splat(kTinySquare);
  for (int at = first_pack * kPack; at < last_pack * kPack; at += kWidth) {
    Vec3<F> v[3], out[3];
    for (int k = 0; k < 3; ++k) {
      const I corner = load(args.corners[k] + at);
      v[k] = {gather(args.x, corner), gather(args.y, corner), gather(args.z, corner)};
    }
    const FrameGradient<F> g = take_rows(args.rows + std::size_t{kFrameRow} * at);
    if (args.similarity) {
      similarity_frame_adjoint(v[0], v[1], v[2], tiny, g, out);
    } else {
      affine_frame_adjoint(v[0], v[1], v[2], tiny, g, out);
    }
    for (int k = 0; k < 3; ++k) {
      F4 parts[kWidth];
      parts_of(out[k].x, out[k].y, out[k].z, F{}, parts);
      for (int lane = 0; lane < kWidth; ++lane) {
        const auto slot = static_cast<std::size_t>(args.slots[k][at + lane]);
        store4(args.corner_gradient + 4 * slot, parts[lane]);
      }
    }
  }
}

void skin_adjoint(const SkinAdjointArgs& args, int first_pack, int last_pack, float* coefficients,
                  float* matrices) {
  for (int pack = first_pack; pack < last_pack; ++pack) {
    for (int half = 0; half < kPack; half += kWidth) {
      skin_adjoint_lane(args, pack, half, coefficients, matrices);
    }
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
