// A head's and an avatar's arrays on a device, where any number of painters read them.
#pragma once

#include <cuda_fp16.h>

#include <memory>

#include "core/pack.h"
#include "cuda/jobs.h"
#include "cuda/runtime.h"

namespace avatar_rt::cuda {

class ResidentHead {
 public:
  ResidentHead() = default;
  // On the device in use.
  explicit ResidentHead(const PackedHead& head);

  void describe(SkinArgs& args) const;

 private:
  Memory<float> rest_, delta_scale_, influence_weight_;
  Memory<std::uint32_t> delta_begin_, delta_source_, influence_begin_, influence_joint_;
  Memory<std::int16_t> deltas_;
};

class Resident {
 public:
  Resident(std::shared_ptr<const PackedAvatar> packed, int device);

  const PackedAvatar& packed() const { return *packed_; }
  std::size_t pose_floats() const;   // coefficients, then matrices
  // What a face's job and a view's need of the avatar.
  void describe(FaceJob& face) const;
  void describe(ViewJob& view) const;

 private:
  std::shared_ptr<const PackedAvatar> packed_;
  ResidentHead head_;
  Memory<float> packs_, colors_;
  Memory<std::int32_t> corners_[3];
  Memory<__half> harmonics_;
};

}  // namespace avatar_rt::cuda
