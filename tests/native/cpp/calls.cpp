#include "calls.h"

#include <algorithm>
#include <cmath>

namespace avatar_rt::fuzz {
namespace {

void make_gradient(Source& source, std::vector<float>& values, std::size_t n, bool friendly) {
  values.resize(n);
  for (float& v : values) v = source.normal(1);
  if (!friendly && source.chance(0.2)) source.salt(values, 0.01);
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

AnimationView Call::view() const {
  return {batch,
          coefficients.data(),
          rotations.data(),
          translation.data(),
          vertices.empty() ? nullptr : vertices.data(),
          frame,
          static_cast<std::int64_t>(count()),
          triangles.data(),
          barycentric.data(),
          offsets.data(),
          quats.data(),
          scales.data()};
}

AnimationGradient Call::gradient() const {
  return {gives_means ? of_means.data() : nullptr, gives_covars ? of_covars.data() : nullptr,
          gives_vertices ? of_vertices.data() : nullptr};
}

bool Call::finite(std::size_t i) const {
  const auto all = [](const float* first, const float* last) {
    return std::all_of(first, last, [](float v) { return std::isfinite(v); });
  };
  const auto rows = [&](const std::vector<float>& values, std::size_t width, std::size_t from) {
    const float* row = values.data() + width * i;
    return all(row + from, row + width);
  };
  return rows(barycentric, 3, 1) && rows(offsets, 3, 0) && rows(quats, 4, 0) && rows(scales, 3, 0);
}

bool Call::all_finite() const {
  for (std::size_t i = 0; i < count(); ++i) {
    if (!finite(i)) return false;
  }
  return true;
}

Call Call::without_broken() const {
  Call sound = *this;
  for (std::size_t i = 0; i < count(); ++i) {
    if (finite(i)) continue;
    const auto fill = [&](std::vector<float>& values, std::size_t row, std::size_t width, float v) {
      if (values.empty()) return;
      std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(width * row), width, v);
    };
    fill(sound.barycentric, i, 3, 0);
    fill(sound.offsets, i, 3, 0);
    fill(sound.quats, i, 4, 1);
    fill(sound.scales, i, 3, 0);
    for (std::size_t b = 0; b < static_cast<std::size_t>(batch); ++b) {
      fill(sound.of_means, count() * b + i, 3, 0);
      fill(sound.of_covars, count() * b + i, 6, 0);
    }
  }
  return sound;
}

void Call::give_zeros(std::size_t vertex_count) {
  const auto zeros = [&](std::vector<float>& values, bool& given, std::size_t per_pose) {
    if (!given) values.assign(per_pose * static_cast<std::size_t>(batch), 0.0f);
    given = true;
  };
  zeros(of_means, gives_means, 3 * count());
  zeros(of_covars, gives_covars, 6 * count());
  zeros(of_vertices, gives_vertices, 3 * vertex_count);
}

Call make_call(Source& source, const MadeHead& head, bool friendly) {
  Call c;
  c.batch = source.chance(0.05) ? 0 : source.integer(1, head.count() > 2'000 ? 2 : 3);
  for (int b = 0; b < c.batch; ++b) {
    const MadePose pose = make_pose(source, head, !friendly && source.chance(0.5));
    append(c.coefficients, pose.coefficients);
    append(c.rotations, pose.rotations);
    append(c.translation, pose.translation);
  }
  if (source.chance(0.5)) {
    c.vertices = head.vertices;
    for (float& v : c.vertices) v += source.normal(0.01);
    if (!friendly && source.chance(0.3)) source.salt(c.vertices, 0.02, true);
  }
  trim(c.coefficients, c.rotations, c.translation);
  c.frame = source.pick({Frame::affine, Frame::similarity});
  // some of the head's Gaussians, in its order or in any
  const auto n = static_cast<std::size_t>(
      source.chance(0.5) ? static_cast<int>(head.count())
                         : source.integer(0, static_cast<int>(head.count())));
  const auto take = [n](const auto& from, std::size_t width) {
    return std::vector(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n * width));
  };
  c.triangles = take(head.triangles, 1);
  c.barycentric = take(head.barycentric, 3);
  c.offsets = take(head.offsets, 3);
  c.quats = take(head.quats, 4);
  c.scales = take(head.scales, 3);
  if (source.chance(0.5)) {
    for (std::size_t i = n; i > 1; --i) {
      std::swap(c.triangles[i - 1],
                c.triangles[static_cast<std::size_t>(source.integer(0, static_cast<int>(i) - 1))]);
    }
  }
  if (source.chance(0.4)) {
    for (auto* values : {&c.barycentric, &c.offsets, &c.quats, &c.scales}) {
      source.shatter(*values, 0.005);
    }
  }
  const auto poses = static_cast<std::size_t>(c.batch);
  c.gives_means = source.chance(0.75);
  c.gives_covars = source.chance(0.75);
  c.gives_vertices = source.chance(0.75);
  if (c.gives_means) make_gradient(source, c.of_means, 3 * n * poses, friendly);
  if (c.gives_covars) make_gradient(source, c.of_covars, 6 * n * poses, friendly);
  if (c.gives_vertices) {
    make_gradient(source, c.of_vertices, head.vertices.size() * poses, friendly);
  }
  return c;
}

}  // namespace avatar_rt::fuzz
