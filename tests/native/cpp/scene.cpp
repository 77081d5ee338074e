#include "scene.h"

#include <algorithm>
#include <cmath>

#include "guarded.h"

namespace avatar_rt::fuzz {
namespace {

bool all_finite(const std::vector<float>& values, std::size_t first, std::size_t n) {
  return std::all_of(values.begin() + static_cast<std::ptrdiff_t>(first),
                     values.begin() + static_cast<std::ptrdiff_t>(first + n),
                     [](float v) { return std::isfinite(v); });
}

void blank(std::vector<float>& values, std::size_t i, std::size_t n, float value) {
  std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(i * n), n, value);
}

// Sides around the sizes of blocks and tiles are as likely as any others.
int make_side(Source& source) {
  if (source.chance(0.3)) return source.pick({1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 96, 97});
  return source.chance(0.1) ? source.integer(1, 300) : source.integer(1, 80);
}

void rotation(Source& source, double R[9]) {
  double q[4];
  double length = 0;
  for (double& v : q) v = source.normal(1), length += v * v;
  length = std::sqrt(std::max(length, 1e-12));
  const double w = q[0] / length, x = q[1] / length, y = q[2] / length, z = q[3] / length;
  const double m[9] = {1 - 2 * (y * y + z * z), 2 * (x * y - w * z),     2 * (x * z + w * y),
                       2 * (x * y + w * z),     1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                       2 * (x * z - w * y),     2 * (y * z + w * x),     1 - 2 * (x * x + y * y)};
  std::copy(m, m + 9, R);
}

int make_count(Source& source) {
  if (source.chance(0.02)) return source.integer(8'000, 40'000);  // several segments
  if (source.chance(0.2)) return source.integer(200, 2'000);
  return source.integer(0, 120);
}

}  // namespace

bool in_front(const CameraView& camera, const float* mean) {
  double depth = camera.viewmat[11], size = std::abs(depth);
  for (std::size_t k = 0; k < 3; ++k) {
    const double part = camera.viewmat[8 + k] * mean[k];
    depth += part;
    size += std::abs(part);
  }
  return std::isfinite(size) && size < 1e6 && depth > 0.02 + 1e-5 * size;
}

GaussianView Scene::view() const {
  GaussianView v;
  v.count = static_cast<std::int64_t>(count());
  v.means = means.data();
  if (by_covariance) {
    v.covars = covars.data();
  } else {
    v.quats = quats.data();
    v.scales = scales.data();
  }
  v.opacities = opacities.data();
  v.colors = colors.data();
  v.channels = channels;
  return v;
}

bool Scene::finite(std::size_t i) const {
  const auto c = static_cast<std::size_t>(channels);
  return all_finite(means, 3 * i, 3) && std::isfinite(opacities[i]) &&
         all_finite(colors, c * i, c) &&
         (by_covariance ? all_finite(covars, 6 * i, 6)
                        : all_finite(quats, 4 * i, 4) && all_finite(scales, 3 * i, 3));
}

bool Scene::modest() const {
  constexpr float kMost = 1e4f;
  for (const double v : camera.viewmat) {
    if (!(std::abs(v) < kMost)) return false;
  }
  if (!(camera.fx > 0.1 && camera.fx < 1e5 && camera.fy > 0.1 && camera.fy < 1e5)) return false;
  for (const auto* values : {&means, &quats, &scales, &covars, &opacities, &colors}) {
    if (largest_finite(*values) > kMost) return false;
  }
  return true;
}

Scene Scene::without_broken() const {
  Scene mended = *this;
  for (std::size_t i = 0; i < count(); ++i) {
    if (finite(i)) continue;
    blank(mended.means, i, 3, 0);
    blank(mended.colors, i, static_cast<std::size_t>(channels), 0);
    blank(mended.opacities, i, 1, 0);
    if (by_covariance) {
      blank(mended.covars, i, 6, 0);
    } else {
      blank(mended.quats, i, 4, 1);
      blank(mended.scales, i, 3, 0);
    }
  }
  return mended;
}

CameraView make_camera(Source& source, bool hostile) {
  CameraView camera{};
  camera.width = make_side(source);
  camera.height = make_side(source);
  double R[9];
  rotation(source, R);
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) camera.viewmat[4 * r + c] = R[3 * r + c];
  }
  camera.viewmat[11] = source.uniform(0.1, 3);
  camera.viewmat[15] = 1;
  camera.fx = camera.width * source.uniform(0.4, 3);
  camera.fy = camera.height * source.uniform(0.4, 3);
  camera.cx = camera.width * source.uniform(0.2, 0.8);
  camera.cy = camera.height * source.uniform(0.2, 0.8);
  if (!hostile) return camera;
  if (source.chance(0.5)) camera.fx = source.magnitude(1e-4, 1e7);
  if (source.chance(0.5)) camera.fy = source.magnitude(1e-4, 1e7);
  if (source.chance(0.2)) camera.fx = source.pick({1e-300, 1e-40, 1e40, 1e300});
  if (source.chance(0.3)) camera.cx = source.uniform(-1e4, 1e4);
  if (source.chance(0.1)) camera.cy = source.pick({-1e300, -1e30, 1e30, 1e300});
  if (source.chance(0.5)) {
    const int entry = source.integer(0, 11);
    camera.viewmat[entry] = source.chance(0.2) ? 1e300 : double{source.nasty_finite()};
  }
  return camera;
}

Scene make_scene(Source& source, Manner manner) {
  const bool any = manner == Manner::any;
  Scene s;
  s.camera = make_camera(source, any && source.chance(0.25));
  const auto n = static_cast<std::size_t>(make_count(source));
  // many Gaussians of many channels would make one scene outlast a hundred others
  s.channels = n > 2'000 || source.chance(0.5) ? 3 : source.integer(1, 32);
  s.by_covariance = source.chance(0.3);
  const double spread = any ? source.pick({0.0, 0.1, 0.3, 2.0}) : source.uniform(0.05, 0.3);
  const double size = source.magnitude(1e-4, n > 2'000 ? 0.02 : 1.0);
  const bool one_depth = any && source.chance(0.1);
  for (std::size_t i = 0; i < n; ++i) {
    double at[3];
    for (double& v : at) v = source.normal(spread);
    if (one_depth) {  // along the camera's third axis
      const double* forward = s.camera.viewmat + 8;
      double along = 0;
      for (int k = 0; k < 3; ++k) along += at[k] * forward[k];
      for (int k = 0; k < 3; ++k) at[k] -= along * forward[k];
    }
    for (const double v : at) s.means.push_back(static_cast<float>(v));
    double scale[3];
    for (double& v : scale) v = size * source.magnitude(0.5, 2);
    if (source.chance(0.1)) scale[source.integer(0, 2)] *= 50;
    if (source.chance(0.1)) scale[source.integer(0, 2)] *= source.pick({0.0, 1e-6, -1.0});
    if (s.by_covariance) {  // B·Bᵀ of a random B: positive but for rounding
      double b[9];
      for (int k = 0; k < 9; ++k) b[k] = scale[k / 3] * source.uniform(-1, 1);
      for (int r = 0; r < 3; ++r) {
        for (int c = r; c < 3; ++c) {
          double sum = 0;
          for (int k = 0; k < 3; ++k) sum += b[3 * r + k] * b[3 * c + k];
          s.covars.push_back(static_cast<float>(sum));
        }
      }
    } else {
      const bool none = any && source.chance(0.005);
      for (int k = 0; k < 4; ++k) s.quats.push_back(none ? 0.0f : source.normal(1));
      for (const double v : scale) s.scales.push_back(static_cast<float>(v));
    }
    s.opacities.push_back(static_cast<float>(
        source.chance(0.1) ? source.pick({-1.0, 0.0, 1.0 / 255, 0.99, 1.0, 7.0})
                           : source.uniform(0, 1)));
    for (int c = 0; c < s.channels; ++c) {
      s.colors.push_back(static_cast<float>(source.uniform(0, 1)));
    }
  }
  if (source.chance(0.5)) {
    for (int c = 0; c < s.channels; ++c) {
      s.background.push_back(static_cast<float>(source.uniform(0, 1)));
    }
  }
  if (any && source.chance(0.5)) {
    const double share = source.pick({0.001, 0.01, 0.2});
    for (auto* values : {&s.means, &s.quats, &s.scales, &s.covars, &s.opacities, &s.colors}) {
      if (source.chance(0.5)) source.salt(*values, share);
    }
  }
  trim(s.means, s.quats, s.scales, s.covars, s.opacities, s.colors, s.background);
  return s;
}

}  // namespace avatar_rt::fuzz
