#include "bind/cuda_floats.h"

#include <pybind11/stl.h>

#include "bind/register.h"
#include "cuda/register.h"

namespace avatar_rt::bind {
namespace {

constexpr const char* kInterface = "__cuda_array_interface__";

py::ssize_t product(const std::vector<py::ssize_t>& shape) {
  py::ssize_t out = 1;
  for (const py::ssize_t length : shape) out *= length;
  return out;
}

std::string shape_text(const std::vector<py::ssize_t>& shape) {
  return py::str(py::tuple(py::cast(shape))).cast<std::string>();
}

}  // namespace

DeviceFloats::DeviceFloats(const py::object& value, const char* name) : owner_(value) {
  if (!py::hasattr(value, kInterface)) {
    throw py::value_error(std::string(name) + ": expected a CUDA array of float32");
  }
  const py::dict is = value.attr(kInterface);
  if (is["typestr"].cast<std::string>() != "<f4") {
    throw py::value_error(std::string(name) + ": has type " +
                          is["typestr"].cast<std::string>() + ", expected <f4 (float32)");
  }
  shape_ = is["shape"].cast<std::vector<py::ssize_t>>();
  if (is.contains("strides") && !is["strides"].is_none() && size() != 0) {
    const auto strides = is["strides"].cast<std::vector<py::ssize_t>>();
    if (strides.size() != shape_.size()) {
      throw py::value_error(std::string(name) + ": has strides of another number of axes");
    }
    py::ssize_t step = sizeof(float);
    for (std::size_t k = shape_.size(); k-- > 0; step *= shape_[k]) {
      if (shape_[k] != 1 && strides[k] != step) {
        throw py::value_error(std::string(name) + ": must be C-contiguous");
      }
    }
  }
  if (!py::isinstance<py::tuple>(is["data"])) {
    throw py::value_error(std::string(name) + ": its interface has no (pointer, read-only) data");
  }
  const auto [address, read_only] = is["data"].cast<std::pair<std::uintptr_t, bool>>();
  if (size() != 0 && (address == 0 || address % alignof(float) != 0)) {
    throw py::value_error(std::string(name) + ": its memory is null or not aligned");
  }
  data_ = reinterpret_cast<float*>(address);
  read_only_ = read_only;
}

py::ssize_t DeviceFloats::size() const { return product(shape_); }

void DeviceFloats::require_writable(const char* name) const {
  if (read_only_) throw py::value_error(std::string(name) + ": is read-only");
}

void DeviceFloats::require_device(int device, const char* name) const {
  if (data_ == nullptr || size() == 0) return;
  const int own = cuda::device_of(data_);
  if (own == device) return;
  throw py::value_error(std::string(name) + ": is in memory of " +
                        (own < 0 ? "no device" : "device " + std::to_string(own)) +
                        ", expected device " + std::to_string(device));
}

template <>
DeviceFloats floats_of(const py::object& value, const char* name,
                       std::initializer_list<py::ssize_t> shape) {
  DeviceFloats out(value, name);
  bool fits = out.ndim() == static_cast<py::ssize_t>(shape.size());
  for (py::ssize_t k = 0; fits && k < out.ndim(); ++k) {
    fits = shape.begin()[k] == kAny || out.shape(k) == shape.begin()[k];
  }
  if (fits) return out;
  std::vector<py::ssize_t> has;
  for (py::ssize_t k = 0; k < out.ndim(); ++k) has.push_back(out.shape(k));
  throw py::value_error(std::string(name) + ": has shape " + shape_text(has) + ", expected " +
                        shape_text(shape) + " (-1: any)");
}

template <>
py::ssize_t axes_of<DeviceFloats>(const py::object& value) {
  if (!py::hasattr(value, kInterface)) return -1;
  return static_cast<py::ssize_t>(py::len(value.attr(kInterface)["shape"]));
}

CudaFloats::CudaFloats(const py::object& shape_or_array, int device) : device_(device) {
  const void* from = nullptr;
  py::array_t<float> given;
  if (py::isinstance<py::array>(shape_or_array)) {
    given = py::array_t<float, py::array::c_style | py::array::forcecast>(shape_or_array);
    shape_.assign(given.shape(), given.shape() + given.ndim());
    from = given.data();
  } else {
    shape_ = shape_or_array.cast<std::vector<py::ssize_t>>();
    for (const py::ssize_t length : shape_) {
      if (length < 0) throw py::value_error("shape: " + shape_text(shape_) + " is negative");
    }
  }
  const py::gil_scoped_release release;
  memory_ = cuda::memory_on(device, bytes());
  cuda::copy_to(device, memory_.get(), from, bytes());
}

std::size_t CudaFloats::bytes() const {
  return static_cast<std::size_t>(product(shape_)) * sizeof(float);
}

py::dict CudaFloats::interface() const {
  py::dict out;
  out["shape"] = shape();
  out["typestr"] = "<f4";
  out["data"] = py::make_tuple(reinterpret_cast<std::uintptr_t>(memory_.get()), false);
  out["strides"] = py::none();
  out["version"] = 3;
  return out;
}

py::array_t<float> CudaFloats::numpy() const {
  py::array_t<float> out(shape_);
  float* data = out.mutable_data();
  const py::gil_scoped_release release;
  cuda::copy_from(device_, data, memory_.get(), bytes());
  return out;
}

void register_cuda_floats(py::module_& module) {
  py::class_<CudaFloats> type(module, "CudaFloats");
  type.def(py::init<const py::object&, int>(), py::arg("shape_or_array"), py::arg("device") = 0);
  type.def_property_readonly("__cuda_array_interface__", &CudaFloats::interface);
  type.def_property_readonly("shape", &CudaFloats::shape);
  type.def_property_readonly("device", &CudaFloats::device);
  type.def("numpy", &CudaFloats::numpy);
}

}  // namespace avatar_rt::bind
