// rasterize_colors_adjoint: the transpose of rasterize, finite and the same on any threads.
#include <cmath>

#include "core/renderer.h"
#include "entries.h"
#include "guarded.h"
#include "scene.h"

namespace avatar_rt::fuzz {
namespace {

struct Gradients {
  Guarded<float> color, weight;
};

Gradients adjoint(const Scene& s, const std::vector<float>& image_gradient, int threads) {
  Gradients g{Guarded<float>(s.count() * static_cast<std::size_t>(s.channels)),
              Guarded<float>(s.count())};
  GaussianView view = s.view();
  view.colors = nullptr;
  rasterize_colors_adjoint(view, s.camera, image_gradient.data(), threads, g.color.data(),
                           g.weight.data());
  require(g.color.untouched_outside(), "the adjoint wrote beside its colours");
  require(g.weight.untouched_outside(), "the adjoint wrote beside its weights");
  return g;
}

}  // namespace

void fuzz_adjoint(Source& source) {
  Scene scene = make_scene(source);
  scene.background.clear();
  // a colour that is not finite keeps rasterize, but not the adjoint, from drawing its Gaussian
  for (float& c : scene.colors) {
    if (!(std::fabs(c) < 1e3f)) c = 0.5f;
  }
  const auto channels = static_cast<std::size_t>(scene.channels);
  std::vector<float> image_gradient(scene.pixels() * channels);
  for (float& g : image_gradient) g = source.normal(1);

  const Gradients one = adjoint(scene, image_gradient, 1);
  const Gradients more = adjoint(scene, image_gradient, source.integer(2, 4));
  require(one.color.same(more.color), "the colours' gradient depends on the number of threads");
  require(one.weight.same(more.weight), "the weights depend on the number of threads");

  Guarded<float> image(scene.pixels() * channels), alpha(scene.pixels());
  rasterize(scene.view(), scene.camera, nullptr, Quality::exact, 1, image.data(), alpha.data());
  double drawn = 0, gathered = 0, left = 0, right = 0, size = 0;
  for (std::size_t i = 0; i < alpha.size(); ++i) drawn += alpha[i];
  for (std::size_t i = 0; i < one.weight.size(); ++i) {
    require(one.weight[i] >= 0, "a weight is negative or not a number");
    gathered += one.weight[i];
  }
  for (std::size_t i = 0; i < image.size(); ++i) {
    const double product = double{image[i]} * image_gradient[i];
    left += product;
    size += std::abs(product);
  }
  for (std::size_t i = 0; i < one.color.size(); ++i) {
    right += double{one.color[i]} * scene.colors[i];
  }
  require(std::abs(drawn - gathered) <= 1e-4 * drawn + 1e-4, "weights do not add up to alpha");
  require(std::abs(left - right) <= 1e-4 * size + 1e-4, "the adjoint is not the transpose");
}

}  // namespace avatar_rt::fuzz
