// One avatar: what is asked of it, and who does it. The stages of a picture are in view.cpp.
#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>

#include "core/parallel.h"
#include "core/renderer.h"
#include "core/view.h"

namespace avatar_rt {
namespace {

// Drawn by the stages of the processor's backend.
class StagedAvatar final : public Avatar {
 public:
  StagedAvatar(std::shared_ptr<const PackedAvatar> packed, int threads)
      : Avatar(std::move(packed)), threads_(threads) {
    views_.emplace_back();
  }

  std::unique_ptr<Avatar> twin() const override { return make_avatar(packed(), threads_); }
  void vertices(const PoseView& pose, float* out) override;
  void gaussians(const PoseView& pose, float* means, float* covars) override;
  void render(const PoseView* poses, int pose_count, Shot* shots, int shot_count,
              PixelFormat format, Quality quality) override;

 private:
  Face face_;               // which all views of a batch show, where they show the same
  std::deque<View> views_;  // one for each worker that draws whole views
  int threads_;
};

void StagedAvatar::vertices(const PoseView& pose, float* out) {
  face_.pose(*packed(), pose, threads_);
  for (std::size_t v = 0; v < static_cast<std::size_t>(vertex_count()); ++v) {
    for (int c = 0; c < 3; ++c) out[3 * v + static_cast<std::size_t>(c)] = face_.axis(c)[v];
  }
}

void StagedAvatar::gaussians(const PoseView& pose, float* means, float* covars) {
  const Rigid world{{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 0}};
  View& view = views_.front();
  face_.pose(*packed(), pose, threads_);
  view.place(*packed(), face_, world, threads_);
  view.gaussians(*packed(), threads_, means, covars);
}

void StagedAvatar::render(const PoseView* poses, int pose_count, Shot* shots, int shot_count,
                          PixelFormat format, Quality quality) {
  const bool one_face = pose_count == 1;
  for (int k = 0; k < shot_count; ++k) shots[k].times = {};
  if (one_face && shot_count > 0) {
    const double start = now();
    face_.pose(*packed(), poses[0], threads_);
    shots[0].times.animate = now() - start;
  }
  const auto take = [&](int k, View& view, int threads) {
    const double start = now();
    if (!one_face) view.face.pose(*packed(), poses[k], threads);
    view.place(*packed(), one_face ? face_ : view.face, view_of(shots[k].camera), threads);
    shots[k].times.animate += now() - start;
    view.draw(*packed(), shots[k], format, quality, threads);
  };

  // As long as there is a whole view for each thread, none waits for another between two stages;
  // of the rest, each view is shared by all threads.
  const int whole = shot_count / threads_ * threads_;
  while (static_cast<int>(views_.size()) < std::min(whole, threads_)) views_.emplace_back();
  over_items(threads_, whole, [&](int k, int worker) {
    take(k, views_[static_cast<std::size_t>(worker)], 1);
  });
  for (int k = whole; k < shot_count; ++k) take(k, views_.front(), threads_);
}

}  // namespace

std::shared_ptr<const PackedAvatar> pack_avatar(const HeadView& head, const BoundView& gaussians) {
  return std::make_shared<const PackedAvatar>(head, gaussians);
}

std::unique_ptr<Avatar> make_avatar(std::shared_ptr<const PackedAvatar> packed, int threads) {
  return std::make_unique<StagedAvatar>(std::move(packed), threads);
}

std::unique_ptr<Avatar> Avatar::on_cpu(int threads) const { return make_avatar(packed_, threads); }

std::shared_ptr<void> Avatar::picture_memory(std::size_t) { return nullptr; }

DevicePicture Avatar::render_on_device(const PoseView&, const Shot&, PixelFormat, Quality) {
  throw std::invalid_argument("backend: the processor's pictures are in its own memory");
}

double Avatar::device_seconds(const PoseView&, const Shot&, PixelFormat, Quality, int) {
  throw std::invalid_argument("backend: the processor has no clock of its own");
}

std::int64_t Avatar::render(const PoseView& pose, const CameraView& camera,
                            const float* background, PixelFormat format, Quality quality,
                            void* pixels, StageTimes& times) {
  Shot shot{camera, background, pixels, {}, 0};
  render(&pose, 1, &shot, 1, format, quality);
  times = shot.times;
  return shot.skipped;
}

int Avatar::vertex_count() const { return packed_->vertex_count; }
int Avatar::expression_count() const { return packed_->expression_count; }
int Avatar::joint_count() const { return packed_->skeleton.count(); }
std::int64_t Avatar::gaussian_count() const { return packed_->gaussian_count; }

}  // namespace avatar_rt
