// The arguments of splat(), checked: arrays of the processor's, or of a device's.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "bind/arrays.h"
#include "core/splat.h"
#include "math/constants.h"

namespace avatar_rt::bind {

// A value as float32 of that shape, and how many axes it has; -1 where it is no such array.
template <class Floats>
Floats floats_of(const py::object& value, const char* name,
                 std::initializer_list<py::ssize_t> shape);
template <class Floats>
py::ssize_t axes_of(const py::object& value);

template <>
inline py::array_t<float> floats_of(const py::object& value, const char* name,
                                    std::initializer_list<py::ssize_t> shape) {
  return array<float>(value, name, shape);
}
template <>
inline py::ssize_t axes_of<py::array_t<float>>(const py::object& value) {
  if (!py::isinstance<py::array>(value)) return -1;
  return py::reinterpret_borrow<py::array>(value).ndim();
}

// float32 of that shape, or of that shape for each of `views`; step is 0 for the former.
template <class Floats>
struct Shared {
  Floats array;
  PerView<const float> view;
};

template <class Floats>
Shared<Floats> shared(const py::object& value, const char* name, py::ssize_t views,
                      const std::vector<py::ssize_t>& shape) {
  const bool each = axes_of<Floats>(value) == static_cast<py::ssize_t>(shape.size()) + 1;
  Shared<Floats> out;
  const auto& s = shape;
  switch (s.size()) {
    case 1:
      out.array = each ? floats_of<Floats>(value, name, {views, s[0]})
                       : floats_of<Floats>(value, name, {s[0]});
      break;
    case 2:
      out.array = each ? floats_of<Floats>(value, name, {views, s[0], s[1]})
                       : floats_of<Floats>(value, name, {s[0], s[1]});
      break;
    default:
      out.array = each ? floats_of<Floats>(value, name, {views, s[0], s[1], s[2]})
                       : floats_of<Floats>(value, name, {s[0], s[1], s[2]});
  }
  std::size_t step = 1;
  for (py::ssize_t d = 1; d < out.array.ndim(); ++d) {
    step *= static_cast<std::size_t>(out.array.shape(d));
  }
  out.view = {out.array.data(), each ? step : 0};
  return out;
}

// The arguments of splat() that both directions share, kept alive while the core reads them.
template <class Floats>
struct Batch {
  Shared<Floats> means, quats, scales, covars, opacities, colors;
  py::array_t<float> background;
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
    means = shared<Floats>(means_, "means", views, {kAny, 3});
    const py::ssize_t n = means.array.shape(means.array.ndim() - 2);
    if (n > 0x7fffffff / 16) throw py::value_error("means: too many Gaussians");
    const bool by_scale = !quats_.is_none() || !scales_.is_none();
    if (by_scale == !covars_.is_none()) {
      throw py::value_error("covars: give either quats and scales, or covars");
    }
    if (by_scale) {
      quats = shared<Floats>(quats_, "quats", views, {n, 4});
      scales = shared<Floats>(scales_, "scales", views, {n, 3});
    } else {
      covars = shared<Floats>(covars_, "covars", views, {n, 6});
    }
    opacities = shared<Floats>(opacities_, "opacities", views, {n});
    if (sh_degree.is_none()) {
      colors = shared<Floats>(colors_, "colors", views, {n, kAny});
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
    colors = shared<Floats>(colors_, "colors", views, {n, kAny, 3});
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

}  // namespace avatar_rt::bind
