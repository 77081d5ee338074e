// The renderer in plain C++: correct on every machine.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "core/renderer.h"
#include "math/constants.h"

namespace avatar_rt {
namespace {

struct Splat {
  float x, y, a, b, c, opacity, depth, rx, ry;
  std::int32_t index;
};

template <typename F>
void parallel(int threads, std::int64_t items, F work) {
  std::atomic<std::int64_t> next{0};
  const auto loop = [&] {
    for (std::int64_t i; (i = next.fetch_add(1)) < items;) work(i);
  };
  std::vector<std::thread> team;
  for (int t = 1; t < std::min<std::int64_t>(threads, items); ++t) team.emplace_back(loop);
  loop();
  for (auto& t : team) t.join();
}

void covariance(const float* q, const float* s, double* out) {
  double w = q[0], x = q[1], y = q[2], z = q[3];
  const double n = 1.0 / std::sqrt(w * w + x * x + y * y + z * z);
  w *= n, x *= n, y *= n, z *= n;
  const double R[9] = {1 - 2 * (y * y + z * z), 2 * (x * y - w * z),     2 * (x * z + w * y),
                       2 * (x * y + w * z),     1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                       2 * (x * z - w * y),     2 * (y * z + w * x),     1 - 2 * (x * x + y * y)};
  int k = 0;
  for (int i = 0; i < 3; ++i) {
    for (int j = i; j < 3; ++j) {
      double sum = 0;
      for (int m = 0; m < 3; ++m) sum += R[3 * i + m] * R[3 * j + m] * s[m] * s[m];
      out[k++] = sum;
    }
  }
}

enum class Fate { drawn, hidden, broken };

Fate project(const float* mean, const double* v, float opacity, const CameraView& cam, Splat& out) {
  const double* M = cam.viewmat;
  double p[3];
  for (int r = 0; r < 3; ++r) {
    p[r] = M[4 * r] * mean[0] + M[4 * r + 1] * mean[1] + M[4 * r + 2] * mean[2] + M[4 * r + 3];
  }
  if (!std::isfinite(p[0] + p[1] + p[2] + opacity + v[0] + v[1] + v[2] + v[3] + v[4] + v[5])) {
    return Fate::broken;
  }
  if (p[2] < kNearPlane || opacity < kAlphaMin) return Fate::hidden;
  const double z = p[2], tx = 0.5 * cam.width / cam.fx, ty = 0.5 * cam.height / cam.fy;
  const double u = std::clamp(p[0] / z, -cam.cx / cam.fx - kFrustumMargin * tx,
                              (cam.width - cam.cx) / cam.fx + kFrustumMargin * tx);
  const double w = std::clamp(p[1] / z, -cam.cy / cam.fy - kFrustumMargin * ty,
                              (cam.height - cam.cy) / cam.fy + kFrustumMargin * ty);
  double a[3], b[3];
  for (int k = 0; k < 3; ++k) {
    a[k] = cam.fx / z * (M[k] - u * M[8 + k]);
    b[k] = cam.fy / z * (M[4 + k] - w * M[8 + k]);
  }
  const double Va[3] = {v[0] * a[0] + v[1] * a[1] + v[2] * a[2],
                        v[1] * a[0] + v[3] * a[1] + v[4] * a[2],
                        v[2] * a[0] + v[4] * a[1] + v[5] * a[2]};
  const double Vb[3] = {v[0] * b[0] + v[1] * b[1] + v[2] * b[2],
                        v[1] * b[0] + v[3] * b[1] + v[4] * b[2],
                        v[2] * b[0] + v[4] * b[1] + v[5] * b[2]};
  const double xx = a[0] * Va[0] + a[1] * Va[1] + a[2] * Va[2] + kLowPass;
  const double xy = b[0] * Va[0] + b[1] * Va[1] + b[2] * Va[2];
  const double yy = b[0] * Vb[0] + b[1] * Vb[1] + b[2] * Vb[2] + kLowPass;
  const double det = xx * yy - xy * xy;
  if (!(det > 0) || !std::isfinite(det)) return Fate::broken;
  const double reach = 2 * std::log(std::min(opacity, 1.0f) / double{kAlphaMin});
  out.x = static_cast<float>(cam.fx * p[0] / z + cam.cx);
  out.y = static_cast<float>(cam.fy * p[1] / z + cam.cy);
  out.a = static_cast<float>(yy / det);
  out.b = static_cast<float>(-xy / det);
  out.c = static_cast<float>(xx / det);
  out.opacity = opacity;
  out.depth = static_cast<float>(z);
  out.rx = static_cast<float>(std::sqrt(reach * xx));
  out.ry = static_cast<float>(std::sqrt(reach * yy));
  return Fate::drawn;
}

constexpr int kTile = 16;

struct Bins {
  int columns, rows;
  std::vector<std::vector<std::int32_t>> lists;
};

Bins bin(const std::vector<Splat>& splats, int width, int height) {
  Bins bins{(width + kTile - 1) / kTile, (height + kTile - 1) / kTile, {}};
  bins.lists.resize(static_cast<std::size_t>(bins.columns) * bins.rows);
  for (std::size_t i = 0; i < splats.size(); ++i) {
    const Splat& s = splats[i];
    const auto low = [](float v, int n) {
      return static_cast<int>(std::clamp(std::floor(v / kTile), 0.0f, static_cast<float>(n)));
    };
    const auto high = [](float v, int n) {
      return static_cast<int>(std::clamp(std::floor(v / kTile), -1.0f, static_cast<float>(n - 1)));
    };
    const int x1 = high(s.x + s.rx, bins.columns), y1 = high(s.y + s.ry, bins.rows);
    for (int y = low(s.y - s.ry, bins.rows); y <= y1; ++y) {
      for (int x = low(s.x - s.rx, bins.columns); x <= x1; ++x) {
        bins.lists[static_cast<std::size_t>(y) * bins.columns + x].push_back(
            static_cast<std::int32_t>(i));
      }
    }
  }
  return bins;
}

// Calls use(pixel x, y, splat, weight) front to back and done(x, y, transmittance).
template <typename Use, typename Done>
void blend_tile(const std::vector<Splat>& splats, const Bins& bins, std::int64_t tile, int width,
                int height, Use use, Done done) {
  std::vector<std::int32_t> order = bins.lists[tile];
  std::sort(order.begin(), order.end(), [&](std::int32_t i, std::int32_t j) {
    return splats[i].depth != splats[j].depth ? splats[i].depth < splats[j].depth : i < j;
  });
  const int x0 = static_cast<int>(tile % bins.columns) * kTile;
  const int y0 = static_cast<int>(tile / bins.columns) * kTile;
  for (int y = y0; y < std::min(height, y0 + kTile); ++y) {
    for (int x = x0; x < std::min(width, x0 + kTile); ++x) {
      float T = 1;
      for (const std::int32_t i : order) {
        const Splat& s = splats[i];
        const float dx = x + 0.5f - s.x, dy = y + 0.5f - s.y;
        const float sigma = 0.5f * (s.a * dx * dx + s.c * dy * dy) + s.b * dx * dy;
        const float alpha = std::min(kAlphaMax, s.opacity * std::exp(-sigma));
        if (!(sigma >= 0) || alpha < kAlphaMin) continue;
        const float next = T * (1 - alpha);
        if (next < kTransmittanceMin) break;
        use(x, y, s, alpha * T);
        T = next;
      }
      done(x, y, T);
    }
  }
}

struct Scene {
  std::vector<Splat> splats;
  std::int64_t skipped = 0;
};

Scene project_all(const GaussianView& g, const CameraView& camera) {
  Scene scene;
  for (std::int64_t i = 0; i < g.count; ++i) {
    double v[6];
    if (g.covars != nullptr) {
      std::copy_n(g.covars + 6 * i, 6, v);
    } else {
      covariance(g.quats + 4 * i, g.scales + 3 * i, v);
    }
    Splat s;
    s.index = static_cast<std::int32_t>(i);
    Fate fate = project(g.means + 3 * i, v, g.opacities[i], camera, s);
    for (int c = 0; g.colors != nullptr && c < g.channels; ++c) {
      if (!std::isfinite(g.colors[i * g.channels + c])) fate = Fate::broken;
    }
    if (fate == Fate::drawn) scene.splats.push_back(s);
    scene.skipped += fate == Fate::broken;
  }
  return scene;
}

}  // namespace

std::int64_t rasterize(const GaussianView& g, const CameraView& camera, const float* background,
                       Quality, int threads, float* image, float* alpha) {
  const Scene scene = project_all(g, camera);
  const Bins bins = bin(scene.splats, camera.width, camera.height);
  const int C = g.channels;
  std::fill_n(image, std::size_t{1} * camera.width * camera.height * C, 0.0f);
  parallel(threads, static_cast<std::int64_t>(bins.lists.size()), [&](std::int64_t tile) {
    blend_tile(
        scene.splats, bins, tile, camera.width, camera.height,
        [&](int x, int y, const Splat& s, float w) {
          float* out = image + (std::size_t{1} * y * camera.width + x) * C;
          const float* color = g.colors + std::size_t{1} * s.index * C;
          for (int c = 0; c < C; ++c) out[c] += w * color[c];
        },
        [&](int x, int y, float T) {
          const std::size_t at = std::size_t{1} * y * camera.width + x;
          alpha[at] = 1 - T;
          for (int c = 0; background != nullptr && c < C; ++c) image[at * C + c] += T * background[c];
        });
  });
  return scene.skipped;
}

void rasterize_colors_adjoint(const GaussianView& g, const CameraView& camera,
                              const float* image_gradient, int, float* color_gradient,
                              float* weight_sum) {
  const Scene scene = project_all(g, camera);
  const Bins bins = bin(scene.splats, camera.width, camera.height);
  const int C = g.channels;
  std::fill_n(color_gradient, g.count * C, 0.0f);
  std::fill_n(weight_sum, g.count, 0.0f);
  for (std::size_t tile = 0; tile < bins.lists.size(); ++tile) {
    blend_tile(
        scene.splats, bins, static_cast<std::int64_t>(tile), camera.width, camera.height,
        [&](int x, int y, const Splat& s, float w) {
          const float* in = image_gradient + (std::size_t{1} * y * camera.width + x) * C;
          for (int c = 0; c < C; ++c) color_gradient[std::size_t{1} * s.index * C + c] += w * in[c];
          weight_sum[s.index] += w;
        },
        [](int, int, float) {});
  }
}

bool rasterize_mesh(const float* points, std::int64_t vertex_count, const std::int32_t* faces,
                    std::int64_t face_count, int width, int height, int, std::int32_t* triangle,
                    float* barycentric, float* depth) {
  const std::size_t pixels = std::size_t{1} * width * height;
  std::fill_n(triangle, pixels, -1);
  std::fill_n(barycentric, 3 * pixels, 0.0f);
  std::fill_n(depth, pixels, std::numeric_limits<float>::infinity());
  for (std::int64_t f = 0; f < face_count; ++f) {
    double p[3][3];
    bool drawn = true;
    for (int k = 0; k < 3; ++k) {
      const std::int32_t v = faces[3 * f + k];
      if (v < 0 || v >= vertex_count) return false;
      for (int c = 0; c < 3; ++c) p[k][c] = points[3 * std::int64_t{v} + c];
      drawn = drawn && std::isfinite(p[k][0] + p[k][1] + p[k][2]) && p[k][2] > 0;
    }
    if (!drawn) continue;
    const double area = (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) -
                        (p[2][0] - p[0][0]) * (p[1][1] - p[0][1]);
    if (area == 0 || !std::isfinite(area)) continue;
    const auto [x_low, x_high] = std::minmax({p[0][0], p[1][0], p[2][0]});
    const auto [y_low, y_high] = std::minmax({p[0][1], p[1][1], p[2][1]});
    const auto first = [](double v, int n) {
      return static_cast<int>(std::clamp(std::ceil(v - 0.5), 0.0, static_cast<double>(n)));
    };
    const auto last = [](double v, int n) {
      return static_cast<int>(std::clamp(std::floor(v - 0.5), -1.0, n - 1.0));
    };
    const int x1 = last(x_high, width), y1 = last(y_high, height);
    for (int y = first(y_low, height); y <= y1; ++y) {
      for (int x = first(x_low, width); x <= x1; ++x) {
        const double X = x + 0.5, Y = y + 0.5;
        double b[3];
        bool inside = true;
        for (int k = 0; k < 3; ++k) {
          const double *i = p[(k + 1) % 3], *j = p[(k + 2) % 3];
          b[k] = ((i[0] - X) * (j[1] - Y) - (j[0] - X) * (i[1] - Y)) / area;
          inside = inside && b[k] >= 0;
        }
        if (!inside) continue;
        double sum = 0;
        for (int k = 0; k < 3; ++k) sum += b[k] /= p[k][2];
        const auto z = static_cast<float>(1 / sum);
        const std::size_t at = std::size_t{1} * y * width + x;
        if (!(z < depth[at])) continue;
        depth[at] = z;
        triangle[at] = static_cast<std::int32_t>(f);
        for (int k = 0; k < 3; ++k) barycentric[3 * at + k] = static_cast<float>(b[k] / sum);
      }
    }
  }
  return true;
}

struct Avatar::State {
  HeadView head{};
  BoundView bound{};
  int threads = 1;
  std::vector<float> vertices, basis, joints, weights, correctives, barycentric, offsets, scales,
      opacities, colors, quats, means, covars, shaded;
  std::vector<std::int32_t> faces, parents, triangles;
  std::vector<float> posed;
};

Avatar::Avatar(const HeadView& h, const BoundView& b, int threads) : state_(new State) {
  State& s = *state_;
  s.head = h;
  s.bound = b;
  s.threads = threads;
  const std::size_t V = h.vertex_count, N = b.count, J = h.joint_count;
  s.vertices.assign(h.vertices, h.vertices + 3 * V);
  s.basis.assign(h.expression_basis, h.expression_basis + 3 * V * h.expression_count);
  s.correctives.assign(h.pose_correctives, h.pose_correctives + 3 * V * h.corrective_count);
  s.joints.assign(h.joints, h.joints + 3 * J);
  s.weights.assign(h.weights, h.weights + J * V);
  s.faces.assign(h.faces, h.faces + 3 * std::size_t(h.face_count));
  s.parents.assign(h.parents, h.parents + J);
  s.triangles.assign(b.triangles, b.triangles + N);
  s.barycentric.assign(b.barycentric, b.barycentric + 3 * N);
  s.offsets.assign(b.offsets, b.offsets + 3 * N);
  s.quats.assign(b.quats, b.quats + 4 * N);
  s.scales.assign(b.scales, b.scales + 3 * N);
  s.opacities.assign(b.opacities, b.opacities + N);
  s.colors.assign(b.colors, b.colors + 3 * N * b.sh_count);
  s.posed.resize(3 * V);
  s.means.resize(3 * N);
  s.covars.resize(6 * N);
  s.shaded.resize(3 * N);
}

Avatar::~Avatar() = default;

int Avatar::vertex_count() const { return state_->head.vertex_count; }
int Avatar::expression_count() const { return state_->head.expression_count; }
int Avatar::joint_count() const { return state_->head.joint_count; }
std::int64_t Avatar::gaussian_count() const { return state_->bound.count; }

namespace {

void rodrigues(const float* r, double* R) {
  const double angle = std::sqrt(double{r[0]} * r[0] + double{r[1]} * r[1] + double{r[2]} * r[2]);
  const double a = angle < 1e-6 ? 1.0 : std::sin(angle) / angle;
  const double h = std::sin(angle / 2), b = angle < 1e-6 ? 0.5 : 2 * h * h / (angle * angle);
  const double K[9] = {0, -r[2], r[1], r[2], 0, -r[0], -r[1], r[0], 0};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      double kk = 0;
      for (int m = 0; m < 3; ++m) kk += K[3 * i + m] * K[3 * m + j];
      R[3 * i + j] = (i == j) + a * K[3 * i + j] + b * kk;
    }
  }
}

}  // namespace

void Avatar::vertices(const PoseView& pose, float* out) {
  const State& s = *state_;
  const int V = s.head.vertex_count, J = s.head.joint_count;
  std::vector<double> local(9 * J), world(12 * J);
  for (int j = 0; j < J; ++j) rodrigues(pose.joint_rotations + 3 * j, &local[9 * j]);
  for (int j = 0; j < J; ++j) {
    const int parent = s.parents[j];
    double* G = &world[12 * j];
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 4; ++c) {
        const auto value = [&](int k) -> double {
          return c < 3 ? local[9 * j + 3 * k + c]
                       : s.joints[3 * j + k] - (parent < 0 ? 0.0f : s.joints[3 * parent + k]);
        };
        if (parent < 0) {
          G[4 * r + c] = value(r);
          continue;
        }
        const double* P = &world[12 * parent];
        double sum = c == 3 ? P[4 * r + 3] : 0;
        for (int k = 0; k < 3; ++k) sum += P[4 * r + k] * value(k);
        G[4 * r + c] = sum;
      }
    }
  }
  for (int j = 0; j < J; ++j) {
    double* G = &world[12 * j];
    for (int r = 0; r < 3; ++r) {
      for (int k = 0; k < 3; ++k) G[4 * r + 3] -= G[4 * r + k] * s.joints[3 * j + k];
      G[4 * r + 3] += pose.translation[r];
    }
  }
  std::vector<float> shaped(s.vertices);
  const auto add = [&](float weight, const float* delta) {
    if (weight == 0) return;
    for (std::size_t i = 0; i < shaped.size(); ++i) shaped[i] += weight * delta[i];
  };
  for (int e = 0; e < s.head.expression_count; ++e) {
    add(pose.coefficients[e], &s.basis[std::size_t{3} * V * e]);
  }
  for (int p = 0; p < s.head.corrective_count; ++p) {
    const double identity = p % 9 % 4 == 0;
    add(static_cast<float>(local[9 + p] - identity), &s.correctives[std::size_t{3} * V * p]);
  }
  for (int v = 0; v < V; ++v) {
    double M[12] = {};
    for (int j = 0; j < J; ++j) {
      for (int k = 0; k < 12; ++k) M[k] += s.weights[std::size_t{1} * v * J + j] * world[12 * j + k];
    }
    for (int r = 0; r < 3; ++r) {
      out[3 * v + r] =
          static_cast<float>(M[4 * r] * shaped[3 * v] + M[4 * r + 1] * shaped[3 * v + 1] +
                             M[4 * r + 2] * shaped[3 * v + 2] + M[4 * r + 3]);
    }
  }
}

void Avatar::gaussians(const PoseView& pose, float* means, float* covars) {
  State& s = *state_;
  vertices(pose, s.posed.data());
  parallel(s.threads, (s.bound.count + 4095) / 4096, [&](std::int64_t chunk) {
    for (std::int64_t i = 4096 * chunk; i < std::min(s.bound.count, 4096 * (chunk + 1)); ++i) {
      const std::int32_t* f = &s.faces[3 * std::size_t(s.triangles[i])];
      const float *v0 = &s.posed[3 * std::size_t(f[0])], *v1 = &s.posed[3 * std::size_t(f[1])],
                  *v2 = &s.posed[3 * std::size_t(f[2])];
      double e1[3], e2[3], n[3], M[9];
      for (int k = 0; k < 3; ++k) e1[k] = double{v1[k]} - v0[k], e2[k] = double{v2[k]} - v0[k];
      const auto cross = [](const double* a, const double* b, double* c) {
        for (int k = 0; k < 3; ++k) {
          c[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3];
        }
      };
      const auto dot = [](const double* a, const double* b) {
        return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
      };
      cross(e1, e2, n);
      const double area = std::max(std::sqrt(dot(n, n)), 1e-20);
      for (double& x : n) x /= area;
      if (s.bound.frame == Frame::affine) {
        for (int r = 0; r < 3; ++r) {
          M[3 * r] = e1[r], M[3 * r + 1] = e2[r], M[3 * r + 2] = n[r] * std::sqrt(area);
        }
      } else {
        const double length = std::max(std::sqrt(dot(e1, e1)), 1e-20);
        double a0[3], a1[3];
        for (int k = 0; k < 3; ++k) a0[k] = e1[k] / length;
        cross(a0, n, a1);
        const double scale = 0.5 * (length + std::abs(dot(a1, e2)));
        for (int r = 0; r < 3; ++r) {
          M[3 * r] = scale * a0[r], M[3 * r + 1] = scale * n[r], M[3 * r + 2] = scale * a1[r];
        }
      }
      const float *b = &s.barycentric[3 * i], *o = &s.offsets[3 * i];
      double local[6];
      covariance(&s.quats[4 * i], &s.scales[3 * i], local);
      const double S[9] = {local[0], local[1], local[2], local[1], local[3],
                           local[4], local[2], local[4], local[5]};
      int at = 0;
      for (int r = 0; r < 3; ++r) {
        means[3 * i + r] = static_cast<float>(double{b[0]} * v0[r] + double{b[1]} * v1[r] +
                                              double{b[2]} * v2[r] + M[3 * r] * o[0] +
                                              M[3 * r + 1] * o[1] + M[3 * r + 2] * o[2]);
        for (int c = r; c < 3; ++c) {
          double sum = 0;
          for (int k = 0; k < 3; ++k) {
            for (int m = 0; m < 3; ++m) sum += M[3 * r + k] * S[3 * k + m] * M[3 * c + m];
          }
          covars[6 * i + at++] = static_cast<float>(sum);
        }
      }
    }
  });
}

namespace {

// Real spherical harmonics to degree 3, the basis of 3DGS; returns max(0, value + 1/2).
void shade(const float* sh, int count, const double* d, float* out) {
  const double x = d[0], y = d[1], z = d[2];
  const double B[16] = {0.28209479177387814,
                        -0.4886025119029199 * y,
                        0.4886025119029199 * z,
                        -0.4886025119029199 * x,
                        1.0925484305920792 * x * y,
                        -1.0925484305920792 * y * z,
                        0.31539156525252005 * (2 * z * z - x * x - y * y),
                        -1.0925484305920792 * x * z,
                        0.5462742152960396 * (x * x - y * y),
                        -0.5900435899266435 * y * (3 * x * x - y * y),
                        2.890611442640554 * x * y * z,
                        -0.4570457994644658 * y * (4 * z * z - x * x - y * y),
                        0.3731763325901154 * z * (2 * z * z - 3 * x * x - 3 * y * y),
                        -0.4570457994644658 * x * (4 * z * z - x * x - y * y),
                        1.445305721320277 * z * (x * x - y * y),
                        -0.5900435899266435 * x * (x * x - 3 * y * y)};
  for (int c = 0; c < 3; ++c) {
    double sum = 0.5;
    for (int k = 0; k < count; ++k) sum += B[k] * sh[3 * k + c];
    out[c] = sum < 0 ? 0.0f : static_cast<float>(sum);
  }
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::uint8_t byte(double v) {
  return static_cast<std::uint8_t>(std::clamp(std::floor(v + 0.5), 0.0, 255.0));
}

}  // namespace

std::int64_t Avatar::render(const PoseView& pose, const CameraView& camera,
                            const float* background, PixelFormat format, Quality quality,
                            void* pixels, StageTimes& times) {
  State& s = *state_;
  const double start = seconds();
  gaussians(pose, s.means.data(), s.covars.data());
  const double* M = camera.viewmat;
  double eye[3];  // solves R·eye = -t for a rigid view
  for (int k = 0; k < 3; ++k) eye[k] = -(M[k] * M[3] + M[4 + k] * M[7] + M[8 + k] * M[11]);
  const int K = s.bound.sh_count;
  for (std::int64_t i = 0; K > 1 && i < s.bound.count; ++i) {
    double d[3], n = 0;
    for (int k = 0; k < 3; ++k) d[k] = s.means[3 * i + k] - eye[k], n += d[k] * d[k];
    for (double& x : d) x /= std::sqrt(n);
    shade(&s.colors[3 * K * i], K, d, &s.shaded[3 * i]);
  }
  times.animate = seconds() - start;
  GaussianView view;
  view.count = s.bound.count;
  view.means = s.means.data();
  view.covars = s.covars.data();
  view.opacities = s.opacities.data();
  view.colors = K > 1 ? s.shaded.data() : s.colors.data();
  view.channels = 3;
  const std::size_t W = camera.width, H = camera.height;
  std::vector<float> image(3 * W * H), alpha(W * H);
  const bool opaque = format == PixelFormat::rgb8 || format == PixelFormat::i420;
  const std::int64_t skipped = rasterize(view, camera, opaque ? background : nullptr, quality,
                                         s.threads, image.data(), alpha.data());
  auto* out = static_cast<std::uint8_t*>(pixels);
  if (format == PixelFormat::float32) {
    auto* f = static_cast<float*>(pixels);
    for (std::size_t i = 0; i < W * H; ++i) {
      for (int c = 0; c < 3; ++c) f[4 * i + c] = image[3 * i + c];
      f[4 * i + 3] = alpha[i];
    }
  } else if (format == PixelFormat::rgb8) {
    for (std::size_t i = 0; i < 3 * W * H; ++i) out[i] = byte(255.0 * image[i]);
  } else if (format == PixelFormat::rgba8) {
    for (std::size_t i = 0; i < W * H; ++i) {
      const double scale = alpha[i] > 0 ? 255.0 / alpha[i] : 0;
      for (int c = 0; c < 3; ++c) out[4 * i + c] = byte(scale * image[3 * i + c]);
      out[4 * i + 3] = byte(255.0 * alpha[i]);
    }
  } else {
    std::uint8_t *u = out + W * H, *v = u + W * H / 4;
    for (std::size_t y = 0; y < H; ++y) {
      for (std::size_t x = 0; x < W; ++x) {
        const float* p = &image[3 * (y * W + x)];
        const auto part = [&](const float* q, double r, double g, double b) {
          const auto c = [](float a) { return std::clamp(a, 0.0f, 1.0f); };
          return 255 * (r * c(q[0]) + g * c(q[1]) + b * c(q[2]));
        };
        out[y * W + x] = byte(16 + part(p, 0.256788, 0.504129, 0.097906));
        if (x % 2 == 1 || y % 2 == 1) continue;
        double cu = 0, cv = 0;
        for (const std::size_t at : {0ul, 1ul, W, W + 1}) {
          cu += part(p + 3 * at, -0.148223, -0.290993, 0.439216) / 4;
          cv += part(p + 3 * at, 0.439216, -0.367788, -0.071427) / 4;
        }
        u[(y / 2) * (W / 2) + x / 2] = byte(128 + cu);
        v[(y / 2) * (W / 2) + x / 2] = byte(128 + cv);
      }
    }
  }
  times.blend = seconds() - start - times.animate;
  return skipped;
}

}  // namespace avatar_rt
