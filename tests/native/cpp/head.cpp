#include "head.h"

#include <algorithm>
#include <numeric>

namespace avatar_rt::fuzz {
namespace {

void fill(Source& source, std::vector<float>& values, std::size_t n, double deviation) {
  values.resize(n);
  for (float& v : values) v = source.normal(deviation);
}

void bind_gaussians(Source& source, MadeHead& h, std::size_t n) {
  const int face_count = static_cast<int>(h.faces.size() / 3);
  for (std::size_t i = 0; i < n; ++i) h.triangles.push_back(source.integer(0, face_count - 1));
  std::sort(h.triangles.begin(), h.triangles.end());
  for (std::size_t i = 0; i < n; ++i) {
    const auto a = static_cast<float>(source.uniform(0, 1));
    const auto b = static_cast<float>(source.uniform(0, 1 - a));
    h.barycentric.insert(h.barycentric.end(), {a, b, 1 - a - b});
    h.opacities.push_back(static_cast<float>(source.uniform(-0.1, 1.1)));
  }
  fill(source, h.offsets, 3 * n, 0.1);
  fill(source, h.quats, 4 * n, 1);
  fill(source, h.scales, 3 * n, source.magnitude(0.01, 2));
  h.sh_count = source.pick({1, 1, 4, 9, 16});
  fill(source, h.colors, 3 * n * static_cast<std::size_t>(h.sh_count), 0.3);
  if (h.sh_count == 1) {
    for (float& c : h.colors) c = std::clamp(c + 0.5f, 0.0f, 1.0f);
  }
}

}  // namespace

HeadView MadeHead::head() const {
  HeadView v{};
  v.vertex_count = vertex_count();
  v.face_count = static_cast<int>(faces.size() / 3);
  v.expression_count = expression_count();
  v.joint_count = joint_count();
  v.corrective_count = static_cast<int>(correctives.size() / vertices.size());
  v.vertices = vertices.data();
  v.faces = faces.data();
  v.expression_basis = basis.data();
  v.joints = joints.data();
  v.parents = parents.data();
  v.weights = weights.data();
  v.pose_correctives = correctives.data();
  return v;
}

BoundView MadeHead::bound() const {
  BoundView v{};
  v.count = static_cast<std::int64_t>(count());
  v.frame = frame;
  v.triangles = triangles.data();
  v.barycentric = barycentric.data();
  v.offsets = offsets.data();
  v.quats = quats.data();
  v.scales = scales.data();
  v.opacities = opacities.data();
  v.colors = colors.data();
  v.sh_count = sh_count;
  return v;
}

MadeHead make_head(Source& source, Manner manner) {
  const bool any = manner == Manner::any;
  MadeHead h;
  const int V = any && source.chance(0.1) ? source.integer(1, 3) : source.integer(9, 150);
  const int J = any && source.chance(0.05) ? 64 : source.integer(1, 6);
  const auto size = static_cast<std::size_t>(3 * V);
  fill(source, h.vertices, size, 0.1);
  fill(source, h.basis, size * static_cast<std::size_t>(source.integer(0, 8)), 0.02);
  for (float& d : h.basis) {
    if (source.chance(0.5)) d = 0;
  }
  fill(source, h.joints, static_cast<std::size_t>(3 * J), 0.1);
  for (int j = 0; j < J; ++j) h.parents.push_back(source.integer(-1, j - 1));
  h.weights.resize(static_cast<std::size_t>(V * J));
  for (float& w : h.weights) w = source.chance(0.5) ? 0 : static_cast<float>(source.uniform(0, 1));
  for (int v = 0; !any && v < V; ++v) {  // else a vertex may follow no joint, or several fully
    float* own = &h.weights[static_cast<std::size_t>(v * J)];
    own[source.integer(0, J - 1)] += 0.1f;
    const float sum = std::accumulate(own, own + J, 0.0f);
    for (int j = 0; j < J; ++j) own[j] /= sum;
  }
  if (source.chance(0.5)) {
    fill(source, h.correctives, size * static_cast<std::size_t>(9 * (J - 1)), 0.01);
  }
  for (int k = source.integer(1, 120); k > 0; --k) {
    const int first = source.integer(0, V - 1), step = source.integer(1, (V - 1) / 2);
    for (int c = 0; c < 3; ++c) {
      h.faces.push_back(any ? source.integer(0, V - 1) : (first + c * step) % V);
    }
  }
  if (any && source.chance(0.1)) std::fill(h.vertices.begin(), h.vertices.end(), 0.01f);  // no area
  h.frame = source.pick({Frame::affine, Frame::similarity});
  const int n = source.chance(0.03) ? source.integer(8'000, 30'000) : source.integer(0, 400);
  bind_gaussians(source, h, static_cast<std::size_t>(n));
  if (any && source.chance(0.15)) {
    for (auto* values : {&h.vertices, &h.basis, &h.joints, &h.weights, &h.correctives}) {
      if (source.chance(0.4)) source.salt(*values, 0.01, true);
    }
  }
  if (any && source.chance(0.4)) {
    const double share = source.pick({0.001, 0.02});
    for (auto* values :
         {&h.barycentric, &h.offsets, &h.quats, &h.scales, &h.opacities, &h.colors}) {
      if (source.chance(0.5)) source.salt(*values, share);
    }
  }
  trim(h.faces, h.parents, h.triangles, h.barycentric, h.opacities);
  return h;
}

std::unique_ptr<Avatar> MadeHead::avatar(int threads) const {
  return make_avatar(pack_avatar(head(), bound()), threads);
}

MadePose make_pose(Source& source, const MadeHead& head, bool hostile) {
  MadePose p;
  fill(source, p.coefficients, static_cast<std::size_t>(head.expression_count()), 0.5);
  fill(source, p.rotations, static_cast<std::size_t>(3 * head.joint_count()), 0.4);
  fill(source, p.translation, 3, 0.05);
  if (source.chance(0.2)) std::fill(p.rotations.begin(), p.rotations.end(), 0.0f);
  if (hostile) {
    for (auto* values : {&p.coefficients, &p.rotations, &p.translation}) {
      source.salt(*values, 0.1, true);
    }
  }
  return p;
}

}  // namespace avatar_rt::fuzz
