// Which triangle each pixel sees: bands of rows in parallel, each over all triangles in their order,
// so that the picture does not depend on the number of threads.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "core/backend.h"
#include "core/renderer.h"

namespace avatar_rt {
namespace {

struct MeshArgs {
  const float* points;
  std::int64_t vertex_count;
  const std::int32_t* faces;
  std::int64_t face_count;
  int width, height, band;
  std::int32_t* triangle;
  float *barycentric, *depth;
  std::atomic<bool> valid{true};
};

// The first pixel centre at or after v, the last at or before it, within [0, n).
int first_pixel(double v, int n) {
  return static_cast<int>(std::clamp(std::ceil(v - 0.5), 0.0, static_cast<double>(n)));
}
int last_pixel(double v, int n) {
  return static_cast<int>(std::clamp(std::floor(v - 0.5), -1.0, n - 1.0));
}

void draw_triangle(MeshArgs& args, std::int64_t face, int top, int bottom) {
  std::int32_t corner[3];
  for (int k = 0; k < 3; ++k) {
    const std::int32_t v = corner[k] = args.faces[3 * face + k];
    // checked here too: another thread may have changed the caller's array since
    if (v < 0 || v >= args.vertex_count) {
      args.valid = false;
      return;
    }
  }
  double p[3][3];
  for (int k = 0; k < 3; ++k) {
    for (int c = 0; c < 3; ++c) p[k][c] = args.points[3 * std::int64_t{corner[k]} + c];
    if (!std::isfinite(p[k][0] + p[k][1] + p[k][2]) || p[k][2] <= 0) return;
  }
  const auto [y_low, y_high] = std::minmax({p[0][1], p[1][1], p[2][1]});
  const int y0 = std::max(top, first_pixel(y_low, args.height));
  const int y1 = std::min(bottom - 1, last_pixel(y_high, args.height));
  if (y0 > y1) return;
  const double area = (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) -
                      (p[2][0] - p[0][0]) * (p[1][1] - p[0][1]);
  if (area == 0 || !std::isfinite(area)) return;
  const auto [x_low, x_high] = std::minmax({p[0][0], p[1][0], p[2][0]});
  const int x0 = first_pixel(x_low, args.width), x1 = last_pixel(x_high, args.width);
  for (int y = y0; y <= y1; ++y) {
    for (int x = x0; x <= x1; ++x) {
      const double X = x + 0.5, Y = y + 0.5;
      double b[3];
      for (int k = 0; k < 3; ++k) {
        const double *i = p[(k + 1) % 3], *j = p[(k + 2) % 3];
        b[k] = ((i[0] - X) * (j[1] - Y) - (j[0] - X) * (i[1] - Y)) / area;
      }
      if (b[0] < 0 || b[1] < 0 || b[2] < 0) continue;
      double sum = 0;
      for (int k = 0; k < 3; ++k) sum += b[k] /= p[k][2];
      const auto z = static_cast<float>(1 / sum);
      const std::size_t at = static_cast<std::size_t>(y) * static_cast<std::size_t>(args.width) +
                             static_cast<std::size_t>(x);
      if (!(z < args.depth[at])) continue;
      args.depth[at] = z;
      args.triangle[at] = static_cast<std::int32_t>(face);
      for (std::size_t k = 0; k < 3; ++k) {
        args.barycentric[3 * at + k] = static_cast<float>(b[k] / sum);
      }
    }
  }
}

void draw_band(void* context, int item, int) {
  MeshArgs& args = *static_cast<MeshArgs*>(context);
  const int top = item * args.band, bottom = std::min(args.height, top + args.band);
  const std::size_t first = static_cast<std::size_t>(top) * static_cast<std::size_t>(args.width);
  const std::size_t pixels =
      static_cast<std::size_t>(bottom - top) * static_cast<std::size_t>(args.width);
  std::fill_n(args.triangle + first, pixels, -1);
  std::fill_n(args.barycentric + 3 * first, 3 * pixels, 0.0f);
  std::fill_n(args.depth + first, pixels, std::numeric_limits<float>::infinity());
  for (std::int64_t f = 0; f < args.face_count; ++f) draw_triangle(args, f, top, bottom);
}

}  // namespace

bool rasterize_mesh(const float* points, std::int64_t vertex_count, const std::int32_t* faces,
                    std::int64_t face_count, int width, int height, int threads,
                    std::int32_t* triangle, float* barycentric, float* depth) {
  MeshArgs args{points, vertex_count, faces,       face_count, width,       height,
                0,      triangle,     barycentric, depth,      {true}};
  // two bands a thread even out their work; each band reads all triangles
  const int bands = threads > 1 ? 2 * threads : 1;
  args.band = (height + bands - 1) / bands;
  backend().parallel(threads, (height + args.band - 1) / args.band, &draw_band, &args);
  return args.valid;
}

}  // namespace avatar_rt
