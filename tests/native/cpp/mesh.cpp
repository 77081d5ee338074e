// rasterize_mesh: every pixel names a triangle that is there, and its weights add up.
#include <cmath>

#include "core/renderer.h"
#include "entries.h"
#include "guarded.h"
#include "source.h"

namespace avatar_rt::fuzz {
namespace {

struct Mesh {
  std::vector<float> points;
  std::vector<std::int32_t> faces;
  int width, height;

  int vertex_count() const { return static_cast<int>(points.size() / 3); }
  int face_count() const { return static_cast<int>(faces.size() / 3); }
};

struct View {
  Guarded<std::int32_t> triangle;
  Guarded<float> barycentric, depth;
  bool valid;
};

View draw(const Mesh& mesh, int threads) {
  const auto pixels =
      static_cast<std::size_t>(mesh.width) * static_cast<std::size_t>(mesh.height);
  View v{Guarded<std::int32_t>(pixels), Guarded<float>(3 * pixels), Guarded<float>(pixels), false};
  v.valid = rasterize_mesh(mesh.points.data(), mesh.vertex_count(), mesh.faces.data(),
                           mesh.face_count(), mesh.width, mesh.height, threads, v.triangle.data(),
                           v.barycentric.data(), v.depth.data());
  require(v.triangle.untouched_outside() && v.barycentric.untouched_outside() &&
              v.depth.untouched_outside(),
          "rasterize_mesh wrote beside its outputs");
  return v;
}

Mesh make_mesh(Source& source, bool foreign) {
  Mesh mesh{{}, {}, source.integer(1, 130), source.integer(1, 130)};
  const int vertices = source.integer(1, 60);
  for (int v = 0; v < vertices; ++v) {
    mesh.points.push_back(static_cast<float>(source.uniform(-0.5, 1.5) * mesh.width));
    mesh.points.push_back(static_cast<float>(source.uniform(-0.5, 1.5) * mesh.height));
    mesh.points.push_back(static_cast<float>(source.uniform(-0.2, 3)));
  }
  if (source.chance(0.5)) source.salt(mesh.points, source.pick({0.01, 0.1}));
  for (int k = 3 * source.integer(0, 80); k > 0; --k) {
    mesh.faces.push_back(source.integer(0, vertices - 1));
  }
  if (foreign && !mesh.faces.empty()) {
    const auto at = static_cast<std::size_t>(
        source.integer(0, static_cast<int>(mesh.faces.size()) - 1));
    mesh.faces[at] = source.pick({-1, vertices, 1 << 30, std::numeric_limits<std::int32_t>::min()});
  }
  trim(mesh.points, mesh.faces);
  return mesh;
}

}  // namespace

void fuzz_mesh(Source& source) {
  const bool foreign = source.chance(0.1);
  const Mesh mesh = make_mesh(source, foreign);
  const View one = draw(mesh, 1), more = draw(mesh, source.integer(2, 5));
  require(one.triangle.same(more.triangle) && one.barycentric.same(more.barycentric) &&
              one.depth.same(more.depth),
          "the mesh depends on the number of threads");
  require(one.valid == (!foreign || mesh.faces.empty()), "a foreign vertex went unnoticed");
  for (std::size_t i = 0; i < one.triangle.size(); ++i) {
    const std::int32_t t = one.triangle[i];
    require(t >= -1 && t < mesh.face_count(), "a pixel names no triangle of the mesh");
    const float* b = one.barycentric.data() + 3 * i;
    if (t < 0) {
      require(std::isinf(one.depth[i]) && b[0] == 0 && b[1] == 0 && b[2] == 0,
              "a pixel without a triangle has a depth");
      continue;
    }
    require(one.depth[i] >= 0 && std::isfinite(one.depth[i]), "a depth is not one");
    require(b[0] >= 0 && b[1] >= 0 && b[2] >= 0 && std::fabs(b[0] + b[1] + b[2] - 1) < 1e-4f,
            "barycentric weights do not add up to 1");
  }
}

}  // namespace avatar_rt::fuzz
