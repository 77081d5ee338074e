// One avatar: what is asked of it, and who does it. The stages of a picture are in view.cpp.
#include <algorithm>
#include <deque>
#include <utility>

#include "core/parallel.h"
#include "core/renderer.h"
#include "core/view.h"

namespace avatar_rt {

struct Avatar::Memory {
  Face face;               // which all views of a batch show, where they show the same
  std::deque<View> views;  // one for each worker that draws whole views
};

Avatar::Avatar(std::shared_ptr<const PackedAvatar> packed, int threads)
    : packed_(std::move(packed)), memory_(std::make_unique<Memory>()), threads_(threads) {
  memory_->views.emplace_back();
}
Avatar::Avatar(const HeadView& head, const BoundView& gaussians, int threads)
    : Avatar(std::make_shared<const PackedAvatar>(head, gaussians), threads) {}
Avatar::~Avatar() = default;

std::unique_ptr<Avatar> Avatar::twin() const {
  return std::unique_ptr<Avatar>(new Avatar(packed_, threads_));
}

int Avatar::vertex_count() const { return packed_->vertex_count; }
int Avatar::expression_count() const { return packed_->expression_count; }
int Avatar::joint_count() const { return packed_->skeleton.count(); }
std::int64_t Avatar::gaussian_count() const { return packed_->gaussian_count; }

void Avatar::vertices(const PoseView& pose, float* out) {
  Face& face = memory_->face;
  face.pose(*packed_, pose, threads_);
  for (std::size_t v = 0; v < static_cast<std::size_t>(vertex_count()); ++v) {
    for (int c = 0; c < 3; ++c) out[3 * v + static_cast<std::size_t>(c)] = face.axis(c)[v];
  }
}

void Avatar::gaussians(const PoseView& pose, float* means, float* covars) {
  const Rigid world{{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 0}};
  View& view = memory_->views.front();
  memory_->face.pose(*packed_, pose, threads_);
  view.place(*packed_, memory_->face, world, threads_);
  view.gaussians(*packed_, threads_, means, covars);
}

std::int64_t Avatar::render(const PoseView& pose, const CameraView& camera,
                            const float* background, PixelFormat format, Quality quality,
                            void* pixels, StageTimes& times) {
  Shot shot{camera, background, pixels, {}, 0};
  render(&pose, 1, &shot, 1, format, quality);
  times = shot.times;
  return shot.skipped;
}

void Avatar::render(const PoseView* poses, int pose_count, Shot* shots, int shot_count,
                    PixelFormat format, Quality quality) {
  auto& [shared, views] = *memory_;
  const bool one_face = pose_count == 1;
  for (int k = 0; k < shot_count; ++k) shots[k].times = {};
  if (one_face && shot_count > 0) {
    const double start = now();
    shared.pose(*packed_, poses[0], threads_);
    shots[0].times.animate = now() - start;
  }
  const auto take = [&](int k, View& view, int threads) {
    const double start = now();
    if (!one_face) view.face.pose(*packed_, poses[k], threads);
    view.place(*packed_, one_face ? shared : view.face, view_of(shots[k].camera), threads);
    shots[k].times.animate += now() - start;
    view.draw(*packed_, shots[k], format, quality, threads);
  };

  // As long as there is a whole view for each thread, none waits for another between two stages;
  // of the rest, each view is shared by all threads.
  const int whole = shot_count / threads_ * threads_;
  while (static_cast<int>(views.size()) < std::min(whole, threads_)) views.emplace_back();
  over_items(threads_, whole, [&](int k, int worker) {
    take(k, views[static_cast<std::size_t>(worker)], 1);
  });
  for (int k = whole; k < shot_count; ++k) take(k, views.front(), threads_);
}

}  // namespace avatar_rt
