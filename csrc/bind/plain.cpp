// The plain renderer, and the thresholds of each quality to run it with.
#include <cmath>
#include <string>
#include <utility>

#include "bind/arrays.h"
#include "bind/register.h"
#include "core/canvas.h"
#include "core/plain.h"

namespace avatar_rt::bind {
namespace {

void require_share(double value, const char* name) {
  if (!(value > 0 && value <= 1)) throw py::value_error(std::string(name) + ": must be in (0, 1]");
}

template <class Real>
py::tuple draw(const GaussianView& gaussians, const CameraView& view, const py::object& background,
               double alpha_min, double transmittance_min) {
  Real under[3] = {};
  if (!background.is_none()) {
    const auto given = array<float>(background, "background", {3});
    require_finite(given, "background");
    for (int c = 0; c < 3; ++c) under[c] = static_cast<Real>(given.at(c));
  }
  py::array_t<Real> image({view.height, view.width, 3}), alpha({view.height, view.width});
  Real* image_data = image.mutable_data();
  Real* alpha_data = alpha.mutable_data();
  const Real* under_data = background.is_none() ? nullptr : under;
  std::int64_t pairs = 0;
  {
    py::gil_scoped_release release;
    pairs = rasterize_plain<Real>(gaussians, view, under_data, static_cast<Real>(alpha_min),
                                  static_cast<Real>(transmittance_min), image_data, alpha_data);
  }
  return py::make_tuple(image, alpha, pairs);
}

py::tuple rasterize_plain_py(const py::object& means_, const py::object& covars_,
                             const py::object& opacities_, const py::object& colors_,
                             const py::object& viewmat, const py::object& K, int width, int height,
                             const py::object& background, double alpha_min,
                             double transmittance_min, const std::string& precision) {
  const auto means = array<float>(means_, "means", {kAny, 3});
  const py::ssize_t n = means.shape(0);
  if (n > 0x7fffffff / 16) throw py::value_error("means: too many Gaussians");
  const auto covars = array<float>(covars_, "covars", {n, 6});
  const auto opacities = array<float>(opacities_, "opacities", {n});
  const auto colors = array<float>(colors_, "colors", {n, 3});
  GaussianView gaussians;
  gaussians.count = n;
  gaussians.means = means.data();
  gaussians.covars = covars.data();
  gaussians.opacities = opacities.data();
  gaussians.colors = colors.data();
  gaussians.channels = 3;
  const CameraView view = camera(viewmat, K, width, height);
  require_share(alpha_min, "alpha_min");
  require_share(transmittance_min, "transmittance_min");
  if (precision == "float32") {
    return draw<float>(gaussians, view, background, alpha_min, transmittance_min);
  }
  if (precision == "float64") {
    return draw<double>(gaussians, view, background, alpha_min, transmittance_min);
  }
  throw py::value_error("precision: is '" + precision + "', expected 'float32' or 'float64'");
}

}  // namespace

void register_plain(py::module_& module) {
  module.def("rasterize_plain", &rasterize_plain_py, py::arg("means"), py::arg("covars"),
             py::arg("opacities"), py::arg("colors"), py::arg("viewmat"), py::arg("K"),
             py::arg("width"), py::arg("height"), py::arg("background"), py::arg("alpha_min"),
             py::arg("transmittance_min"), py::arg("precision"));
  module.def(
      "thresholds",
      [](const std::string& name, int haste) {
        const Thresholds t = thresholds_of(hurried(quality(name), haste));
        return std::pair<float, float>(t.alpha_min, t.transmittance_min);
      },
      py::arg("quality"), py::arg("haste") = 0);
  module.attr("HASTES") = kHastes;
}

}  // namespace avatar_rt::bind
