// Splatting as one writes it first: project, sort by depth, and for each Gaussian visit the pixels
// of the box around it. One thread, no vector code, and nothing taken from csrc/math or csrc/cpu but
// the rules' numbers, so that it can bear witness for or against them.
#include "core/plain.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "math/constants.h"

namespace avatar_rt {
namespace {

template <class Real>
struct Projected {
  Real x, y;           // pixels
  Real xx, xy, yy;     // the inverse of the 2D covariance
  Real opacity, depth;
  const float* color;
  int left, top, right, bottom;  // the first and the last pixel of the box
};

// The first and the last pixel whose centre is within `reach` of `centre`.
template <class Real>
void box(Real centre, Real reach, int pixels, int& first, int& last) {
  const Real end = static_cast<Real>(pixels);
  const Real from = std::ceil(centre - reach - Real(0.5));
  const Real to = std::floor(centre + reach - Real(0.5));
  first = static_cast<int>(std::clamp(from, Real(0), end));
  last = static_cast<int>(std::clamp(to, Real(-1), end - 1));
}

// A camera in the precision that is wanted.
template <class Real>
struct Eye {
  Real R[3][3], t[3];            // world → camera
  Real fx, fy, cx, cy;           // pixels
  Real left, right, top, bottom; // slopes beyond which the projection's Jacobian is frozen

  explicit Eye(const CameraView& c)
      : fx(static_cast<Real>(c.fx)), fy(static_cast<Real>(c.fy)),
        cx(static_cast<Real>(c.cx)), cy(static_cast<Real>(c.cy)) {
    for (int row = 0; row < 3; ++row) {
      for (int k = 0; k < 3; ++k) R[row][k] = static_cast<Real>(c.viewmat[4 * row + k]);
      t[row] = static_cast<Real>(c.viewmat[4 * row + 3]);
    }
    const Real width = static_cast<Real>(c.width), height = static_cast<Real>(c.height);
    const Real margin_x = Real(kFrustumMargin) * width / 2;
    const Real margin_y = Real(kFrustumMargin) * height / 2;
    left = (-cx - margin_x) / fx;
    right = (width - cx + margin_x) / fx;
    top = (-cy - margin_y) / fy;
    bottom = (height - cy + margin_y) / fy;
  }
};

// EWA splatting (Zwicker et al. 2001) of one Gaussian; false where nothing of it is drawn.
template <class Real>
bool project(const GaussianView& g, std::int64_t n, const Eye<Real>& eye, int width, int height,
             Real alpha_min, Projected<Real>& out) {
  Real mean[3];
  for (int r = 0; r < 3; ++r) {
    mean[r] = eye.t[r];
    for (int c = 0; c < 3; ++c) mean[r] += eye.R[r][c] * static_cast<Real>(g.means[3 * n + c]);
  }
  const Real depth = mean[2];
  const Real opacity = std::min(static_cast<Real>(g.opacities[n]), Real(1));
  if (!(depth >= Real(kNearPlane)) || !(opacity >= alpha_min)) return false;

  const Real u = mean[0] / depth, v = mean[1] / depth;
  const Real slope_x = std::clamp(u, eye.left, eye.right);
  const Real slope_y = std::clamp(v, eye.top, eye.bottom);

  // rows of (Jacobian of the projection · view rotation), and the covariance between them
  Real row_x[3], row_y[3];
  for (int c = 0; c < 3; ++c) {
    row_x[c] = eye.fx / depth * (eye.R[0][c] - slope_x * eye.R[2][c]);
    row_y[c] = eye.fy / depth * (eye.R[1][c] - slope_y * eye.R[2][c]);
  }
  const float* s = g.covars + 6 * n;
  const Real S[3][3] = {{s[0], s[1], s[2]}, {s[1], s[3], s[4]}, {s[2], s[4], s[5]}};
  Real xx = Real(kLowPass), xy = 0, yy = Real(kLowPass);
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      xx += row_x[a] * S[a][b] * row_x[b];
      xy += row_x[a] * S[a][b] * row_y[b];
      yy += row_y[a] * S[a][b] * row_y[b];
    }
  }
  const Real det = xx * yy - xy * xy;
  const float* color = g.colors + 3 * n;
  const Real total = u + v + xx + yy + det + color[0] + color[1] + color[2];
  if (!(det > 0) || !std::isfinite(total)) return false;

  out = {eye.fx * u + eye.cx, eye.fy * v + eye.cy, yy / det, -xy / det, xx / det, opacity, depth,
         color, 0, 0, 0, 0};
  // opacity·exp(-d²/2) ≥ alpha_min within the ellipse d² ≤ reach, which is √(reach·xx) wide
  const Real reach = 2 * std::log(opacity / alpha_min);
  box(out.x, std::sqrt(reach * xx), width, out.left, out.right);
  box(out.y, std::sqrt(reach * yy), height, out.top, out.bottom);
  return out.left <= out.right && out.top <= out.bottom;
}

}  // namespace

template <class Real>
std::int64_t rasterize_plain(const GaussianView& gaussians, const CameraView& camera,
                             const Real* background, Real alpha_min, Real transmittance_min,
                             Real* image, Real* alpha) {
  const Eye<Real> eye(camera);
  std::vector<Projected<Real>> drawn;
  drawn.reserve(static_cast<std::size_t>(gaussians.count));
  for (std::int64_t n = 0; n < gaussians.count; ++n) {
    Projected<Real> one;
    if (project(gaussians, n, eye, camera.width, camera.height, alpha_min, one)) {
      drawn.push_back(one);
    }
  }
  std::vector<std::int32_t> order(drawn.size());
  for (std::size_t k = 0; k < order.size(); ++k) order[k] = static_cast<std::int32_t>(k);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return drawn[static_cast<std::size_t>(a)].depth < drawn[static_cast<std::size_t>(b)].depth;
  });

  const std::size_t width = static_cast<std::size_t>(camera.width);
  const std::size_t pixels = width * static_cast<std::size_t>(camera.height);
  std::vector<Real> transmittance(pixels, Real(1));
  std::fill_n(image, 3 * pixels, Real(0));
  std::int64_t pairs = 0;
  for (const std::int32_t k : order) {
    const Projected<Real> g = drawn[static_cast<std::size_t>(k)];
    const Real red = g.color[0], green = g.color[1], blue = g.color[2];
    for (int y = g.top; y <= g.bottom; ++y) {
      const Real dy = static_cast<Real>(y) + Real(0.5) - g.y;
      for (int x = g.left; x <= g.right; ++x) {
        const std::size_t at = static_cast<std::size_t>(y) * width + static_cast<std::size_t>(x);
        const Real left = transmittance[at];
        if (left < transmittance_min) continue;
        const Real dx = static_cast<Real>(x) + Real(0.5) - g.x;
        const Real half = Real(0.5) * (g.xx * dx * dx + g.yy * dy * dy) + g.xy * dx * dy;
        const Real seen = g.opacity * std::exp(-half);
        if (seen < alpha_min) continue;
        const Real weight = left * std::min(seen, Real(kAlphaMax));
        image[3 * at] += weight * red;
        image[3 * at + 1] += weight * green;
        image[3 * at + 2] += weight * blue;
        transmittance[at] = left - weight;
        ++pairs;
      }
    }
  }
  for (std::size_t at = 0; at < pixels; ++at) {
    alpha[at] = 1 - transmittance[at];
    for (std::size_t c = 0; background != nullptr && c < 3; ++c) {
      image[3 * at + c] += transmittance[at] * background[c];
    }
  }
  return pairs;
}

template std::int64_t rasterize_plain(const GaussianView&, const CameraView&, const float*, float,
                                      float, float*, float*);
template std::int64_t rasterize_plain(const GaussianView&, const CameraView&, const double*, double,
                                      double, double*, double*);

}  // namespace avatar_rt
