#include "bind/device_array.h"

#include <pybind11/stl.h>

#include <string>

#include "bind/pictures.h"
#include "bind/register.h"
#include "cuda/register.h"

namespace avatar_rt::bind {
namespace {

[[noreturn]] void refuse(const char* why) {
  PyErr_SetString(PyExc_BufferError, why);
  throw py::error_already_set();
}

// What a consumer's `stream` stands for; the runtime's own handles of its two default streams are
// the numbers 1 and 2 as well.
void* stream_of(const py::object& stream) {
  constexpr std::uintptr_t kDefault = 1;
  if (stream.is_none()) return reinterpret_cast<void*>(kDefault);
  const auto handle = stream.cast<long long>();
  if (handle <= 0) {
    throw py::value_error("stream: is " + std::to_string(handle) +
                          ", expected None, -1, 1, 2 or a cudaStream_t");
  }
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(handle));
}

}  // namespace

DeviceArray::DeviceArray(DevicePicture picture, PixelFormat format, const Shape& shape)
    : shape_(shape) {
  std::size_t bytes = format == PixelFormat::float32 ? sizeof(float) : 1;
  for (const py::ssize_t length : shape) bytes *= static_cast<std::size_t>(length);
  whole_ = std::make_shared<const Whole>(Whole{std::move(picture), format, shape, bytes});
}

std::pair<DeviceArray, DeviceArray> DeviceArray::planes() const {
  if (whole_->format != PixelFormat::nv12 || shape_ != whole_->shape) {
    throw py::value_error("format: only nv12 has two planes");
  }
  const py::ssize_t height = shape_[0] / 3 * 2, width = shape_[1];
  return {DeviceArray(whole_, 0, {height, width}),
          DeviceArray(whole_, static_cast<std::size_t>(height * width),
                      {height / 2, width / 2, 2})};
}

std::shared_ptr<char> DeviceArray::read_back() const {
  const py::gil_scoped_release release;
  const std::shared_ptr<char> bytes(new char[whole_->bytes], std::default_delete<char[]>());
  cuda::read_back(whole_->picture, bytes.get(), whole_->bytes);
  return bytes;
}

py::array DeviceArray::numpy() const {
  const std::shared_ptr<char> bytes = read_back();
  return array_in(bytes, bytes.get() + offset_, whole_->format, shape_);
}

dlpack::Array DeviceArray::at(const std::shared_ptr<void>& memory, void* data,
                              dlpack::Device device) const {
  const bool real = whole_->format == PixelFormat::float32;
  const dlpack::DataType type = real ? dlpack::DataType{dlpack::kFloat, 32, 1}
                                     : dlpack::DataType{dlpack::kUnsigned, 8, 1};
  return {memory, static_cast<char*>(data) + offset_, device, type, {shape_.begin(), shape_.end()}};
}

py::capsule DeviceArray::dlpack(const py::object& stream, const py::object& max_version,
                                const py::object& wanted_device, std::optional<bool> copy) const {
  const bool versioned =
      !max_version.is_none() && max_version.cast<std::pair<int, int>>().first >= 1;
  const std::pair<int, int> here = dlpack_device();
  const auto wanted =
      wanted_device.is_none() ? here : wanted_device.cast<std::pair<int, int>>();
  if (wanted == std::pair<int, int>{dlpack::kCpu, 0}) {
    if (copy == false) refuse("copy: a picture reaches the processor's memory as a copy only");
    const std::shared_ptr<char> bytes = read_back();
    return dlpack::capsule(at(bytes, bytes.get(), {dlpack::kCpu, 0}), versioned, true);
  }
  if (wanted != here) refuse("dl_device: a picture stays on its own device, or goes to (1, 0)");
  if (copy == true) refuse("copy: a picture is copied to the processor only, dl_device=(1, 0)");
  const DevicePicture& picture = whole_->picture;
  if (stream.is_none() || stream.cast<long long>() != -1) {  // -1: the consumer waits by itself
    void* const waiting = stream_of(stream);
    const py::gil_scoped_release release;
    cuda::let_wait(picture, waiting);
  }
  return dlpack::capsule(at(picture.memory, picture.data, {dlpack::kCuda, picture.device}),
                         versioned, false);
}

void register_device_array(py::module_& module) {
  py::class_<DeviceArray> type(module, "DeviceArray");
  type.def_property_readonly("shape", &DeviceArray::shape);
  type.def_property_readonly("device", &DeviceArray::device);
  type.def("planes", &DeviceArray::planes);
  type.def("numpy", &DeviceArray::numpy);
  type.def("__dlpack__", &DeviceArray::dlpack, py::kw_only(), py::arg("stream") = py::none(),
           py::arg("max_version") = py::none(), py::arg("dl_device") = py::none(),
           py::arg("copy") = py::none());
  type.def("__dlpack_device__", &DeviceArray::dlpack_device);
}

}  // namespace avatar_rt::bind
