// splat and splat_backward: batches of views.
#include <pybind11/stl.h>

#include <string>
#include <utility>
#include <vector>

#include "bind/register.h"
#include "bind/splat_batch.h"

namespace avatar_rt::bind {
namespace {

using Floats = py::array_t<float>;

using HostBatch = Batch<Floats>;

py::object splat_py(
    const py::object& means, const py::object& quats, const py::object& scales,
    const py::object& covars, const py::object& opacities, const py::object& colors,
    const py::object& sh_degree, const py::object& viewmats, const py::object& Ks, int width,
    int height, const py::object& background, const std::string& quality_name, int threads) {
  const HostBatch batch(means, quats, scales, covars, opacities, colors, sh_degree, viewmats, Ks, width,
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

PerView<float> gradient_of(const Shared<Floats>& input, const char* name, py::dict& out) {
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
  const HostBatch batch(means, quats, scales, covars, opacities, colors, sh_degree, viewmats, Ks, width,
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
