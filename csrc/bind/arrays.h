// From Python's arrays to the core's views, with errors that name the argument.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "core/views.h"

namespace avatar_rt::bind {

namespace py = pybind11;

// A dimension that may have any length; the others must match.
inline constexpr py::ssize_t kAny = -1;

// `value` as an array of T with that shape; raises ValueError naming `name` otherwise.
template <typename T>
py::array_t<T> array(const py::object& value, const char* name,
                     std::initializer_list<py::ssize_t> shape);

// Raises ValueError where a value is NaN or infinite.
void require_finite(const py::array_t<float>& value, const char* name);

// Raises ValueError where an index is outside [low, high).
void require_range(const py::array_t<std::int32_t>& value, const char* name, std::int64_t low,
                   std::int64_t high);

CameraView camera(const py::object& viewmat, const py::object& K, int width, int height);
CameraView camera(const double* viewmat, const double* K, int width, int height);
Quality quality(const std::string& name);
// That kind of "fast"; "exact" knows no haste. Raises ValueError for a haste that there is not.
Quality hurried(Quality quality, int haste);
void require_haste(int haste);
int thread_count(int threads);  // 0 → all cores

}  // namespace avatar_rt::bind
