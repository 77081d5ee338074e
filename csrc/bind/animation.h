// The arguments of an animation with gradients, checked: Gaussians and the head at rest are arrays of
// the processor's or of a device's, the rest is the processor's.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "bind/head.h"
#include "bind/splat_batch.h"
#include "core/animator.h"

namespace avatar_rt::bind {

struct HeadSize {
  int vertices, faces, expressions, joints;
};

// Kept alive while the core reads them.
template <class Floats>
struct AnimationArguments {
  py::array_t<float> coefficients, rotations, translation;
  Floats vertices, barycentric, offsets, quats, scales;
  std::vector<std::int32_t> triangles;  // a copy: what was checked is what is used
  AnimationView view{};

  AnimationArguments(AnimationArguments&&) = default;  // a copy's view would be of the original
  AnimationArguments(const HeadSize& head, const py::object& coefficients_,
                     const py::object& rotations_, const py::object& translation_,
                     const py::object& vertices_, const std::string& frame,
                     const py::object& triangles_, const py::object& barycentric_,
                     const py::object& offsets_, const py::object& quats_,
                     const py::object& scales_)
      : coefficients(array<float>(coefficients_, "coefficients", {kAny, head.expressions})) {
    const py::ssize_t batch = coefficients.shape(0);
    rotations = array<float>(rotations_, "joint_rotations", {batch, head.joints, 3});
    translation = array<float>(translation_, "translation", {batch, 3});
    require_finite(coefficients, "coefficients");
    require_finite(rotations, "joint_rotations");
    require_finite(translation, "translation");
    if (!vertices_.is_none()) {
      vertices = floats_of<Floats>(vertices_, "vertices", {head.vertices, 3});
      // a device's own are looked at where there is something to wait for: on the way back
      if constexpr (std::is_same_v<Floats, py::array_t<float>>) {
        require_finite(vertices, "vertices");
      }
      view.vertices = vertices.data();
    }
    view.frame = triangle_frame(frame);
    const auto t = array<std::int32_t>(triangles_, "triangles", {kAny});
    const py::ssize_t n = t.shape(0);
    if (n > 0x7fffffff / 16) throw py::value_error("triangles: too many Gaussians");
    require_range(t, "triangles", 0, head.faces);
    triangles.assign(t.data(), t.data() + n);
    barycentric = floats_of<Floats>(barycentric_, "barycentric", {n, 3});
    offsets = floats_of<Floats>(offsets_, "offsets", {n, 3});
    quats = floats_of<Floats>(quats_, "quats", {n, 4});
    scales = floats_of<Floats>(scales_, "scales", {n, 3});
    view.batch = static_cast<int>(batch);
    view.coefficients = coefficients.data();
    view.joint_rotations = rotations.data();
    view.translation = translation.data();
    view.count = n;
    view.triangles = triangles.data();
    view.barycentric = barycentric.data();
    view.offsets = offsets.data();
    view.quats = quats.data();
    view.scales = scales.data();
  }
};

}  // namespace avatar_rt::bind
