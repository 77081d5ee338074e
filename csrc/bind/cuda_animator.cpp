// Animator on a device: poses and triangles by NumPy, all else in the device's memory.
#include <memory>
#include <string>
#include <vector>

#include "bind/animation.h"
#include "bind/cuda_floats.h"
#include "bind/register.h"
#include "cuda/register.h"

namespace avatar_rt::bind {
namespace {

using Arguments = AnimationArguments<DeviceFloats>;

class CudaAnimator {
 public:
  CudaAnimator(const py::object& vertices, const py::object& faces,
               const py::object& expression_basis, const py::object& joints,
               const py::object& parents, const py::object& weights,
               const py::object& pose_correctives, int device)
      : device_(device) {
    const HeadArrays head(vertices, faces, expression_basis, joints, parents, weights,
                          pose_correctives);
    size_ = {head.view.vertex_count, head.view.face_count, head.view.expression_count,
             head.view.joint_count};
    // with the GIL: the faces that were checked are those that are copied
    animator_ = cuda::make_animator(head.view, device);
  }

  void forward(const py::object& coefficients, const py::object& joint_rotations,
               const py::object& translation, const py::object& vertices,
               const std::string& frame, const py::object& triangles,
               const py::object& barycentric, const py::object& offsets, const py::object& quats,
               const py::object& scales, const py::object& means, const py::object& covars,
               const py::object& posed, std::uintptr_t stream) {
    const Arguments in = arguments(coefficients, joint_rotations, translation, vertices, frame,
                                   triangles, barycentric, offsets, quats, scales);
    const py::ssize_t batch = in.view.batch, n = in.view.count;
    const DeviceFloats to_means = own(means, "means", {batch, n, 3}),
                       to_covars = own(covars, "covars", {batch, n, 6}),
                       to_posed = own(posed, "posed", {batch, size_.vertices, 3});
    const AnimationOutput out{to_means.mutable_data(), to_covars.mutable_data(),
                              to_posed.mutable_data()};
    const py::gil_scoped_release release;
    animator_->forward(in.view, out, reinterpret_cast<void*>(stream));
  }

  py::tuple backward(const py::object& coefficients, const py::object& joint_rotations,
                     const py::object& translation, const py::object& vertices,
                     const std::string& frame, const py::object& triangles,
                     const py::object& barycentric, const py::object& offsets,
                     const py::object& quats, const py::object& scales,
                     const py::object& means_gradient, const py::object& covars_gradient,
                     const py::object& posed_gradient, const py::dict& gradients,
                     std::uintptr_t stream) {
    const Arguments in = arguments(coefficients, joint_rotations, translation, vertices, frame,
                                   triangles, barycentric, offsets, quats, scales);
    const py::ssize_t batch = in.view.batch, n = in.view.count;
    const auto given = [&](const py::object& value, const char* name, py::ssize_t rows,
                           py::ssize_t columns) {
      return value.is_none() ? DeviceFloats() : own(value, name, {batch, rows, columns});
    };
    const DeviceFloats of_means = given(means_gradient, "means_gradient", n, 3),
                       of_covars = given(covars_gradient, "covars_gradient", n, 6),
                       of_posed = given(posed_gradient, "posed_gradient", size_.vertices, 3);
    const auto like = [&](const char* name, py::ssize_t rows, py::ssize_t columns) {
      if (!gradients.contains(name)) {
        throw py::value_error(std::string("gradients: holds no ") + name);
      }
      return own(gradients[name], name, {rows, columns});
    };
    const DeviceFloats to_vertices = like("vertices", size_.vertices, 3),
                       to_barycentric = like("barycentric", n, 3),
                       to_offsets = like("offsets", n, 3), to_quats = like("quats", n, 4),
                       to_scales = like("scales", n, 3);
    const auto shaped = [](const py::array_t<float>& a) {
      return py::array_t<float>(std::vector<py::ssize_t>(a.shape(), a.shape() + a.ndim()));
    };
    py::array_t<float> poses[3] = {shaped(in.coefficients), shaped(in.rotations),
                                   shaped(in.translation)};
    const AnimationGradient gradient{of_means.data(), of_covars.data(), of_posed.data()};
    const AnimationInputGradient out{
        poses[0].mutable_data(),       poses[1].mutable_data(),   poses[2].mutable_data(),
        to_vertices.mutable_data(),    to_barycentric.mutable_data(), to_offsets.mutable_data(),
        to_quats.mutable_data(),       to_scales.mutable_data()};
    {
      const py::gil_scoped_release release;
      animator_->backward(in.view, gradient, out, reinterpret_cast<void*>(stream));
    }
    return py::make_tuple(poses[0], poses[1], poses[2]);
  }

 private:
  template <class... Values>
  Arguments arguments(const Values&... values) const {
    Arguments in(size_, values...);
    in.vertices.require_device(device_, "vertices");
    in.barycentric.require_device(device_, "barycentric");
    in.offsets.require_device(device_, "offsets");
    in.quats.require_device(device_, "quats");
    in.scales.require_device(device_, "scales");
    return in;
  }
  DeviceFloats own(const py::object& value, const char* name,
                   std::initializer_list<py::ssize_t> shape) const {
    DeviceFloats out = floats_of<DeviceFloats>(value, name, shape);
    out.require_device(device_, name);
    return out;
  }

  int device_;
  HeadSize size_{};
  std::unique_ptr<cuda::DeviceAnimator> animator_;
};

}  // namespace

void register_cuda_animator(py::module_& module) {
  py::class_<CudaAnimator> type(module, "CudaAnimator");
  type.def(py::init<const py::object&, const py::object&, const py::object&, const py::object&,
                    const py::object&, const py::object&, const py::object&, int>(),
           py::arg("vertices"), py::arg("faces"), py::arg("expression_basis"), py::arg("joints"),
           py::arg("parents"), py::arg("weights"), py::arg("pose_correctives"),
           py::arg("device"));
  type.def("forward", &CudaAnimator::forward, py::arg("coefficients"), py::arg("joint_rotations"),
           py::arg("translation"), py::arg("vertices"), py::arg("frame"), py::arg("triangles"),
           py::arg("barycentric"), py::arg("offsets"), py::arg("quats"), py::arg("scales"),
           py::arg("means"), py::arg("covars"), py::arg("posed"), py::arg("stream"));
  type.def("backward", &CudaAnimator::backward, py::arg("coefficients"),
           py::arg("joint_rotations"), py::arg("translation"), py::arg("vertices"),
           py::arg("frame"), py::arg("triangles"), py::arg("barycentric"), py::arg("offsets"),
           py::arg("quats"), py::arg("scales"), py::arg("means_gradient"),
           py::arg("covars_gradient"), py::arg("posed_gradient"), py::arg("gradients"),
           py::arg("stream"));
}

}  // namespace avatar_rt::bind
