// The extension module avatar_rt._core: a table of contents.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "bind/register.h"
#include "core/backend.h"
#include "cpu/register.h"
#include "math/constants.h"

PYBIND11_MODULE(_core, module) {
  using namespace avatar_rt;
  module.doc() = "The native core of avatar-rt; avatar_rt/_core.pyi documents it.";
  module.attr("ALPHA_MAX") = kAlphaMax;
  module.attr("ALPHA_MIN") = kAlphaMin;
  module.attr("TRANSMITTANCE_MIN") = kTransmittanceMin;
  module.attr("LOW_PASS") = kLowPass;
  set_backend(cpu::backend());
  module.def("isa", [] { return std::string(backend().stages->isa); });
  module.def("available_isas", &cpu::available_isas);
  bind::register_rasterize(module);
  bind::register_splat(module);
  bind::register_mesh(module);
  bind::register_cuda(module);
  bind::register_cuda_animator(module);
  bind::register_cuda_floats(module);
  bind::register_cuda_splat(module);
  bind::register_device_array(module);
  bind::register_avatar(module);
  bind::register_plain(module);
  bind::register_animator(module);
}
