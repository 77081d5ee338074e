// One avatar: its stages in order.
#include <algorithm>
#include <utility>
#include <vector>

#include "core/canvas.h"
#include "core/pack.h"
#include "core/renderer.h"
#include "core/skeleton.h"
#include "math/rig.h"

namespace avatar_rt {
namespace {

constexpr int kPacksPerItem = 64;  // of vertices or triangles: some microseconds of work

// f(first, last) over 0 … packs, in parallel.
template <class F>
void over_packs(int threads, int packs, const F& f) {
  struct Loop {
    const F* f;
    int packs;
  } loop{&f, packs};
  backend().parallel(
      threads, (packs + kPacksPerItem - 1) / kPacksPerItem,
      [](void* c, int item, int) {
        const auto& own = *static_cast<Loop*>(c);
        (*own.f)(item * kPacksPerItem, std::min(own.packs, (item + 1) * kPacksPerItem));
      },
      &loop);
}

}  // namespace

struct Avatar::State {
  State(const HeadView& head_, const BoundView& bound_, int threads_)
      : threads(threads_),
        vertex_count(head_.vertex_count),
        expression_count(head_.expression_count),
        corrective_count(head_.corrective_count),
        gaussian_count(bound_.count),
        frame(bound_.frame),
        sh_count(bound_.sh_count),
        skeleton(head_.joints, head_.parents, head_.joint_count),
        head(head_),
        bound(head_, bound_) {
    coefficients.zeros(static_cast<std::size_t>(expression_count) +
                       9 * static_cast<std::size_t>(head_.joint_count));
    matrices.zeros(12 * static_cast<std::size_t>(head_.joint_count));
    for (auto& axis : posed) axis.zeros(static_cast<std::size_t>(head.packs) * kPack);
    // look_up() reads a whole lane from any triangle on
    frame_stride = static_cast<std::size_t>(bound.triangle_packs + 1) * kPack;
    frames.zeros(frame_stride * kFrameFields);
    if (sh_count > 1) {
      shaded.zeros(4 * static_cast<std::size_t>((gaussian_count + kPack - 1) / kPack * kPack));
    }
  }

  void skin(const PoseView& pose) {
    float* c = coefficients.data();
    std::copy_n(pose.coefficients, expression_count, c);
    // where the head has no correctives, no delta refers to those behind the expressions
    skeleton.pose(pose.joint_rotations, pose.translation, matrices.data(), c + expression_count);
    const SkinArgs args{head.rest.data(),
                        head.delta_begin.data(),
                        head.delta_source.data(),
                        head.delta_scale.data(),
                        head.deltas.data(),
                        c,
                        head.influence_begin.data(),
                        head.influence_joint.data(),
                        head.influence_weight.data(),
                        matrices.data(),
                        posed[0].data(),
                        posed[1].data(),
                        posed[2].data()};
    over_packs(threads, head.packs,
               [&](int first, int last) { backend().stages->skin(args, first, last); });
  }

  void place_triangles(const Rigid& view) {
    const FrameArgs args{
        {bound.corners[0].data(), bound.corners[1].data(), bound.corners[2].data()},
        posed[0].data(),
        posed[1].data(),
        posed[2].data(),
        view,
        frame == Frame::similarity,
        frames.data(),
        frame_stride};
    over_packs(threads, bound.triangle_packs,
               [&](int first, int last) { backend().stages->frames(args, first, last); });
  }

  int threads, vertex_count, expression_count, corrective_count;
  std::int64_t gaussian_count;
  Frame frame;
  int sh_count;
  Skeleton skeleton;
  PackedHead head;
  PackedGaussians bound;
  Buffer<float> coefficients, matrices, posed[3], frames, shaded;
  std::size_t frame_stride = 0;
  Canvas canvas;
};

Avatar::Avatar(const HeadView& head, const BoundView& gaussians, int threads)
    : state_(std::make_unique<State>(head, gaussians, threads)) {}
Avatar::~Avatar() = default;

int Avatar::vertex_count() const { return state_->vertex_count; }
int Avatar::expression_count() const { return state_->expression_count; }
int Avatar::joint_count() const { return state_->skeleton.count(); }
std::int64_t Avatar::gaussian_count() const { return state_->gaussian_count; }

void Avatar::vertices(const PoseView& pose, float* out) {
  State& s = *state_;
  s.skin(pose);
  for (std::size_t v = 0; v < static_cast<std::size_t>(s.vertex_count); ++v) {
    for (std::size_t c = 0; c < 3; ++c) out[3 * v + c] = s.posed[c][v];
  }
}

void Avatar::gaussians(const PoseView& pose, float* means, float* covars) {
  using scalar::Vec3;
  State& s = *state_;
  s.skin(pose);
  const Rigid world{{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 0}};
  s.place_triangles(world);
  const bool similarity = s.frame == Frame::similarity;
  const int packs = static_cast<int>((s.gaussian_count + kPack - 1) / kPack);
  over_packs(s.threads, packs, [&](int first, int last) {
    const std::int64_t end = std::min(s.gaussian_count, std::int64_t{last} * kPack);
    for (std::int64_t i = std::int64_t{first} * kPack; i < end; ++i) {
      const float* field = &s.bound.fields[static_cast<std::size_t>(i / kPack * kRigFields * kPack +
                                                                    i % kPack)];
      const auto get = [&](int k) { return field[16 * k]; };
      std::int32_t triangle;
      std::memcpy(&triangle, field, sizeof triangle);
      const auto of_frame = [&](int k) {
        return s.frames[static_cast<std::size_t>(k) * s.frame_stride +
                        static_cast<std::size_t>(triangle)];
      };
      const auto vec = [&](int k) {
        return Vec3<float>{of_frame(k), of_frame(k + 1), of_frame(k + 2)};
      };
      Vec3<float> local = {get(1), get(2), get(3)};
      if (similarity) {
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

std::int64_t Avatar::render(const PoseView& pose, const CameraView& camera,
                            const float* background, PixelFormat format, Quality quality,
                            void* pixels, StageTimes& times) {
  State& s = *state_;
  const double start = now();
  s.skin(pose);
  s.place_triangles(view_of(camera));
  times.animate = now() - start;

  RigArgs rig{};
  rig.count = s.gaussian_count;
  rig.packs = s.bound.fields.data();
  rig.frames = s.frames.data();
  rig.frame_stride = s.frame_stride;
  rig.similarity = s.frame == Frame::similarity;
  rig.sh = s.sh_count > 1 ? s.bound.sh.data() : nullptr;
  rig.sh_count = s.sh_count;
  rig.shaded = s.shaded.data();

  BlendArgs blend{};
  blend.colors = s.sh_count > 1 ? s.shaded.data() : s.bound.colors.data();
  blend.color_stride = 4;
  blend.channels = 3;
  blend.image = pixels;
  const std::pair<PixelFormat, Target> targets[] = {{PixelFormat::rgb8, Target::rgb8},
                                                    {PixelFormat::rgba8, Target::rgba8},
                                                    {PixelFormat::i420, Target::i420},
                                                    {PixelFormat::float32, Target::rgba_float}};
  for (const auto& [from, to] : targets) {
    if (from == format) blend.target = to;
  }
  const bool opaque = format == PixelFormat::rgb8 || format == PixelFormat::i420;
  blend.background = opaque ? background : nullptr;
  return s.bound.broken +
         s.canvas.draw(
             s.gaussian_count, camera, quality, s.threads,
             [&](const ProjectArgs& args, Segment& segment) {
               backend().stages->project_rig(args, rig, segment);
             },
             blend, [&](const BlendArgs& args) { s.canvas.blend_tiles(args, s.threads); }, &times);
}

}  // namespace avatar_rt
