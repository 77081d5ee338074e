#include "bind/arrays.h"

#include <algorithm>
#include <cmath>

#include "core/cores.h"

namespace avatar_rt::bind {
namespace {

template <typename T>
constexpr const char* kTypeName = "";
template <>
constexpr const char* kTypeName<float> = "float32";
template <>
constexpr const char* kTypeName<double> = "float64";
template <>
constexpr const char* kTypeName<std::int32_t> = "int32";

std::string shape_text(const py::ssize_t* begin, const py::ssize_t* end) {
  std::string text = "(";
  for (const py::ssize_t* d = begin; d != end; ++d) {
    text += (d == begin ? "" : ", ") + (*d == kAny ? std::string("any") : std::to_string(*d));
  }
  return text + (end - begin == 1 ? ",)" : ")");
}

}  // namespace

template <typename T>
py::array_t<T> array(const py::object& value, const char* name,
                     std::initializer_list<py::ssize_t> shape) {
  const auto expected = [&] {
    return std::string(kTypeName<T>) + " of shape " + shape_text(shape.begin(), shape.end());
  };
  if (!py::isinstance<py::array>(value)) {
    throw py::value_error(std::string(name) + ": expected a NumPy array, " + expected());
  }
  const auto any = py::reinterpret_borrow<py::array>(value);
  if (!any.dtype().is(py::dtype::of<T>()) && !any.dtype().equal(py::dtype::of<T>())) {
    throw py::value_error(std::string(name) + ": has dtype " +
                          py::str(any.dtype()).cast<std::string>() + ", expected " + expected());
  }
  bool fits = any.ndim() == static_cast<py::ssize_t>(shape.size());
  for (py::ssize_t k = 0; fits && k < any.ndim(); ++k) {
    const py::ssize_t want = shape.begin()[k];
    fits = want == kAny || any.shape(k) == want;
  }
  if (!fits) {
    throw py::value_error(std::string(name) + ": has shape " +
                          shape_text(any.shape(), any.shape() + any.ndim()) + ", expected " +
                          expected());
  }
  constexpr int kLayout = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
  if ((any.flags() & kLayout) != kLayout) {
    throw py::value_error(std::string(name) + ": must be C-contiguous and aligned");
  }
  return py::reinterpret_borrow<py::array_t<T>>(any);
}

template py::array_t<float> array(const py::object&, const char*,
                                  std::initializer_list<py::ssize_t>);
template py::array_t<double> array(const py::object&, const char*,
                                   std::initializer_list<py::ssize_t>);
template py::array_t<std::int32_t> array(const py::object&, const char*,
                                         std::initializer_list<py::ssize_t>);

void require_finite(const py::array_t<float>& value, const char* name) {
  const float* begin = value.data();
  if (!std::all_of(begin, begin + value.size(), [](float x) { return std::isfinite(x); })) {
    throw py::value_error(std::string(name) + ": holds a value that is not finite");
  }
}

void require_range(const py::array_t<std::int32_t>& value, const char* name, std::int64_t low,
                   std::int64_t high) {
  const std::int32_t* begin = value.data();
  const auto outside = std::find_if(begin, begin + value.size(),
                                    [&](std::int32_t i) { return i < low || i >= high; });
  if (outside != begin + value.size()) {
    throw py::value_error(std::string(name) + ": index " + std::to_string(*outside) +
                          " is outside [" + std::to_string(low) + ", " + std::to_string(high) +
                          ")");
  }
}

CameraView camera(const py::object& viewmat, const py::object& K, int width, int height) {
  const auto v = array<double>(viewmat, "viewmat", {4, 4});
  const auto k = array<double>(K, "K", {3, 3});
  return camera(v.data(), k.data(), width, height);
}

CameraView camera(const double* viewmat, const double* K, int width, int height) {
  CameraView view{};
  const auto finite = [](const double* p, int n) {
    return std::all_of(p, p + n, [](double x) { return std::isfinite(x); });
  };
  if (!finite(viewmat, 16)) throw py::value_error("viewmat: holds a value that is not finite");
  if (!finite(K, 9)) throw py::value_error("K: holds a value that is not finite");
  std::copy_n(viewmat, 16, view.viewmat);
  view.fx = K[0];
  view.fy = K[4];
  view.cx = K[2];
  view.cy = K[5];
  if (!(view.fx > 0 && view.fy > 0)) throw py::value_error("K: focal lengths must be positive");
  constexpr int kMaxSide = 4096;
  if (width < 1 || width > kMaxSide) throw py::value_error("width: must be in [1, 4096]");
  if (height < 1 || height > kMaxSide) throw py::value_error("height: must be in [1, 4096]");
  view.width = width;
  view.height = height;
  return view;
}

Quality quality(const std::string& name) {
  if (name == "exact") return Quality::exact;
  if (name == "fast") return Quality::fast;
  throw py::value_error("quality: is '" + name + "', expected 'exact' or 'fast'");
}

void require_haste(int haste) {
  if (haste < 0 || haste >= kHastes) {
    throw py::value_error("haste: must be in [0, " + std::to_string(kHastes) + ")");
  }
}

Quality hurried(Quality quality, int haste) {
  require_haste(haste);
  return quality == Quality::exact ? quality : Quality{static_cast<int>(Quality::fast) + haste};
}

int thread_count(int threads) {
  if (threads < 0) throw py::value_error("threads: must be 0 (all cores) or positive");
  return threads == 0 ? usable_cores() : std::min(threads, 256);
}

}  // namespace avatar_rt::bind
