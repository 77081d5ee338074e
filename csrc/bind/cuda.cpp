// Whether CUDA can be used here, by which devices, and what is raised where one fails.
#include <pybind11/stl.h>

#include <string>

#include "bind/register.h"
#include "core/errors.h"
#include "cuda/register.h"

namespace avatar_rt::bind {

namespace py = pybind11;

void register_cuda(py::module_& module) {
  const auto error = py::register_exception<DeviceError>(module, "DeviceError");
  py::register_exception<DeviceMemoryError>(module, "DeviceMemoryError", error);
  module.def("cuda_status", &cuda::status, py::call_guard<py::gil_scoped_release>());
  module.def("cuda_devices", &cuda::devices, py::call_guard<py::gil_scoped_release>());
  py::class_<cuda::Device> type(module, "CudaDevice");
  type.def_readonly("number", &cuda::Device::number);
  type.def_readonly("name", &cuda::Device::name);
  type.def_property_readonly("capability", [](const cuda::Device& device) {
    return py::make_tuple(device.major, device.minor);
  });
  type.def_readonly("memory_free", &cuda::Device::memory_free);
  type.def_readonly("memory_total", &cuda::Device::memory_total);
}

}  // namespace avatar_rt::bind
