// Pictures as Python knows them: the names of their formats, their shapes, and arrays to hold them.
#pragma once

#include <pybind11/numpy.h>

#include <memory>
#include <string>
#include <vector>

#include "core/renderer.h"

namespace avatar_rt::bind {

namespace py = pybind11;

// Raises ValueError for a name that there is not.
PixelFormat pixel_format(const std::string& name);

// The shape of a picture's pixels. Raises ValueError for an odd size where colours are shared.
std::vector<py::ssize_t> picture_shape(PixelFormat format, py::ssize_t width, py::ssize_t height);

// An array of `shape` at `data`, in `memory`, which it keeps alive.
py::array array_in(std::shared_ptr<void> memory, const void* data, PixelFormat format,
                   const std::vector<py::ssize_t>& shape);

// An array for pixels that `avatar` will draw, in the memory that it likes best.
py::array empty_pixels(Avatar& avatar, PixelFormat format, const std::vector<py::ssize_t>& shape);

}  // namespace avatar_rt::bind
