// Avatar: posed vertices, posed Gaussians and pictures in every format, several times over, since an
// avatar keeps its memory from frame to frame.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "core/renderer.h"
#include "entries.h"
#include "guarded.h"
#include "head.h"
#include "scene.h"

namespace avatar_rt::fuzz {
namespace {

using Bytes = Guarded<unsigned char>;

std::size_t frame_bytes(PixelFormat format, const CameraView& camera) {
  const auto pixels =
      static_cast<std::size_t>(camera.width) * static_cast<std::size_t>(camera.height);
  switch (format) {
    case PixelFormat::rgb8:
      return 3 * pixels;
    case PixelFormat::rgba8:
      return 4 * pixels;
    case PixelFormat::i420:
    case PixelFormat::nv12:
      return pixels * 3 / 2;
    case PixelFormat::float32:
      break;
  }
  return 16 * pixels;
}

struct Frames {
  std::int64_t skipped = 0;
  Bytes pixels;
};

struct Wanted {
  MadePose pose;
  CameraView camera;
  float background[3];
  PixelFormat format;
  Quality quality;
};

Frames render(Avatar& avatar, const Wanted& shot, unsigned char fill) {
  Frames f{0, Bytes(frame_bytes(shot.format, shot.camera))};
  f.pixels.refill(fill);
  StageTimes times;
  f.skipped = avatar.render(shot.pose.view(), shot.camera, shot.background, shot.format,
                            shot.quality, f.pixels.data(), times);
  require(f.pixels.untouched_outside(), "render wrote beside its pixels");
  return f;
}

void check_pixels(const Frames& f, const Wanted& shot, const MadeHead& head) {
  if (shot.format != PixelFormat::float32) return;
  const float bound = largest_finite(head.colors);
  // far from rigid, a camera turns unit directions into ones whose harmonics overflow
  const bool modest =
      bound < 1e30f && std::all_of(shot.camera.viewmat, shot.camera.viewmat + 16,
                                   [](double v) { return std::abs(v) < 1e6; });
  const auto* rgba = reinterpret_cast<const float*>(f.pixels.data());
  for (std::size_t i = 0; i < f.pixels.size() / sizeof(float); ++i) {
    if (i % 4 == 3) {
      require_alpha(rgba[i]);
    } else if (head.sh_count == 1 && bound < 1e38f) {
      require(std::fabs(rgba[i]) <= 1.001f * bound, "a pixel exceeds all colours");
    } else if (modest) {
      require(std::isfinite(rgba[i]), "a pixel is not finite");
    }
  }
}

Wanted make_shot(Source& source, const MadeHead& head, bool hostile) {
  Wanted shot{make_pose(source, head, hostile), make_camera(source, hostile && source.chance(0.3)),
            {}, {}, {}};
  for (float& b : shot.background) b = static_cast<float>(source.uniform(0, 1));
  shot.format = source.pick({PixelFormat::rgb8, PixelFormat::rgba8, PixelFormat::i420,
                             PixelFormat::nv12, PixelFormat::float32});
  shot.quality = source.pick({Quality::exact, Quality::fast});
  if (halves_chroma(shot.format)) {
    shot.camera.width += shot.camera.width % 2;
    shot.camera.height += shot.camera.height % 2;
  }
  return shot;
}

// Several pictures in one call are the same bits as one at a time, on the avatar and on a twin.
void check_batch(Source& source, Avatar& avatar, const MadeHead& head, bool hostile) {
  const Wanted first = make_shot(source, head, hostile);
  std::vector<Wanted> wanted(static_cast<std::size_t>(source.integer(1, 3)), first);
  const bool one_pose = source.chance(0.5);
  for (Wanted& w : wanted) {
    if (!one_pose) w.pose = make_pose(source, head, hostile);
    w.camera.fx *= source.uniform(0.5, 2);
  }
  std::vector<PoseView> poses;
  std::vector<Bytes> pixels;
  std::vector<Shot> shots;
  for (const Wanted& w : wanted) {
    if (!one_pose || poses.empty()) poses.push_back(w.pose.view());
    pixels.emplace_back(frame_bytes(w.format, w.camera));
  }
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    shots.push_back({wanted[k].camera, wanted[k].background, pixels[k].data(), {}, -1});
  }
  avatar.render(poses.data(), static_cast<int>(poses.size()), shots.data(),
                static_cast<int>(shots.size()), first.format, first.quality);
  const auto twin = avatar.twin();
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    const Frames alone = render(*twin, wanted[k], 0);
    require(pixels[k].same(alone.pixels), "a batch draws other pictures than single calls");
    require(pixels[k].untouched_outside(), "a batch wrote beside its pixels");
    require(shots[k].skipped == alone.skipped, "a batch skips other Gaussians than single calls");
  }
}

}  // namespace

void fuzz_avatar(Source& source) {
  const MadeHead head = make_head(source);
  const auto first = head.avatar(1), second = head.avatar(source.integer(2, 4));
  Avatar &one = *first, &more = *second;
  require(one.gaussian_count() == static_cast<std::int64_t>(head.count()), "Gaussians were lost");

  const bool hostile = source.chance(0.3);
  for (int frame = source.integer(1, 4); frame > 0; --frame) {
    const Wanted shot = make_shot(source, head, hostile);
    // what a frame leaves unwritten keeps the fill, and then the two differ
    const Frames a = render(one, shot, 0), b = render(more, shot, 0xff);
    require(a.pixels.same(b.pixels), "the picture depends on threads, or was not all written");
    require(a.skipped == b.skipped, "what is skipped depends on the number of threads");
    require(a.skipped >= 0 && a.skipped <= static_cast<std::int64_t>(head.count()),
            "more were skipped than there are");
    check_pixels(a, shot, head);

    const auto vertices = static_cast<std::size_t>(head.vertex_count());
    Guarded<float> posed(3 * vertices), again(3 * vertices);
    one.vertices(shot.pose.view(), posed.data());
    more.vertices(shot.pose.view(), again.data());
    require(posed.same(again), "vertices depend on the number of threads, or are not all written");
    require(posed.untouched_outside() && again.untouched_outside(),
            "vertices wrote beside their array");

    Guarded<float> means(3 * head.count()), covars(6 * head.count());
    Guarded<float> means_again(3 * head.count()), covars_again(6 * head.count());
    one.gaussians(shot.pose.view(), means.data(), covars.data());
    more.gaussians(shot.pose.view(), means_again.data(), covars_again.data());
    require(means.same(means_again) && covars.same(covars_again),
            "Gaussians depend on the number of threads, or are not all written");
    require(means.untouched_outside() && covars.untouched_outside(),
            "gaussians wrote beside its arrays");
  }
  check_batch(source, more, head, hostile);
}

}  // namespace avatar_rt::fuzz
