#include "bind/pictures.h"

#include <utility>

namespace avatar_rt::bind {
namespace {

struct Named {
  const char* name;
  PixelFormat format;
};
constexpr Named kFormats[] = {{"rgb8", PixelFormat::rgb8},
                              {"rgba8", PixelFormat::rgba8},
                              {"i420", PixelFormat::i420},
                              {"nv12", PixelFormat::nv12},
                              {"float32", PixelFormat::float32}};

py::dtype type_of(PixelFormat format) {
  return format == PixelFormat::float32 ? py::dtype::of<float>() : py::dtype::of<std::uint8_t>();
}

}  // namespace

PixelFormat pixel_format(const std::string& name) {
  for (const auto& [known, format] : kFormats) {
    if (name == known) return format;
  }
  throw py::value_error("format: is '" + name + "', expected rgb8, rgba8, i420, nv12 or float32");
}

std::vector<py::ssize_t> picture_shape(PixelFormat format, py::ssize_t width, py::ssize_t height) {
  if (!halves_chroma(format)) return {height, width, format == PixelFormat::rgb8 ? 3 : 4};
  if (width % 2 != 0) throw py::value_error("width: must be even for i420 and nv12");
  if (height % 2 != 0) throw py::value_error("height: must be even for i420 and nv12");
  return {height * 3 / 2, width};
}

py::array array_in(std::shared_ptr<void> memory, const void* data, PixelFormat format,
                   const std::vector<py::ssize_t>& shape) {
  using Kept = std::shared_ptr<void>;
  const py::capsule keeper(new Kept(std::move(memory)),
                           [](void* kept) { delete static_cast<Kept*>(kept); });
  return py::array(type_of(format), shape, data, keeper);
}

py::array empty_pixels(Avatar& avatar, PixelFormat format, const std::vector<py::ssize_t>& shape) {
  const py::dtype type = type_of(format);
  auto bytes = static_cast<std::size_t>(type.itemsize());
  for (const py::ssize_t length : shape) bytes *= static_cast<std::size_t>(length);
  std::shared_ptr<void> memory = avatar.picture_memory(bytes);
  if (memory == nullptr) return py::array(type, shape);
  const void* data = memory.get();
  return array_in(std::move(memory), data, format, shape);
}

}  // namespace avatar_rt::bind
