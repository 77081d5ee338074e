// Each file of csrc/bind adds its part of the module through one of these.
#pragma once

#include <pybind11/pybind11.h>

namespace avatar_rt::bind {

void register_rasterize(pybind11::module_& module);
void register_splat(pybind11::module_& module);
void register_mesh(pybind11::module_& module);
void register_avatar(pybind11::module_& module);
void register_plain(pybind11::module_& module);
void register_animator(pybind11::module_& module);
void register_cuda(pybind11::module_& module);
void register_cuda_animator(pybind11::module_& module);
void register_cuda_floats(pybind11::module_& module);
void register_cuda_splat(pybind11::module_& module);
void register_device_array(pybind11::module_& module);

}  // namespace avatar_rt::bind
