#include "core/view.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "math/rig.h"

namespace avatar_rt {

void Face::pose(const PackedAvatar& avatar, const PoseView& pose, int threads) {
  const PackedHead& head = avatar.head;
  const auto expressions = static_cast<std::size_t>(avatar.expression_count);
  const auto joints = static_cast<std::size_t>(avatar.skeleton.count());
  coefficients_.reserve(expressions + 9 * joints);
  matrices_.reserve(12 * joints);
  for (auto& axis : axes_) axis.reserve(static_cast<std::size_t>(head.packs) * kPack);
  avatar.skeleton.pose(pose, expressions, coefficients_.data(), matrices_.data());
  const SkinArgs args{head.rest.data(),
                      head.delta_begin.data(),
                      head.delta_source.data(),
                      head.delta_scale.data(),
                      head.deltas.data(),
                      coefficients_.data(),
                      head.influence_begin.data(),
                      head.influence_joint.data(),
                      head.influence_weight.data(),
                      matrices_.data(),
                      axes_[0].data(),
                      axes_[1].data(),
                      axes_[2].data()};
  over_packs(threads, head.packs,
             [&](int first, int last) { backend().stages->skin(args, first, last); });
}

void View::place(const PackedAvatar& avatar, const Face& face_, const Rigid& camera, int threads) {
  const PackedGaussians& bound = avatar.gaussians;
  // look_up() reads a whole lane from any triangle on
  frame_stride_ = static_cast<std::size_t>(bound.triangle_packs + 1) * kPack;
  if (frames_.size() < frame_stride_ * kFrameFields) frames_.zeros(frame_stride_ * kFrameFields);
  const FrameArgs args{
      {bound.corners[0].data(), bound.corners[1].data(), bound.corners[2].data()},
      face_.axis(0),
      face_.axis(1),
      face_.axis(2),
      camera,
      avatar.similarity,
      frames_.data(),
      frame_stride_};
  over_packs(threads, bound.triangle_packs,
             [&](int first, int last) { backend().stages->frames(args, first, last); });
}

void View::gaussians(const PackedAvatar& avatar, int threads, float* means, float* covars) const {
  using scalar::Vec3;
  const int packs = static_cast<int>((avatar.gaussian_count + kPack - 1) / kPack);
  over_packs(threads, packs, [&](int first, int last) {
    const std::int64_t end = std::min(avatar.gaussian_count, std::int64_t{last} * kPack);
    for (std::int64_t i = std::int64_t{first} * kPack; i < end; ++i) {
      const std::int64_t at = i / kPack * kRigFields * kPack + i % kPack;
      const float* field = &avatar.gaussians.fields[static_cast<std::size_t>(at)];
      const auto get = [&](int k) { return field[16 * k]; };
      std::int32_t triangle;
      std::memcpy(&triangle, field, sizeof triangle);
      const auto of_frame = [&](int k) {
        return frames_[static_cast<std::size_t>(k) * frame_stride_ +
                       static_cast<std::size_t>(triangle)];
      };
      const auto vec = [&](int k) {
        return Vec3<float>{of_frame(k), of_frame(k + 1), of_frame(k + 2)};
      };
      Vec3<float> local = {get(1), get(2), get(3)};
      if (avatar.similarity) {
        local.x += get(4) * of_frame(12) + get(5) * of_frame(13);
        local.z += get(5) * of_frame(14);
      }
      const Vec3<float> axis[3] = {vec(0), vec(3), vec(6)};
      const Vec3<float> mean =
          vec(9) + local.x * axis[0] + local.y * axis[1] + local.z * axis[2];
      // columns of the covariance's root in the world
      const Vec3<float> root[3] = {
          get(6) * axis[0] + get(7) * axis[1] + get(9) * axis[2],
          get(8) * axis[1] + get(10) * axis[2], get(11) * axis[2]};
      float* m = means + 3 * i;
      float* v = covars + 6 * i;
      m[0] = mean.x, m[1] = mean.y, m[2] = mean.z;
      std::fill_n(v, 6, 0.0f);
      for (const Vec3<float>& r : root) {
        v[0] += r.x * r.x, v[1] += r.x * r.y, v[2] += r.x * r.z;
        v[3] += r.y * r.y, v[4] += r.y * r.z, v[5] += r.z * r.z;
      }
    }
  });
}

void View::draw(const PackedAvatar& avatar, Shot& shot, PixelFormat format, Quality quality,
                int threads) {
  const PackedGaussians& bound = avatar.gaussians;
  const bool harmonic = avatar.sh_count > 1;
  const std::int64_t packs = (avatar.gaussian_count + kPack - 1) / kPack;
  if (harmonic) shaded_.reserve(static_cast<std::size_t>(packs) * kPack * 4);

  RigArgs rig{};
  rig.count = avatar.gaussian_count;
  rig.packs = bound.fields.data();
  rig.frames = frames_.data();
  rig.frame_stride = frame_stride_;
  rig.similarity = avatar.similarity;
  rig.sh = harmonic ? bound.sh.data() : nullptr;
  rig.sh_count = avatar.sh_count;
  rig.shaded = shaded_.data();

  BlendArgs blend{};
  blend.colors = harmonic ? shaded_.data() : bound.colors.data();
  blend.color_stride = 4;
  blend.channels = 3;
  blend.image = shot.pixels;
  blend.target = target_of(format);
  blend.background = is_opaque(format) ? shot.background : nullptr;
  shot.skipped = canvas_.draw(
      avatar.gaussian_count, shot.camera, quality, threads,
      [&](const ProjectArgs& args, Segment& segment) {
        backend().stages->project_rig(args, rig, segment);
      },
      blend, [&](const BlendArgs& args) { canvas_.blend_tiles(args, threads); }, &shot.times);
}

}  // namespace avatar_rt
