// rasterize and its adjoint in the colours.
#include <string>
#include <utility>

#include "bind/arrays.h"
#include "bind/register.h"
#include "core/renderer.h"
#include "math/constants.h"

namespace avatar_rt::bind {
namespace {

// The arrays of a call, kept alive while the core reads them.
struct Arguments {
  py::array_t<float> means, quats, scales, covars, opacities;
  GaussianView view;

  Arguments(const py::object& means_, const py::object& quats_, const py::object& scales_,
            const py::object& covars_, const py::object& opacities_)
      : means(array<float>(means_, "means", {kAny, 3})) {
    const py::ssize_t n = means.shape(0);
    if (n > 0x7fffffff / 16) throw py::value_error("means: too many Gaussians");
    const bool by_scale = !quats_.is_none() || !scales_.is_none();
    if (by_scale == !covars_.is_none()) {
      throw py::value_error("covars: give either quats and scales, or covars");
    }
    if (by_scale) {
      quats = array<float>(quats_, "quats", {n, 4});
      scales = array<float>(scales_, "scales", {n, 3});
      view.quats = quats.data();
      view.scales = scales.data();
    } else {
      covars = array<float>(covars_, "covars", {n, 6});
      view.covars = covars.data();
    }
    opacities = array<float>(opacities_, "opacities", {n});
    view.count = n;
    view.means = means.data();
    view.opacities = opacities.data();
  }
};

int channel_count(const py::array& value, const char* name, py::ssize_t channels) {
  (void)value;
  if (channels < 1 || channels > kMaxChannels) {
    throw py::value_error(std::string(name) + ": has " + std::to_string(channels) +
                          " channels, expected 1 to " + std::to_string(kMaxChannels));
  }
  return static_cast<int>(channels);
}

// What rasterize returns: (image, alpha), and beside the pair what only some ask for.
PyTypeObject* splatted_type() {
  static PyStructSequence_Field fields[] = {{"image", nullptr},
                                            {"alpha", nullptr},
                                            {"skipped", nullptr},
                                            {nullptr, nullptr}};
  static PyStructSequence_Desc description = {"avatar_rt._core.Splatted", nullptr, fields, 2};
  static PyTypeObject* const type = PyStructSequence_NewType(&description);
  if (type == nullptr) throw py::error_already_set();
  return type;
}

py::object splatted(const py::object& image, const py::object& alpha, std::int64_t skipped) {
  const auto result = py::reinterpret_steal<py::object>(PyStructSequence_New(splatted_type()));
  if (!result) throw py::error_already_set();
  PyStructSequence_SetItem(result.ptr(), 0, py::object(image).release().ptr());
  PyStructSequence_SetItem(result.ptr(), 1, py::object(alpha).release().ptr());
  PyStructSequence_SetItem(result.ptr(), 2, py::int_(skipped).release().ptr());
  return result;
}

py::object rasterize_py(
    const py::object& means, const py::object& quats, const py::object& scales,
    const py::object& covars, const py::object& opacities, const py::object& colors,
    const py::object& viewmat, const py::object& K, int width, int height,
    const py::object& background, const std::string& quality_name, int threads) {
  Arguments arguments(means, quats, scales, covars, opacities);
  const auto c = array<float>(colors, "colors", {arguments.view.count, kAny});
  const int channels = channel_count(c, "colors", c.shape(1));
  arguments.view.colors = c.data();
  arguments.view.channels = channels;
  const CameraView view = camera(viewmat, K, width, height);
  const Quality q = quality(quality_name);
  const int thread_total = thread_count(threads);
  py::array_t<float> under;
  if (!background.is_none()) {
    under = array<float>(background, "background", {channels});
    require_finite(under, "background");
  }
  py::array_t<float> image({height, width, channels}), alpha({height, width});
  float* image_data = image.mutable_data();
  float* alpha_data = alpha.mutable_data();
  const float* under_data = background.is_none() ? nullptr : under.data();
  std::int64_t skipped;
  {
    py::gil_scoped_release release;
    skipped = rasterize(arguments.view, view, under_data, q, thread_total, image_data, alpha_data);
  }
  return splatted(image, alpha, skipped);
}

std::pair<py::array_t<float>, py::array_t<float>> adjoint_py(
    const py::object& means, const py::object& quats, const py::object& scales,
    const py::object& covars, const py::object& opacities, const py::object& viewmat,
    const py::object& K, const py::object& image_gradient, int threads) {
  Arguments arguments(means, quats, scales, covars, opacities);
  const auto g = array<float>(image_gradient, "image_gradient", {kAny, kAny, kAny});
  const int channels = channel_count(g, "image_gradient", g.shape(2));
  arguments.view.channels = channels;
  const CameraView view =
      camera(viewmat, K, static_cast<int>(g.shape(1)), static_cast<int>(g.shape(0)));
  const int thread_total = thread_count(threads);
  py::array_t<float> color_gradient({arguments.view.count, std::int64_t{channels}});
  py::array_t<float> weight_sum(arguments.view.count);
  float* color_data = color_gradient.mutable_data();
  float* weight_data = weight_sum.mutable_data();
  {
    py::gil_scoped_release release;
    rasterize_colors_adjoint(arguments.view, view, g.data(), thread_total, color_data,
                             weight_data);
  }
  return {color_gradient, weight_sum};
}

}  // namespace

void register_rasterize(py::module_& module) {
  module.attr("Splatted") =
      py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(splatted_type()));
  module.def("rasterize", &rasterize_py, py::arg("means"), py::arg("quats"), py::arg("scales"),
             py::arg("covars"), py::arg("opacities"), py::arg("colors"), py::arg("viewmat"),
             py::arg("K"), py::arg("width"), py::arg("height"), py::arg("background"),
             py::arg("quality"), py::arg("threads"));
  module.def("rasterize_colors_adjoint", &adjoint_py, py::arg("means"), py::arg("quats"),
             py::arg("scales"), py::arg("covars"), py::arg("opacities"), py::arg("viewmat"),
             py::arg("K"), py::arg("image_gradient"), py::arg("threads"));
}

}  // namespace avatar_rt::bind
