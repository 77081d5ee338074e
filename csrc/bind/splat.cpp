// splat and splat_backward: batches of views.
#include <pybind11/stl.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "bind/arrays.h"
#include "bind/register.h"
#include "core/splat.h"
#include "math/constants.h"

namespace avatar_rt::bind {
namespace {

using Floats = py::array_t<float>;

// float32 of that shape, or of that shape for each of `views`; step is 0 for the former.
struct Shared {
  Floats array;
  PerView<const float> view;
};

Shared shared(const py::object& value, const char* name, py::ssize_t views,
              const std::vector<py::ssize_t>& shape) {
  bool each = false;
  if (py::isinstance<py::array>(value)) {
    each = py::reinterpret_borrow<py::array>(value).ndim() ==
           static_cast<py::ssize_t>(shape.size()) + 1;
  }
  Shared out;
  const auto& s = shape;
  switch (s.size()) {
    case 1:
      out.array = each ? array<float>(value, name, {views, s[0]}) : array<float>(value, name, {s[0]});
      break;
    case 2:
      out.array = each ? array<float>(value, name, {views, s[0], s[1]})
                       : array<float>(value, name, {s[0], s[1]});
      break;
    default:
      out.array = each ? array<float>(value, name, {views, s[0], s[1], s[2]})
                       : array<float>(value, name, {s[0], s[1], s[2]});
  }
  std::size_t step = 1;
  for (py::ssize_t d = 1; d < out.array.ndim(); ++d) {
    step *= static_cast<std::size_t>(out.array.shape(d));
  }
  out.view = {out.array.data(), each ? step : 0};
  return out;
}

// The arguments that both directions share, kept alive while the core reads them.
struct Batch {
  Shared means, quats, scales, covars, opacities, colors;
  Floats background;
  std::vector<CameraView> cameras;
  SplatBatch view;

  Batch(const py::object& means_, const py::object& quats_, const py::object& scales_,
        const py::object& covars_, const py::object& opacities_, const py::object& colors_,
        const py::object& sh_degree, const py::object& viewmats_, const py::object& Ks_, int width,
        int height, const py::object& background_, const std::string& quality_, int threads) {
    const auto viewmats = array<double>(viewmats_, "viewmats", {kAny, 4, 4});
    const py::ssize_t views = viewmats.shape(0);
    if (views > 0xffff) throw py::value_error("viewmats: too many views, at most 65535");
    const auto Ks = array<double>(Ks_, "Ks", {views, 3, 3});
    for (py::ssize_t v = 0; v < views; ++v) {
      cameras.push_back(camera(viewmats[py::int_(v)], Ks[py::int_(v)], width, height));
    }
    means = shared(means_, "means", views, {kAny, 3});
    const py::ssize_t n = means.array.shape(means.array.ndim() - 2);
    if (n > 0x7fffffff / 16) throw py::value_error("means: too many Gaussians");
    const bool by_scale = !quats_.is_none() || !scales_.is_none();
    if (by_scale == !covars_.is_none()) {
      throw py::value_error("covars: give either quats and scales, or covars");
    }
    if (by_scale) {
      quats = shared(quats_, "quats", views, {n, 4});
      scales = shared(scales_, "scales", views, {n, 3});
    } else {
      covars = shared(covars_, "covars", views, {n, 6});
    }
    opacities = shared(opacities_, "opacities", views, {n});
    if (sh_degree.is_none()) {
      colors = shared(colors_, "colors", views, {n, kAny});
      const py::ssize_t channels = colors.array.shape(colors.array.ndim() - 1);
      if (channels < 1 || channels > kMaxChannels) {
        throw py::value_error("colors: has " + std::to_string(channels) +
                              " channels, expected 1 to " + std::to_string(kMaxChannels));
      }
      view.channels = static_cast<int>(channels);
    } else {
      take_harmonics(colors_, sh_degree.cast<int>(), views, n);
    }
    if (!background_.is_none()) {
      background = array<float>(background_, "background", {view.channels});
      require_finite(background, "background");
      view.background = background.data();
    }
    view.count = n;
    view.views = static_cast<int>(views);
    view.cameras = cameras.data();
    view.means = means.view;
    view.quats = quats.view;
    view.scales = scales.view;
    view.covars = covars.view;
    view.opacities = opacities.view;
    view.colors = colors.view;
    view.quality = quality(quality_);
    view.threads = thread_count(threads);
    if (width < 1 || width > 4096) throw py::value_error("width: must be in [1, 4096]");
    if (height < 1 || height > 4096) throw py::value_error("height: must be in [1, 4096]");
  }

 private:
  void take_harmonics(const py::object& colors_, int degree, py::ssize_t views, py::ssize_t n) {
    if (degree < 0 || degree > 3) throw py::value_error("sh_degree: must be None or 0 to 3");
    view.sh_count = (degree + 1) * (degree + 1);
    view.channels = 3;
    colors = shared(colors_, "colors", views, {n, kAny, 3});
    const py::ssize_t stored = colors.array.shape(colors.array.ndim() - 2);
    if (stored < view.sh_count || stored > 0xffff) {
      throw py::value_error("colors: has " + std::to_string(stored) +
                            " harmonics, sh_degree " + std::to_string(degree) + " needs " +
                            std::to_string(view.sh_count));
    }
    view.sh_stored = static_cast<int>(stored);
    for (const CameraView& c : cameras) {
      if (!std::isfinite(eye_of(c).place[0] + eye_of(c).place[1] + eye_of(c).place[2])) {
        throw py::value_error("viewmats: has no inverse, which sh_degree needs");
      }
    }
  }
};

py::object splat_py(
    const py::object& means, const py::object& quats, const py::object& scales,
    const py::object& covars, const py::object& opacities, const py::object& colors,
    const py::object& sh_degree, const py::object& viewmats, const py::object& Ks, int width,
    int height, const py::object& background, const std::string& quality_name, int threads) {
  const Batch batch(means, quats, scales, covars, opacities, colors, sh_degree, viewmats, Ks, width,
                    height, background, quality_name, threads);
  const SplatBatch& b = batch.view;
  Floats images({b.views, height, width, b.channels}), alphas({b.views, height, width});
  float *image_data = images.mutable_data(), *alpha_data = alphas.mutable_data();
  py::array_t<std::int64_t> skipped(b.views);
  std::int64_t* skipped_data = skipped.mutable_data();
  {
    py::gil_scoped_release release;
    splat(b, image_data, alpha_data, skipped_data);
  }
  return py::module_::import("avatar_rt._core")
      .attr("Splatted")(py::make_tuple(images, alphas, skipped));
}

// Zeros like `like`; NumPy takes them from pages that the system has cleared already.
py::array zeros_like(const py::array& like) {
  return py::module_::import("numpy").attr("zeros")(like.attr("shape"), like.attr("dtype"));
}
template <class T>
py::array_t<T> zeros(const std::vector<py::ssize_t>& shape) {
  return py::module_::import("numpy").attr("zeros")(py::tuple(py::cast(shape)),
                                                   py::dtype::of<T>());
}

PerView<float> gradient_of(const Shared& input, const char* name, py::dict& out) {
  if (input.view.data == nullptr && input.array.size() == 0 && input.array.ndim() < 2) return {};
  Floats gradient = zeros_like(input.array);
  out[name] = gradient;
  return {gradient.mutable_data(), input.view.step};
}

py::dict backward_py(const py::object& means, const py::object& quats, const py::object& scales,
                     const py::object& covars, const py::object& opacities,
                     const py::object& colors, const py::object& sh_degree,
                     const py::object& viewmats, const py::object& Ks, int width, int height,
                     const py::object& background, const py::object& image_gradients_, const py::object& alpha_gradients_,
                     const py::object& images_, const py::object& alphas_, int threads) {
  const Batch batch(means, quats, scales, covars, opacities, colors, sh_degree, viewmats, Ks, width,
                    height, background, "exact", threads);
  const SplatBatch& b = batch.view;
  const auto pictures = [&](const py::object& value, const char* name) {
    return array<float>(value, name, {b.views, height, width, b.channels});
  };
  const auto planes = [&](const py::object& value, const char* name) {
    return array<float>(value, name, {b.views, height, width});
  };
  const Floats image_gradients = pictures(image_gradients_, "image_gradients");
  Floats alpha_gradients, images, alphas;
  if (!alpha_gradients_.is_none()) {
    alpha_gradients = planes(alpha_gradients_, "alpha_gradients");
  }
  if (images_.is_none() != alphas_.is_none()) {
    throw py::value_error("alphas: give both images and alphas, or neither");
  }
  if (!images_.is_none()) {
    images = pictures(images_, "images");
    alphas = planes(alphas_, "alphas");
  }
  py::dict out;
  SplatGradients g;
  g.means = gradient_of(batch.means, "means", out);
  if (b.covars.data == nullptr && covars.is_none()) {
    g.quats = gradient_of(batch.quats, "quats", out);
    g.scales = gradient_of(batch.scales, "scales", out);
  } else {
    g.covars = gradient_of(batch.covars, "covars", out);
  }
  g.opacities = gradient_of(batch.opacities, "opacities", out);
  g.colors = gradient_of(batch.colors, "colors", out);
  const auto n = static_cast<py::ssize_t>(b.count);
  auto camera = zeros<double>({b.views, 4, 4});
  auto means2d = zeros<float>({b.views, n, 2});
  auto radii = zeros<float>({b.views, n});
  auto skipped = zeros<std::int64_t>({b.views});
  auto under = zeros<double>({b.channels});
  g.viewmats = camera.mutable_data();
  g.means2d = means2d.mutable_data();
  g.radii = radii.mutable_data();
  g.skipped = skipped.mutable_data();
  g.background = background.is_none() ? nullptr : under.mutable_data();
  {
    py::gil_scoped_release release;
    splat_backward(b, images_.is_none() ? nullptr : images.data(),
                   alphas_.is_none() ? nullptr : alphas.data(), image_gradients.data(),
                   alpha_gradients_.is_none() ? nullptr : alpha_gradients.data(), g);
  }
  if (!background.is_none()) out["background"] = under.attr("astype")(py::dtype::of<float>());
  out["viewmats"] = camera;
  out["means2d"] = means2d;
  out["radii"] = radii;
  out["skipped"] = skipped;
  return out;
}

}  // namespace

void register_splat(py::module_& module) {
  module.def("splat", &splat_py, py::arg("means"), py::arg("quats"), py::arg("scales"),
             py::arg("covars"), py::arg("opacities"), py::arg("colors"), py::arg("sh_degree"),
             py::arg("viewmats"), py::arg("Ks"), py::arg("width"), py::arg("height"),
             py::arg("background"), py::arg("quality"), py::arg("threads"));
  module.def("splat_backward", &backward_py, py::arg("means"), py::arg("quats"),
             py::arg("scales"), py::arg("covars"), py::arg("opacities"), py::arg("colors"),
             py::arg("sh_degree"), py::arg("viewmats"), py::arg("Ks"), py::arg("width"),
             py::arg("height"), py::arg("background"),
             py::arg("image_gradients"), py::arg("alpha_gradients"), py::arg("images"),
             py::arg("alphas"), py::arg("threads"));
}

}  // namespace avatar_rt::bind
