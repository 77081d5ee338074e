// Forward: skin, frames, place. Backward: those anew, then each one's adjoint in reverse.
#include "core/animator.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "core/animation_args.h"
#include "core/pack.h"
#include "core/parallel.h"
#include "core/skeleton.h"
#include "core/triangle_order.h"

namespace avatar_rt {
namespace {

constexpr int kSummedPacks = 64;  // of vertices, whose sums are kept apart
constexpr std::int64_t kPlacedPerItem = 2048;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

}  // namespace

struct Animator::State {
  State(const HeadView& head_, int threads_)
      : threads(threads_),
        vertex_count(head_.vertex_count),
        face_count(head_.face_count),
        expression_count(head_.expression_count),
        face_packs((head_.face_count + kPack - 1) / kPack),
        skeleton(head_.joints, head_.parents, head_.joint_count),
        head(head_) {
    const std::size_t J = size(skeleton.count()), V = size(vertex_count), F = size(face_count);
    coefficients.zeros(coefficient_total());
    matrices.zeros(12 * J);
    for (auto& axis : posed) axis.zeros(size(head.packs) * kPack);
    rest.zeros(size(head.packs) * 48);
    rest_gradient.zeros(size(head.packs) * 48);
    // a lane is read from any triangle on
    frame_stride = size(face_packs + 1) * kPack;
    frames.zeros(frame_stride * kFrameFields);
    rows.zeros(size(face_packs) * kPack * kFrameRow);
    partials.zeros(size(summed_items()) * partial_size());

    slot_begin.zeros(V + 1);
    for (std::size_t k = 0; k < 3 * F; ++k) ++slot_begin[size(head_.faces[k]) + 1];
    for (std::size_t v = 0; v < V; ++v) slot_begin[v + 1] += slot_begin[v];
    std::vector<std::uint32_t> next(slot_begin.data(), slot_begin.data() + V);
    for (std::size_t k = 0; k < 3; ++k) {
      corners[k].zeros(size(face_packs) * kPack);
      slots[k].reserve(size(face_packs) * kPack);
      std::fill_n(slots[k].data(), slots[k].size(), static_cast<std::int32_t>(3 * F));
    }
    for (std::size_t t = 0; t < F; ++t) {
      for (std::size_t k = 0; k < 3; ++k) {
        const std::int32_t v = corners[k][t] = head_.faces[3 * t + k];
        slots[k][t] = static_cast<std::int32_t>(next[size(v)]++);
      }
    }
    corner_gradient.zeros(4 * (3 * F + 1));  // the last one takes what packs are filled up with
  }

  std::size_t coefficient_total() const {
    return size(expression_count) + 9 * size(skeleton.count());
  }
  int summed_items() const { return (head.packs + kSummedPacks - 1) / kSummedPacks; }
  std::size_t partial_size() const { return coefficient_total() + 12 * size(skeleton.count()); }

  void set_rest(const float* vertices) {
    if (vertices == nullptr) {
      std::copy_n(head.rest.data(), size(head.packs) * 48, rest.data());
      return;
    }
    for (std::size_t v = 0; v < size(vertex_count); ++v) {
      float* to = &rest[48 * (v / kPack) + v % kPack];
      for (std::size_t c = 0; c < 3; ++c) to[16 * c] = vertices[3 * v + c];
    }
  }

  SkinArgs skin_args() const {
    return {rest.data(),
            head.delta_begin.data(),
            head.delta_source.data(),
            head.delta_scale.data(),
            head.deltas.data(),
            coefficients.data(),
            head.influence_begin.data(),
            head.influence_joint.data(),
            head.influence_weight.data(),
            matrices.data(),
            posed[0].data(),
            posed[1].data(),
            posed[2].data()};
  }

  // Vertices and triangles of pose b.
  void pose(const AnimationView& view, std::size_t b) {
    const std::size_t E = size(expression_count), J = size(skeleton.count());
    skeleton.pose({view.coefficients + b * E, view.joint_rotations + 3 * J * b,
                   view.translation + 3 * b},
                  E, coefficients.data(), matrices.data());
    const SkinArgs skin = skin_args();
    over_packs(threads, head.packs,
               [&](int first, int last) { backend().stages->skin(skin, first, last); });
    const FrameArgs args{{corners[0].data(), corners[1].data(), corners[2].data()},
                         posed[0].data(),
                         posed[1].data(),
                         posed[2].data(),
                         {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 0}},
                         view.frame == Frame::similarity,
                         frames.data(),
                         frame_stride};
    if (view.count == 0) return;
    over_packs(threads, face_packs,
               [&](int first, int last) { backend().stages->frames(args, first, last); });
  }

  PlaceArgs place_args(const AnimationView& view) const {
    return {view.count,   view.triangles, view.barycentric, view.offsets,
            view.quats,   view.scales,    frames.data(),    frame_stride,
            view.frame == Frame::similarity, nullptr, nullptr};
  }

  // From the parts of Gaussians to the rows of triangles.
  void sum_parts() {
    over_packs(threads, face_packs, [&](int first, int last) {
      for (int t = first * kPack; t < std::min(face_count, last * kPack); ++t) {
        float* row = &rows[size(t) * kFrameRow];
        for (std::int64_t place = order.first(t); place < order.first(t + 1); ++place) {
          const float* part = &parts[size(place) * kFrameRow];
          for (int c = 0; c < kFrameRow; ++c) row[c] += part[c];
        }
      }
    });
  }

  void adjoint_of_place(const AnimationView& view, const AnimationGradient& gradient,
                        const AnimationInputGradient& out, std::size_t b) {
    const std::size_t n = size(view.count);
    const PlaceAdjointArgs args{place_args(view),
                                gradient.means == nullptr ? nullptr : gradient.means + 3 * n * b,
                                gradient.covars == nullptr ? nullptr : gradient.covars + 6 * n * b,
                                out.barycentric,
                                out.offsets,
                                out.quats,
                                out.scales,
                                b > 0,
                                rows.data(),
                                order.places(),
                                parts.data()};
    over_items(threads, order.items(), [&](int item) {
      backend().stages->place_adjoint(args, order.begin(item), order.begin(item + 1));
    });
    if (order.places() != nullptr) sum_parts();
    const FrameAdjointArgs of_frames{{corners[0].data(), corners[1].data(), corners[2].data()},
                                     {slots[0].data(), slots[1].data(), slots[2].data()},
                                     posed[0].data(),
                                     posed[1].data(),
                                     posed[2].data(),
                                     view.frame == Frame::similarity,
                                     rows.data(),
                                     corner_gradient.data()};
    over_packs(threads, face_packs, [&](int first, int last) {
      backend().stages->frames_adjoint(of_frames, first, last);
    });
  }

  void adjoint_of_skin(const AnimationView& view, const AnimationGradient& gradient,
                       const AnimationInputGradient& out, std::size_t b, bool by_corners) {
    const std::size_t E = size(expression_count), J = size(skeleton.count());
    const SkinAdjointArgs args{
        skin_args(),
        vertex_count,
        slot_begin.data(),
        by_corners ? corner_gradient.data() : nullptr,
        gradient.vertices == nullptr ? nullptr : gradient.vertices + 3 * size(vertex_count) * b,
        rest_gradient.data()};
    over_items(threads, summed_items(), [&](int item) {
      float* own = &partials[size(item) * partial_size()];
      std::fill_n(own, partial_size(), 0.0f);
      const int first = item * kSummedPacks, last = std::min(head.packs, first + kSummedPacks);
      backend().stages->skin_adjoint(args, first, last, own, own + coefficient_total());
    });
    std::vector<double> sums(partial_size());
    for (std::size_t item = 0; item < size(summed_items()); ++item) {
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += partials[item * sums.size() + k];
    }
    for (std::size_t k = 0; k < E; ++k) {
      out.coefficients[E * b + k] = static_cast<float>(sums[k]);
    }
    skeleton.adjoint(view.joint_rotations + 3 * J * b, &sums[coefficient_total()], &sums[E],
                     out.joint_rotations + 3 * J * b, out.translation + 3 * b);
  }

  int threads, vertex_count, face_count, expression_count, face_packs;
  Skeleton skeleton;
  PackedHead head;
  Buffer<std::int32_t> corners[3], slots[3];
  Buffer<std::uint32_t> slot_begin;
  // one call's
  std::mutex mutex;
  TriangleOrder order;
  Buffer<float> coefficients, matrices, rest, posed[3], frames;
  Buffer<float> rows, parts, corner_gradient, rest_gradient, partials;
  std::size_t frame_stride = 0;
};

Animator::Animator(const HeadView& head, int threads)
    : state_(std::make_unique<State>(head, threads)) {}
Animator::~Animator() = default;

int Animator::vertex_count() const { return state_->vertex_count; }
int Animator::face_count() const { return state_->face_count; }
int Animator::expression_count() const { return state_->expression_count; }
int Animator::joint_count() const { return state_->skeleton.count(); }

void Animator::forward(const AnimationView& view, const AnimationOutput& out) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  const std::size_t n = size(view.count), V = size(s.vertex_count);
  s.set_rest(view.vertices);
  PlaceArgs args = s.place_args(view);
  for (std::size_t b = 0; b < size(view.batch); ++b) {
    s.pose(view, b);
    float* posed = out.vertices + 3 * V * b;
    for (std::size_t v = 0; v < V; ++v) {
      for (std::size_t c = 0; c < 3; ++c) posed[3 * v + c] = s.posed[c][v];
    }
    args.means = out.means + 3 * n * b;
    args.covars = out.covars + 6 * n * b;
    const int items = static_cast<int>((view.count + kPlacedPerItem - 1) / kPlacedPerItem);
    over_items(s.threads, items, [&](int item) {
      backend().stages->place(args, item * kPlacedPerItem,
                              std::min(view.count, (item + 1) * kPlacedPerItem));
    });
  }
}

void Animator::backward(const AnimationView& view, const AnimationGradient& gradient,
                        const AnimationInputGradient& out) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  const std::size_t n = size(view.count), V = size(s.vertex_count);
  const bool by_gaussians =
      view.batch > 0 && n > 0 && (gradient.means != nullptr || gradient.covars != nullptr);
  if (by_gaussians) {
    s.order.arrange(view.triangles, view.count, s.face_count);
    if (s.order.places() != nullptr && s.parts.size() < n * kFrameRow) s.parts.zeros(n * kFrameRow);
  } else {
    for (float* const rows : {out.barycentric, out.offsets, out.scales}) {
      std::fill_n(rows, 3 * n, 0.0f);
    }
    std::fill_n(out.quats, 4 * n, 0.0f);
  }
  s.set_rest(view.vertices);
  std::fill_n(s.rest_gradient.data(), size(s.head.packs) * 48, 0.0f);
  for (std::size_t b = 0; b < size(view.batch); ++b) {
    s.pose(view, b);
    if (by_gaussians) s.adjoint_of_place(view, gradient, out, b);
    s.adjoint_of_skin(view, gradient, out, b, by_gaussians);
  }
  for (std::size_t v = 0; v < V; ++v) {
    const float* from = &s.rest_gradient[48 * (v / kPack) + v % kPack];
    for (std::size_t c = 0; c < 3; ++c) out.vertices[3 * v + c] = from[16 * c];
  }
}

}  // namespace avatar_rt
