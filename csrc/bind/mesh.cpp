// rasterize_mesh: which triangle each pixel sees.
#include <tuple>

#include "bind/arrays.h"
#include "bind/register.h"
#include "core/renderer.h"

namespace avatar_rt::bind {
namespace {

std::tuple<py::array_t<std::int32_t>, py::array_t<float>, py::array_t<float>> mesh_py(
    const py::object& points, const py::object& faces, int width, int height, int threads) {
  const auto p = array<float>(points, "points", {kAny, 3});
  const auto f = array<std::int32_t>(faces, "faces", {kAny, 3});
  require_range(f, "faces", 0, p.shape(0));
  if (width < 1 || width > 16384) throw py::value_error("width: must be in [1, 16384]");
  if (height < 1 || height > 16384) throw py::value_error("height: must be in [1, 16384]");
  const int thread_total = thread_count(threads);
  py::array_t<std::int32_t> triangle({height, width});
  py::array_t<float> barycentric({height, width, 3}), depth({height, width});
  std::int32_t* triangle_data = triangle.mutable_data();
  float* barycentric_data = barycentric.mutable_data();
  float* depth_data = depth.mutable_data();
  bool valid;
  {
    py::gil_scoped_release release;
    valid = rasterize_mesh(p.data(), p.shape(0), f.data(), f.shape(0), width, height, thread_total,
                           triangle_data, barycentric_data, depth_data);
  }
  if (!valid) throw py::value_error("faces: changed while it was read");
  return {triangle, barycentric, depth};
}

}  // namespace

void register_mesh(py::module_& module) {
  module.def("rasterize_mesh", &mesh_py, py::arg("points"), py::arg("faces"), py::arg("width"),
             py::arg("height"), py::arg("threads"));
}

}  // namespace avatar_rt::bind
