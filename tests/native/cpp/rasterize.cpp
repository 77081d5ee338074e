// rasterize: pictures stay within their colours' bounds, whatever the scene and the threads.
#include <algorithm>

#include "core/renderer.h"
#include "entries.h"
#include "guarded.h"
#include "scene.h"

namespace avatar_rt::fuzz {
namespace {

struct Picture {
  Guarded<float> image, alpha;
  std::int64_t skipped;
};

Picture draw(const Scene& s, Quality quality, int threads) {
  const std::size_t pixels = s.pixels();
  Picture p{Guarded<float>(pixels * static_cast<std::size_t>(s.channels)), Guarded<float>(pixels),
            -1};
  p.skipped = rasterize(s.view(), s.camera, s.background.empty() ? nullptr : s.background.data(),
                        quality, threads, p.image.data(), p.alpha.data());
  require(p.image.untouched_outside(), "rasterize wrote beside its image");
  require(p.alpha.untouched_outside(), "rasterize wrote beside its alpha");
  for (std::size_t i = 0; i < pixels; ++i) require_alpha(p.alpha[i]);
  return p;
}

void check_skipped(const Scene& s, std::int64_t skipped) {
  std::int64_t surely = 0;
  for (std::size_t i = 0; i < s.count(); ++i) {
    // an opacity of -inf is below the threshold, as any other negative one
    surely += !s.finite(i) && s.in_front(i) && !(s.opacities[i] < 0);
  }
  require(skipped >= surely, "a broken Gaussian before the camera was not counted");
  require(skipped <= static_cast<std::int64_t>(s.count()), "more were skipped than there are");
}

}  // namespace

void fuzz_rasterize(Source& source) {
  const Scene scene = make_scene(source);
  const Picture exact = draw(scene, Quality::exact, 1);
  const float bound = std::max(largest_finite(scene.colors), largest_finite(scene.background));
  require_within(exact.image, bound, "a pixel exceeds all colours");
  check_skipped(scene, exact.skipped);

  const Picture shared = draw(scene, Quality::exact, source.integer(2, 4));
  require(exact.image.same(shared.image), "the image depends on the number of threads");
  require(exact.alpha.same(shared.alpha), "alpha depends on the number of threads");
  require(exact.skipped == shared.skipped, "what is skipped depends on the number of threads");

  const Picture alone = draw(scene.without_broken(), Quality::exact, 1);
  require(exact.image.same(alone.image), "a broken Gaussian changed the picture");

  const Picture fast = draw(scene, Quality::fast, 1);
  require_within(fast.image, bound, "a fast pixel exceeds all colours");
  require(fast.skipped == exact.skipped, "what is skipped depends on the quality");
  const bool modest = scene.modest();
  for (std::size_t i = 0; modest && i < fast.alpha.size(); ++i) {
    // fast leaves out what exact draws, never the other way round, but its weights are rough and
    // what hardly shines through is closed
    require(fast.alpha[i] <= exact.alpha[i] + 0.1f, "fast drew what exact did not");
  }
}

}  // namespace avatar_rt::fuzz
