#include "bind/head.h"

namespace avatar_rt::bind {
namespace {

py::array_t<float> joint_positions(const py::object& joints) {
  const auto found = array<float>(joints, "joints", {kAny, 3});
  const py::ssize_t count = found.shape(0);
  if (count < 1 || count > 64) throw py::value_error("joints: expected 1 to 64");
  return found;
}

}  // namespace

HeadArrays::HeadArrays(const py::object& vertices_, const py::object& faces_,
                       const py::object& expression_basis_, const py::object& joints_,
                       const py::object& parents_, const py::object& weights_,
                       const py::object& pose_correctives_)
    : vertices(array<float>(vertices_, "vertices", {kAny, 3})),
      expression_basis(
          array<float>(expression_basis_, "expression_basis", {kAny, vertices.shape(0), 3})),
      joints(joint_positions(joints_)),
      weights(array<float>(weights_, "weights", {vertices.shape(0), joints.shape(0)})),
      pose_correctives(
          array<float>(pose_correctives_, "pose_correctives", {kAny, vertices.shape(0), 3})),
      faces(array<std::int32_t>(faces_, "faces", {kAny, 3})),
      parents(array<std::int32_t>(parents_, "parents", {joints.shape(0)})) {
  constexpr py::ssize_t kMost = 0x7fffffff / 64;  // what 32-bit indices into packs of them reach
  if (vertices.shape(0) > kMost) throw py::value_error("vertices: too many");
  if (faces.shape(0) > kMost) throw py::value_error("faces: too many");
  require_range(faces, "faces", 0, vertices.shape(0));
  const py::ssize_t joint_count = joints.shape(0);
  for (py::ssize_t k = 0; k < joint_count; ++k) {
    if (parents.at(k) < -1 || parents.at(k) >= k) {
      throw py::value_error("parents: a parent must be -1 or come before its child");
    }
  }
  const py::ssize_t correctives = pose_correctives.shape(0);
  if (correctives != 0 && correctives != 9 * (joint_count - 1)) {
    throw py::value_error("pose_correctives: has " + std::to_string(correctives) +
                          " shapes, expected 0 or 9 per joint but the first");
  }
  require_finite(vertices, "vertices");
  require_finite(expression_basis, "expression_basis");
  require_finite(joints, "joints");
  require_finite(weights, "weights");
  require_finite(pose_correctives, "pose_correctives");
  view = {static_cast<int>(vertices.shape(0)),
          static_cast<int>(faces.shape(0)),
          static_cast<int>(expression_basis.shape(0)),
          static_cast<int>(joint_count),
          static_cast<int>(correctives),
          vertices.data(),
          faces.data(),
          expression_basis.data(),
          joints.data(),
          parents.data(),
          weights.data(),
          pose_correctives.data()};
}

Frame triangle_frame(const std::string& name) {
  if (name == "affine") return Frame::affine;
  if (name == "similarity") return Frame::similarity;
  throw py::value_error("frame: is '" + name + "', expected 'affine' or 'similarity'");
}

}  // namespace avatar_rt::bind
