// Vertices: rest + expression and pose deltas, then linear blend skinning. Triangles: their frames.
#include "cpu/stages.h"
#include "math/lane.h"
#include "math/rig.h"
#include "math/skin.h"

namespace avatar_rt::AVATAR_RT_ISA {

void skin(const SkinArgs& args, int first_pack, int last_pack) {
  for (int pack = first_pack; pack < last_pack; ++pack) {
    for (int half = 0; half < kPack; half += kWidth) {
      const float* rest = args.rest + std::size_t{48} * pack + half;
      F p[3] = {load(rest), load(rest + 16), load(rest + 32)};
      for (std::uint32_t d = args.delta_begin[pack]; d < args.delta_begin[pack + 1]; ++d) {
        const float weight = args.coefficients[args.delta_source[d]] * args.delta_scale[d];
        if (weight == 0) continue;
        const std::int16_t* delta = args.deltas + std::size_t{48} * d + half;
        for (int c = 0; c < 3; ++c) p[c] += weight * load_int16(delta + 16 * c);
      }
      F m[12] = {};
      for (std::uint32_t k = args.influence_begin[pack]; k < args.influence_begin[pack + 1]; ++k) {
        const F weight = load(args.influence_weight + std::size_t{16} * k + half);
        const float* joint = args.matrices + std::size_t{12} * args.influence_joint[k];
        for (int i = 0; i < 12; ++i) m[i] += weight * joint[i];
      }
      const std::size_t at = std::size_t{16} * pack + half;
      const Vec3<F> posed = skin_vertex(m, {p[0], p[1], p[2]});
      store(args.x + at, posed.x);
      store(args.y + at, posed.y);
      store(args.z + at, posed.z);
    }
  }
}

void frames(const FrameArgs& args, int first_pack, int last_pack) {
  const float* R = args.view.rotation;
  const F tiny = splat(kTinySquare);
  for (int at = first_pack * kPack; at < last_pack * kPack; at += kWidth) {
    Vec3<F> v[3];
    for (int k = 0; k < 3; ++k) {
      const I corner = load(args.corners[k] + at);
      v[k] = {gather(args.x, corner), gather(args.y, corner), gather(args.z, corner)};
    }
    TriangleFrame<F> frame = args.similarity ? similarity_frame(v[0], v[1], v[2], tiny)
                                             : affine_frame(v[0], v[1], v[2], tiny);
    float* out = args.out + at;
    const auto put = [&](F value) __attribute__((always_inline)) {
      store(out, value);
      out += args.stride;
    };
    const auto rotate = [&](Vec3<F> a, float tx, float ty, float tz)
                            __attribute__((always_inline)) {
      const Vec3<F> seen = turned(R, a);
      put(seen.x + tx);
      put(seen.y + ty);
      put(seen.z + tz);
    };
    for (const Vec3<F>& axis : frame.axis) rotate(axis, 0, 0, 0);
    const float* t = args.view.translation;
    rotate(frame.origin, t[0], t[1], t[2]);
    if (args.similarity) {
      put(frame.along1);
      put(frame.along2);
      put(frame.across2);
    }
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
