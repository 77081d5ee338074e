// An avatar that a device draws.
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/canvas.h"
#include "cuda/painter.h"
#include "cuda/pool.h"
#include "cuda/register.h"

namespace avatar_rt::cuda {
namespace {

class DeviceAvatar final : public Avatar {
 public:
  DeviceAvatar(std::shared_ptr<const Resident> resident,
               std::shared_ptr<const PackedAvatar> packed, int device)
      : Avatar(std::move(packed)), resident_(std::move(resident)), painter_(device) {}

  std::unique_ptr<Avatar> twin() const override {
    return std::make_unique<DeviceAvatar>(resident_, packed(), painter_.device());
  }

  void vertices(const PoseView& pose, float* out) override { painter_.vertices(of(pose), out); }
  void gaussians(const PoseView& pose, float* means, float* covars) override {
    painter_.gaussians(of(pose), means, covars);
  }

  void render(const PoseView* poses, int pose_count, Shot* shots, int shot_count,
              PixelFormat format, Quality quality) override {
    std::vector<FaceOrder> faces;
    for (int k = 0; k < pose_count; ++k) faces.push_back(of(poses[k]));
    std::vector<Wanted> wanted;
    for (int k = 0; k < shot_count; ++k) {
      wanted.push_back({pose_count == 1 ? 0 : k, shots + k, quality});
    }
    take(faces, wanted, format);
  }

  struct Wanted {
    int face;
    Shot* shot;
    Quality quality;
  };
  // Together, or, where memory ends, one by one.
  void take(const std::vector<FaceOrder>& faces, const std::vector<Wanted>& wanted,
            PixelFormat format) {
    if (wanted.empty()) return;
    try {
      take_at_once(faces, wanted, format);
    } catch (const DeviceMemoryError&) {
      if (wanted.size() == 1) throw;
      pictures_->clear();
      for (const auto& [face, shot, quality] : wanted) {
        take_at_once({faces[static_cast<std::size_t>(face)]}, {{0, shot, quality}}, format);
      }
    }
  }

  FaceOrder of(const PoseView& pose) const { return {resident_.get(), pose}; }
  int device() const { return painter_.device(); }

  std::shared_ptr<void> picture_memory(std::size_t bytes) override {
    const OnDevice on(painter_.device());
    try {
      const std::shared_ptr<HostPiece> piece = pages_->take(bytes);
      return {piece, piece->data()};
    } catch (const DeviceMemoryError&) {
      return nullptr;  // who keeps many pictures pins many pages; ordinary ones do as well
    }
  }

  DevicePicture render_on_device(const PoseView& pose, const Shot& shot, PixelFormat format,
                                 Quality quality) override {
    const OnDevice on(painter_.device());
    // not the pool's: whoever lets go of it may have work under way that reads it, in streams that we
    // do not know; to free memory waits for that, to draw on it would not
    const auto piece = std::make_shared<DevicePiece>(bytes_of(shot, format));
    std::vector<ViewOrder> views = {order(shot, 0, format, quality)};
    views[0].image = piece->data();
    painter_.draw({of(pose)}, views);
    check(cudaEventRecord(piece->drawn(), painter_.stream()), "drawing");
    return {piece, piece->data(), piece->drawn(), painter_.device()};
  }

  double device_seconds(const PoseView& pose, const Shot& shot, PixelFormat format,
                        Quality quality, int frames) override {
    const OnDevice on(painter_.device());
    const std::shared_ptr<DevicePiece> piece = pictures_->take(bytes_of(shot, format));
    std::vector<ViewOrder> views = {order(shot, 0, format, quality)};
    views[0].image = piece->data();
    return painter_.seconds({of(pose)}, views, frames);
  }

 private:
  static std::size_t bytes_of(const Shot& shot, PixelFormat format) {
    return picture_bytes(format, shot.camera.width, shot.camera.height);
  }
  // The device's work is one piece, whose seconds are all those of blending, in equal parts.
  void take_at_once(const std::vector<FaceOrder>& faces, const std::vector<Wanted>& wanted,
                    PixelFormat format) {
    const double start = now();
    const OnDevice on(painter_.device());
    std::vector<std::shared_ptr<DevicePiece>> pieces;
    std::vector<ViewOrder> views;
    for (const auto& [face, shot, quality] : wanted) {
      pieces.push_back(pictures_->take(bytes_of(*shot, format)));
      views.push_back(order(*shot, face, format, quality));
      views.back().image = pieces.back()->data();
      views.back().pixels = shot->pixels;
    }
    painter_.draw(faces, views);
    const double each = (now() - start) / static_cast<double>(wanted.size());
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      wanted[k].shot->times = {};
      wanted[k].shot->times.blend = each;
      wanted[k].shot->skipped = views[k].skipped;
    }
  }

  static ViewOrder order(const Shot& shot, int face, PixelFormat format, Quality quality) {
    return {face,    shot.camera, shot.background, format, quality, nullptr,
            nullptr, 0,           all_rows(shot.camera), 0};
  }

  std::shared_ptr<const Resident> resident_;
  Painter painter_;
  std::shared_ptr<Pool<DevicePiece>> pictures_ = std::make_shared<Pool<DevicePiece>>();
  std::shared_ptr<Pool<HostPiece>> pages_ = std::make_shared<Pool<HostPiece>>();
};

}  // namespace

std::unique_ptr<Avatar> make_avatar(std::shared_ptr<const PackedAvatar> packed, int device) {
  return std::make_unique<DeviceAvatar>(std::make_shared<const Resident>(packed, device), packed,
                                        device);
}

void render_together(const std::vector<Sitting>& sittings, PixelFormat format) {
  std::vector<FaceOrder> faces;
  std::vector<DeviceAvatar::Wanted> wanted;
  DeviceAvatar* first = nullptr;
  for (const Sitting& sitting : sittings) {
    auto* const own = dynamic_cast<DeviceAvatar*>(sitting.avatar);
    if (first == nullptr) first = own;
    if (own == nullptr || own->device() != first->device()) {
      throw std::invalid_argument("avatars: must all be drawn by one CUDA device");
    }
    wanted.push_back({static_cast<int>(faces.size()), sitting.shot, sitting.quality});
    faces.push_back(own->of(sitting.pose));
  }
  if (first != nullptr) first->take(faces, wanted, format);
}

}  // namespace avatar_rt::cuda
