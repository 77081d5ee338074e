// float32 arrays in a device's memory: our own, and anybody's that shows itself by
// __cuda_array_interface__ (numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html), as
// torch's tensors do.
#pragma once

#include <memory>
#include <vector>

#include "bind/splat_batch.h"

namespace avatar_rt::bind {

// Somebody's array, kept alive. Rows without gaps.
class DeviceFloats {
 public:
  DeviceFloats() = default;
  // Raises ValueError, naming the array, where it is not float32 without gaps.
  DeviceFloats(const py::object& value, const char* name);

  const float* data() const { return data_; }
  float* mutable_data() const { return data_; }
  py::ssize_t ndim() const { return static_cast<py::ssize_t>(shape_.size()); }
  py::ssize_t shape(py::ssize_t axis) const { return shape_[static_cast<std::size_t>(axis)]; }
  py::ssize_t size() const;
  void require_writable(const char* name) const;
  // Raises ValueError where it is not that device's.
  void require_device(int device, const char* name) const;

 private:
  py::object owner_;
  float* data_ = nullptr;
  bool read_only_ = false;
  std::vector<py::ssize_t> shape_;
};

template <>
DeviceFloats floats_of(const py::object& value, const char* name,
                       std::initializer_list<py::ssize_t> shape);
template <>
py::ssize_t axes_of<DeviceFloats>(const py::object& value);

// Our own.
class CudaFloats {
 public:
  // Zeros of a shape, or a copy of a NumPy array.
  CudaFloats(const py::object& shape_or_array, int device);

  py::dict interface() const;
  py::array_t<float> numpy() const;
  py::tuple shape() const { return py::tuple(py::cast(shape_)); }
  int device() const { return device_; }

 private:
  std::size_t bytes() const;

  std::shared_ptr<void> memory_;
  std::vector<py::ssize_t> shape_;
  int device_;
};

}  // namespace avatar_rt::bind
