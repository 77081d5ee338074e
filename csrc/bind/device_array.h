// Pictures that stay on the device that draws them, as Python holds and shares them.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bind/dlpack.h"
#include "core/renderer.h"

namespace avatar_rt::bind {

namespace py = pybind11;

// A device's picture, or a plane of one. Rows without gaps.
class DeviceArray {
 public:
  using Shape = std::vector<py::ssize_t>;

  // `shape` as picture_shape() has it.
  DeviceArray(DevicePicture picture, PixelFormat format, const Shape& shape);

  py::tuple shape() const { return py::tuple(py::cast(shape_)); }
  int device() const { return whole_->picture.device; }

  // The luma (H, W) and the chroma (H/2, W/2, 2) of an nv12 picture. Raises ValueError for others.
  std::pair<DeviceArray, DeviceArray> planes() const;

  // A copy in memory of the processor's, once the picture is drawn.
  py::array numpy() const;

  // As the Python array API standard (2024.12) describes them.
  py::capsule dlpack(const py::object& stream, const py::object& max_version,
                     const py::object& wanted_device, std::optional<bool> copy) const;
  std::pair<int, int> dlpack_device() const { return {dlpack::kCuda, device()}; }

 private:
  struct Whole {
    DevicePicture picture;
    PixelFormat format;
    Shape shape;
    std::size_t bytes;
  };

  DeviceArray(std::shared_ptr<const Whole> whole, std::size_t offset, Shape shape)
      : whole_(std::move(whole)), offset_(offset), shape_(std::move(shape)) {}

  // All bytes of the picture, once it is drawn.
  std::shared_ptr<char> read_back() const;
  dlpack::Array at(const std::shared_ptr<void>& memory, void* data, dlpack::Device device) const;

  std::shared_ptr<const Whole> whole_;
  std::size_t offset_ = 0;  // bytes
  Shape shape_;
};

}  // namespace avatar_rt::bind
