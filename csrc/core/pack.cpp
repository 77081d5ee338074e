#include "core/pack.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace avatar_rt {
namespace {

constexpr double kDeltaError = 2.5e-7;  // metres
constexpr int kLimit = 32767;

template <class T>
Buffer<T> copied(const std::vector<T>& from) {
  Buffer<T> to;
  to.reserve(std::max<std::size_t>(from.size(), 1));
  std::copy(from.begin(), from.end(), to.data());
  return to;
}

// Lower Cholesky factor of R(q)·diag(s²)·R(q)ᵀ: 00 10 11 20 21 22.
void local_root(const float* q, const float* s, double out[6]) {
  double w = q[0], x = q[1], y = q[2], z = q[3];
  const double unit = 1 / std::sqrt(w * w + x * x + y * y + z * z);
  w *= unit, x *= unit, y *= unit, z *= unit;
  const double R[3][3] = {{1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
                          {2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
                          {2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}};
  // rows of R·diag(s), made orthogonal one after the other: the factor without squaring first
  double row[3][3];
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) row[r][c] = R[r][c] * s[c];
  }
  const auto dot = [](const double* a, const double* b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  };
  out[0] = std::sqrt(dot(row[0], row[0]));
  out[1] = out[0] > 0 ? dot(row[1], row[0]) / out[0] : 0;
  out[3] = out[0] > 0 ? dot(row[2], row[0]) / out[0] : 0;
  double second[3], third[3];
  for (int c = 0; c < 3; ++c) {
    const double along = out[0] > 0 ? row[0][c] / out[0] : 0;
    second[c] = row[1][c] - out[1] * along;
    third[c] = row[2][c] - out[3] * along;
  }
  out[2] = std::sqrt(dot(second, second));
  out[4] = out[2] > 0 ? dot(third, second) / out[2] : 0;
  for (int c = 0; c < 3 && out[2] > 0; ++c) third[c] -= out[4] * second[c] / out[2];
  out[5] = std::sqrt(dot(third, third));
}

}  // namespace

PackedHead::PackedHead(const HeadView& head) : packs((head.vertex_count + kPack - 1) / kPack) {
  const int V = head.vertex_count, J = head.joint_count;
  rest.zeros(static_cast<std::size_t>(48) * packs);
  const auto at = [](int v, int c) {
    return static_cast<std::size_t>(48) * (v / kPack) + static_cast<std::size_t>(16 * c + v % kPack);
  };
  for (int v = 0; v < V; ++v) {
    for (int c = 0; c < 3; ++c) rest[at(v, c)] = head.vertices[3 * std::size_t(v) + c];
  }

  std::vector<std::uint32_t> begin, source, joint_begin, joint;
  std::vector<float> scale, weight;
  std::vector<std::int16_t> delta;
  for (int pack = 0; pack < packs; ++pack) {
    begin.push_back(static_cast<std::uint32_t>(source.size()));
    joint_begin.push_back(static_cast<std::uint32_t>(joint.size()));
    const int first = pack * kPack, last = std::min(V, first + kPack);
    for (int k = 0; k < head.expression_count + head.corrective_count; ++k) {
      const float* basis =
          k < head.expression_count
              ? head.expression_basis + static_cast<std::size_t>(3) * V * k
              : head.pose_correctives + static_cast<std::size_t>(3) * V * (k - head.expression_count);
      double left[48] = {};
      for (int v = first; v < last; ++v) {
        for (int c = 0; c < 3; ++c) left[16 * c + v % kPack] = basis[3 * std::size_t(v) + c];
      }
      for (;;) {
        double most = 0;
        for (const double d : left) most = std::max(most, std::abs(d));
        if (most <= kDeltaError) break;
        const auto unit = static_cast<float>(most / kLimit);
        if (!(unit > 0)) break;
        source.push_back(static_cast<std::uint32_t>(k));
        scale.push_back(unit);
        for (double& d : left) {
          const double steps = std::clamp(std::round(d / unit), -1.0 * kLimit, 1.0 * kLimit);
          delta.push_back(static_cast<std::int16_t>(steps));
          d -= steps * unit;
        }
      }
    }
    for (int j = 0; j < J; ++j) {
      float lane[kPack] = {};
      bool any = false;
      for (int v = first; v < last; ++v) {
        lane[v % kPack] = head.weights[static_cast<std::size_t>(v) * J + j];
        any = any || lane[v % kPack] != 0;
      }
      if (!any) continue;
      joint.push_back(static_cast<std::uint32_t>(j));
      weight.insert(weight.end(), lane, lane + kPack);
    }
  }
  begin.push_back(static_cast<std::uint32_t>(source.size()));
  joint_begin.push_back(static_cast<std::uint32_t>(joint.size()));
  delta_begin = copied(begin);
  delta_source = copied(source);
  delta_scale = copied(scale);
  deltas = copied(delta);
  influence_begin = copied(joint_begin);
  influence_joint = copied(joint);
  influence_weight = copied(weight);
}

PackedGaussians::PackedGaussians(const HeadView& head, const BoundView& bound) {
  const std::size_t n = static_cast<std::size_t>(bound.count);
  const std::size_t packs = (n + kPack - 1) / kPack;
  fields.zeros(packs * kRigFields * kPack);
  std::vector<std::int32_t> corner[3];
  std::int32_t used = -1, previous = -1;
  const bool harmonic = bound.sh_count > 1;
  if (harmonic) {
    sh.zeros(packs * 48 * bound.sh_count);
  } else {
    colors.zeros(packs * kPack * 4);
  }
  for (std::size_t i = 0; i < packs * kPack; ++i) {
    float* field = &fields[i / kPack * kRigFields * kPack + i % kPack];
    const auto put = [&](int k, double value) { field[16 * k] = static_cast<float>(value); };
    if (i < n && (used < 0 || bound.triangles[i] != previous)) {
      previous = bound.triangles[i];
      ++used;
      for (int k = 0; k < 3; ++k) corner[k].push_back(head.faces[3 * std::size_t(previous) + k]);
    }
    std::memcpy(field, &used, sizeof used);
    if (i >= n) {
      put(12, -1000);
      continue;
    }
    const float *offset = bound.offsets + 3 * i, *b = bound.barycentric + 3 * i;
    double root[6];
    local_root(bound.quats + 4 * i, bound.scales + 3 * i, root);
    const bool affine = bound.frame == Frame::affine;
    // in an affine frame the edges are axes, so the barycentric part is an offset
    const double mean[3] = {offset[0] + (affine ? double{b[1]} : 0.0),
                            offset[1] + (affine ? double{b[2]} : 0.0), offset[2]};
    double check = bound.opacities[i];
    for (int k = 0; k < 3; ++k) put(1 + k, mean[k]), check += mean[k] * 0;
    put(4, b[1]);
    put(5, b[2]);
    check += 0.0 * b[0] + 0.0 * b[1] + 0.0 * b[2];
    for (int k = 0; k < 6; ++k) put(6 + k, root[k]), check += root[k] * 0;
    const std::size_t K = static_cast<std::size_t>(bound.sh_count);
    for (std::size_t k = 0; k < 3 * K; ++k) {
      const float value = bound.colors[3 * K * i + k];
      check += value * 0.0;
      if (harmonic) {
        sh[i / kPack * 48 * K + 16 * k + i % kPack] = value;
      } else {
        colors[4 * i + k] = value;
      }
    }
    if (std::isfinite(check)) {
      put(12, check > 0 ? std::log2(std::min(check, 1.0)) : -1000);
      continue;
    }
    // harmless numbers but for one: the projection counts what it finds not finite, once
    for (int k = 1; k < kRigFields; ++k) put(k, 0);
    put(12, std::numeric_limits<double>::quiet_NaN());
    for (std::size_t k = 0; k < 3 * K && harmonic; ++k) {
      sh[i / kPack * 48 * K + 16 * k + i % kPack] = 0;
    }
  }
  triangle_packs = static_cast<int>((corner[0].size() + kPack - 1) / kPack);
  for (int k = 0; k < 3; ++k) {
    corner[k].resize(static_cast<std::size_t>(triangle_packs) * kPack, 0);
    corners[k] = copied(corner[k]);
  }
}

}  // namespace avatar_rt
