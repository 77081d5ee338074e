#include "cuda/resident.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace avatar_rt::cuda {
namespace {

template <class T>
Memory<T> uploaded(const Buffer<T>& from) {
  return cuda::uploaded(from.data(), from.size());
}

}  // namespace

ResidentHead::ResidentHead(const PackedHead& head)
    : rest_(uploaded(head.rest)),
      delta_scale_(uploaded(head.delta_scale)),
      influence_weight_(uploaded(head.influence_weight)),
      delta_begin_(uploaded(head.delta_begin)),
      delta_source_(uploaded(head.delta_source)),
      influence_begin_(uploaded(head.influence_begin)),
      influence_joint_(uploaded(head.influence_joint)),
      deltas_(uploaded(head.deltas)) {}

void ResidentHead::describe(SkinArgs& args) const {
  args.rest = rest_.data();
  args.delta_begin = delta_begin_.data();
  args.delta_source = delta_source_.data();
  args.delta_scale = delta_scale_.data();
  args.deltas = deltas_.data();
  args.influence_begin = influence_begin_.data();
  args.influence_joint = influence_joint_.data();
  args.influence_weight = influence_weight_.data();
}

Resident::Resident(std::shared_ptr<const PackedAvatar> packed, int device)
    : packed_(std::move(packed)) {
  const OnDevice on(device);
  const PackedGaussians& bound = packed_->gaussians;
  head_ = ResidentHead(packed_->head);
  for (int k = 0; k < 3; ++k) corners_[k] = uploaded(bound.corners[k]);
  packs_ = uploaded(bound.fields);
  colors_ = uploaded(bound.colors);
  // half precision: a harmonic's error of 5e-4 of itself is below what 8-bit colours show
  std::vector<__half> harmonics(bound.sh.size());
  std::transform(bound.sh.data(), bound.sh.data() + bound.sh.size(), harmonics.begin(),
                 [](float value) { return __float2half_rn(value); });
  harmonics_ = cuda::uploaded(harmonics.data(), harmonics.size());
}

std::size_t Resident::pose_floats() const {
  const auto joints = static_cast<std::size_t>(packed_->skeleton.count());
  return static_cast<std::size_t>(packed_->expression_count) + 21 * joints;
}

void Resident::describe(FaceJob& face) const {
  head_.describe(face.head);
  face.vertex_count = packed_->vertex_count;
}

void Resident::describe(ViewJob& view) const {
  view.count = packed_->gaussian_count;
  for (int k = 0; k < 3; ++k) view.corners[k] = corners_[k].data();
  view.packs = packs_.data();
  const bool harmonic = packed_->sh_count > 1;
  view.colors = harmonic ? nullptr : colors_.data();
  view.harmonics = harmonic ? harmonics_.data() : nullptr;
  view.sh_count = packed_->sh_count;
  view.similarity = packed_->similarity;
}

}  // namespace avatar_rt::cuda
