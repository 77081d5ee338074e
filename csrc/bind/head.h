// A head's arrays, checked, and the core's view of them.
#pragma once

#include "bind/arrays.h"

namespace avatar_rt::bind {

struct HeadArrays {
  HeadArrays(const py::object& vertices, const py::object& faces,
             const py::object& expression_basis, const py::object& joints,
             const py::object& parents, const py::object& weights,
             const py::object& pose_correctives);

  py::array_t<float> vertices, expression_basis, joints, weights, pose_correctives;
  py::array_t<std::int32_t> faces, parents;
  HeadView view;
};

Frame triangle_frame(const std::string& name);

}  // namespace avatar_rt::bind
