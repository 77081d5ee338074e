// Animator: a head's animation of Gaussians, and its gradients.
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "bind/animation.h"
#include "bind/register.h"
#include "core/animator.h"

namespace avatar_rt::bind {
namespace {

using Floats = py::array_t<float>;

using Arguments = AnimationArguments<Floats>;

class AnimatorCore {
 public:
  AnimatorCore(const py::object& vertices, const py::object& faces,
               const py::object& expression_basis, const py::object& joints,
               const py::object& parents, const py::object& weights,
               const py::object& pose_correctives, int threads) {
    const HeadArrays head(vertices, faces, expression_basis, joints, parents, weights,
                          pose_correctives);
    // with the GIL: the faces that were checked are those that are copied
    animator_ = std::make_unique<Animator>(head.view, thread_count(threads));
  }

  std::tuple<Floats, Floats, Floats> forward(
      const py::object& coefficients, const py::object& joint_rotations,
      const py::object& translation, const py::object& vertices, const std::string& frame,
      const py::object& triangles, const py::object& barycentric, const py::object& offsets,
      const py::object& quats, const py::object& scales) {
    const Arguments in(head_size(), coefficients, joint_rotations, translation, vertices, frame,
                       triangles, barycentric, offsets, quats, scales);
    const py::ssize_t batch = in.view.batch, n = in.view.count;
    Floats means({batch, n, py::ssize_t{3}}), covars({batch, n, py::ssize_t{6}});
    Floats posed({batch, py::ssize_t{animator_->vertex_count()}, py::ssize_t{3}});
    const AnimationOutput out{means.mutable_data(), covars.mutable_data(), posed.mutable_data()};
    {
      py::gil_scoped_release release;
      animator_->forward(in.view, out);
    }
    return {means, covars, posed};
  }

  py::tuple backward(const py::object& coefficients, const py::object& joint_rotations,
                     const py::object& translation, const py::object& vertices,
                     const std::string& frame, const py::object& triangles,
                     const py::object& barycentric, const py::object& offsets,
                     const py::object& quats, const py::object& scales,
                     const py::object& means_gradient, const py::object& covars_gradient,
                     const py::object& posed_gradient) {
    const Arguments in(head_size(), coefficients, joint_rotations, translation, vertices, frame,
                       triangles, barycentric, offsets, quats, scales);
    const py::ssize_t batch = in.view.batch, n = in.view.count, V = animator_->vertex_count();
    Floats of_means, of_covars, of_posed;
    AnimationGradient gradient{};
    if (!means_gradient.is_none()) {
      of_means = array<float>(means_gradient, "means_gradient", {batch, n, 3});
      gradient.means = of_means.data();
    }
    if (!covars_gradient.is_none()) {
      of_covars = array<float>(covars_gradient, "covars_gradient", {batch, n, 6});
      gradient.covars = of_covars.data();
    }
    if (!posed_gradient.is_none()) {
      of_posed = array<float>(posed_gradient, "posed_gradient", {batch, V, 3});
      gradient.vertices = of_posed.data();
    }
    const auto like = [](const Floats& a) {
      return Floats(std::vector<py::ssize_t>(a.shape(), a.shape() + a.ndim()));
    };
    Floats outs[8] = {like(in.coefficients), like(in.rotations),
                      like(in.translation),  Floats({V, py::ssize_t{3}}),
                      like(in.barycentric),  like(in.offsets),
                      like(in.quats),        like(in.scales)};
    const AnimationInputGradient out{
        outs[0].mutable_data(), outs[1].mutable_data(), outs[2].mutable_data(),
        outs[3].mutable_data(), outs[4].mutable_data(), outs[5].mutable_data(),
        outs[6].mutable_data(), outs[7].mutable_data()};
    {
      py::gil_scoped_release release;
      animator_->backward(in.view, gradient, out);
    }
    return py::make_tuple(outs[0], outs[1], outs[2], outs[3], outs[4], outs[5], outs[6], outs[7]);
  }

 private:
  HeadSize head_size() const {
    return {animator_->vertex_count(), animator_->face_count(), animator_->expression_count(),
            animator_->joint_count()};
  }

  std::unique_ptr<Animator> animator_;
};

}  // namespace

void register_animator(py::module_& module) {
  py::class_<AnimatorCore> type(module, "Animator");
  type.def(py::init<const py::object&, const py::object&, const py::object&, const py::object&,
                    const py::object&, const py::object&, const py::object&, int>(),
           py::arg("vertices"), py::arg("faces"), py::arg("expression_basis"), py::arg("joints"),
           py::arg("parents"), py::arg("weights"), py::arg("pose_correctives"),
           py::arg("threads"));
  type.def("forward", &AnimatorCore::forward, py::arg("coefficients"), py::arg("joint_rotations"),
           py::arg("translation"), py::arg("vertices"), py::arg("frame"), py::arg("triangles"),
           py::arg("barycentric"), py::arg("offsets"), py::arg("quats"), py::arg("scales"));
  type.def("backward", &AnimatorCore::backward, py::arg("coefficients"),
           py::arg("joint_rotations"), py::arg("translation"), py::arg("vertices"),
           py::arg("frame"), py::arg("triangles"), py::arg("barycentric"), py::arg("offsets"),
           py::arg("quats"), py::arg("scales"), py::arg("means_gradient"),
           py::arg("covars_gradient"), py::arg("posed_gradient"));
}

}  // namespace avatar_rt::bind
