// AvatarCore: one avatar, animated and rendered.
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bind/device_array.h"
#include "bind/head.h"
#include "bind/pictures.h"
#include "bind/register.h"
#include "core/renderer.h"
#include "cuda/register.h"
#include "math/constants.h"

namespace avatar_rt::bind {
namespace {

constexpr py::ssize_t kMostPictures = 1 << 20;

py::dict timings(const StageTimes& times) {
  py::dict seconds;
  seconds["animate"] = times.animate;
  seconds["project"] = times.project;
  seconds["blend"] = times.blend;
  return seconds;
}

// Plain colours from spherical harmonics of degree 0 (N, 1, 3), which look alike from everywhere.
py::array_t<float> colors_of_degree_0(const py::array_t<float>& harmonics) {
  const py::ssize_t n = harmonics.shape(0);
  py::array_t<float> colors({n, py::ssize_t{3}});
  std::transform(harmonics.data(), harmonics.data() + 3 * n, colors.mutable_data(), [](float c) {
    const float color = 0.5f + kHarmonic0 * c;
    // what is not finite stays so: such a Gaussian is skipped and counted
    return std::isfinite(color) ? std::max(color, 0.0f) : color;
  });
  return colors;
}

class AvatarCore {
 public:
  AvatarCore(const py::object& vertices, const py::object& faces,
             const py::object& expression_basis, const py::object& joints,
             const py::object& parents, const py::object& weights,
             const py::object& pose_correctives, const std::string& frame,
             const py::object& triangles, const py::object& barycentric,
             const py::object& offsets, const py::object& quats, const py::object& scales,
             const py::object& opacities, const py::object& colors, int threads,
             const std::string& backend, int device) {
    if (backend != "cpu" && backend != "cuda") {
      throw py::value_error("backend: is '" + backend + "', expected 'cpu' or 'cuda'");
    }
    const HeadArrays head(vertices, faces, expression_basis, joints, parents, weights,
                          pose_correctives);
    const auto t = array<std::int32_t>(triangles, "triangles", {kAny});
    const py::ssize_t n = t.shape(0);
    require_range(t, "triangles", 0, head.view.face_count);
    for (py::ssize_t k = 1; k < n; ++k) {
      if (t.at(k) < t.at(k - 1)) throw py::value_error("triangles: must be ascending");
    }
    const auto b = array<float>(barycentric, "barycentric", {n, 3});
    for (py::ssize_t k = 0; k < n; ++k) {
      const double sum = double{b.at(k, 0)} + b.at(k, 1) + b.at(k, 2);
      if (std::abs(sum - 1) > 1e-3) {  // NaN passes: such a Gaussian is skipped and counted
        throw py::value_error("barycentric: a row sums to " + std::to_string(sum) +
                              ", expected 1");
      }
    }
    const auto o = array<float>(offsets, "offsets", {n, 3});
    const auto q = array<float>(quats, "quats", {n, 4});
    const auto s = array<float>(scales, "scales", {n, 3});
    const auto a = array<float>(opacities, "opacities", {n});
    const bool plain = py::isinstance<py::array>(colors) &&
                       py::reinterpret_borrow<py::array>(colors).ndim() == 2;
    auto rgb = plain ? array<float>(colors, "colors", {n, 3})
                     : array<float>(colors, "colors", {n, kAny, 3});
    const py::ssize_t sh_count = plain ? 1 : rgb.shape(1);
    if (sh_count != 1 && sh_count != 4 && sh_count != 9 && sh_count != 16) {
      throw py::value_error("colors: expected 1, 4, 9 or 16 spherical harmonics, got " +
                            std::to_string(sh_count));
    }
    if (!plain && sh_count == 1) rgb = colors_of_degree_0(rgb);
    BoundView bound{};
    bound.count = n;
    bound.frame = triangle_frame(frame);
    bound.triangles = t.data();
    bound.barycentric = b.data();
    bound.offsets = o.data();
    bound.quats = q.data();
    bound.scales = s.data();
    bound.opacities = a.data();
    bound.colors = rgb.data();
    bound.sh_count = static_cast<int>(sh_count);
    const int thread_total = thread_count(threads);
    py::gil_scoped_release release;
    auto packed = pack_avatar(head.view, bound);
    on_device_ = backend == "cuda";
    device_ = device;
    avatar_ = on_device_ ? cuda::make_avatar(std::move(packed), device)
                         : make_avatar(std::move(packed), thread_total);
  }

  py::array_t<float> vertices(const py::object& coefficients, const py::object& joint_rotations,
                              const py::object& translation) {
    const Pose pose(*this, coefficients, joint_rotations, translation);
    const Busy busy(*this);
    py::array_t<float> out({avatar_->vertex_count(), 3});
    float* data = out.mutable_data();
    py::gil_scoped_release release;
    avatar_->vertices(pose.view, data);
    return out;
  }

  std::pair<py::array_t<float>, py::array_t<float>> gaussians(const py::object& coefficients,
                                                              const py::object& joint_rotations,
                                                              const py::object& translation) {
    const Pose pose(*this, coefficients, joint_rotations, translation);
    const Busy busy(*this);
    py::array_t<float> means({avatar_->gaussian_count(), std::int64_t{3}});
    py::array_t<float> covars({avatar_->gaussian_count(), std::int64_t{6}});
    float* mean_data = means.mutable_data();
    float* covar_data = covars.mutable_data();
    {
      py::gil_scoped_release release;
      avatar_->gaussians(pose.view, mean_data, covar_data);
    }
    return {means, covars};
  }

  std::pair<py::array, py::dict> render(const py::object& coefficients,
                                        const py::object& joint_rotations,
                                        const py::object& translation, const py::object& viewmat,
                                        const py::object& K, int width, int height,
                                        const py::object& background, const std::string& format,
                                        const std::string& quality_name) {
    const Pose pose(*this, coefficients, joint_rotations, translation);
    Picture picture(*this, viewmat, K, width, height, background, format, quality_name);
    const Busy busy(*this);
    py::array pixels = empty_pixels(*avatar_, picture.format, picture.shape);
    Shot& shot = picture.shot;
    shot.pixels = pixels.mutable_data();
    {
      py::gil_scoped_release release;
      avatar_->render(&pose.view, 1, &shot, 1, picture.format, picture.quality);
    }
    skipped_ = shot.skipped;
    return {pixels, timings(shot.times)};
  }

  DeviceArray render_on_device(const py::object& coefficients, const py::object& joint_rotations,
                               const py::object& translation, const py::object& viewmat,
                               const py::object& K, int width, int height,
                               const py::object& background, const std::string& format,
                               const std::string& quality_name) {
    const Pose pose(*this, coefficients, joint_rotations, translation);
    const Picture picture(*this, viewmat, K, width, height, background, format, quality_name);
    const Busy busy(*this);
    DevicePicture drawn;
    {
      py::gil_scoped_release release;
      drawn = avatar_->render_on_device(pose.view, picture.shot, picture.format, picture.quality);
    }
    return DeviceArray(std::move(drawn), picture.format, picture.shape);
  }

  double device_seconds(const py::object& coefficients, const py::object& joint_rotations,
                        const py::object& translation, const py::object& viewmat,
                        const py::object& K, int width, int height, const py::object& background,
                        const std::string& format, const std::string& quality_name, int frames) {
    if (frames < 1) throw py::value_error("frames: must be at least 1");
    const Pose pose(*this, coefficients, joint_rotations, translation);
    const Picture picture(*this, viewmat, K, width, height, background, format, quality_name);
    const Busy busy(*this);
    py::gil_scoped_release release;
    return avatar_->device_seconds(pose.view, picture.shot, picture.format, picture.quality,
                                   frames);
  }

  std::pair<py::array, py::list> render_batch(
      const py::object& coefficients, const py::object& joint_rotations,
      const py::object& translation, const py::object& viewmats, const py::object& Ks, int width,
      int height, const py::object& background, const std::string& format,
      const std::string& quality_name) {
    const auto c = array<float>(coefficients, "coefficients", {kAny, avatar_->expression_count()});
    const py::ssize_t faces = c.shape(0);
    const auto r = array<float>(joint_rotations, "joint_rotations",
                                {faces, avatar_->joint_count(), 3});
    const auto t = array<float>(translation, "translation", {faces, 3});
    require_finite(c, "coefficients");
    require_finite(r, "joint_rotations");
    require_finite(t, "translation");
    const auto v = array<double>(viewmats, "viewmats", {kAny, 4, 4});
    const py::ssize_t cameras = v.shape(0);
    const auto k = array<double>(Ks, "Ks", {cameras, 3, 3});
    const py::ssize_t count = faces == 1 ? cameras : faces;
    if (cameras != 1 && cameras != count) {
      throw py::value_error("viewmats: has " + std::to_string(cameras) + " cameras for " +
                            std::to_string(faces) + " poses, expected as many, or one of either");
    }
    if (count > kMostPictures) {
      throw py::value_error("viewmats: more than " + std::to_string(kMostPictures) + " pictures");
    }
    const bool same_under =
        py::isinstance<py::array>(background) &&
        py::reinterpret_borrow<py::array>(background).ndim() == 1;
    const auto under = same_under ? array<float>(background, "background", {3})
                                  : array<float>(background, "background", {count, 3});
    require_finite(under, "background");

    std::vector<PoseView> poses(static_cast<std::size_t>(faces));
    for (py::ssize_t i = 0; i < faces; ++i) {
      poses[static_cast<std::size_t>(i)] = {c.data(i), r.data(i), t.data(i)};
    }
    std::vector<Shot> shots(static_cast<std::size_t>(count));
    for (py::ssize_t i = 0; i < count; ++i) {
      Shot& shot = shots[static_cast<std::size_t>(i)];
      const py::ssize_t at = cameras == 1 ? 0 : i;
      shot.camera = camera(v.data(at), k.data(at), width, height);
      shot.background = same_under ? under.data() : under.data(i);
    }
    const PixelFormat pixel = pixel_format(format);
    const Quality q = hurried(quality(quality_name), haste_);
    std::vector<py::ssize_t> shape = picture_shape(pixel, width, height);
    shape.insert(shape.begin(), count);
    const Busy busy(*this);
    py::array pixels = empty_pixels(*avatar_, pixel, shape);
    auto* data = static_cast<char*>(pixels.mutable_data());
    for (std::size_t i = 0; i < shots.size(); ++i) {
      shots[i].pixels = data + static_cast<std::size_t>(pixels.nbytes()) / shots.size() * i;
    }
    {
      py::gil_scoped_release release;
      avatar_->render(poses.data(), static_cast<int>(faces), shots.data(),
                      static_cast<int>(count), pixel, q);
    }
    skipped_ = 0;
    py::list seconds;
    for (const Shot& shot : shots) {
      skipped_ = std::max(skipped_, shot.skipped);
      seconds.append(timings(shot.times));
    }
    return {pixels, seconds};
  }

  // One picture of each of several avatars on one device, in one launch: for each the arguments of
  // render().
  static py::list render_together(const std::vector<AvatarCore*>& cores, const py::list& wanted) {
    if (cores.size() != wanted.size()) throw py::value_error("shots: expected one per avatar");
    std::deque<Pose> poses;
    std::deque<Picture> pictures;
    std::deque<Busy> busy;
    std::vector<cuda::Sitting> sittings;
    std::vector<py::array> pixels;
    for (std::size_t k = 0; k < cores.size(); ++k) {
      const auto shot = wanted[k].cast<py::tuple>();
      if (shot.size() != 10) throw py::value_error("shots: expected the ten arguments of render");
      AvatarCore& core = *cores[k];
      const Pose& pose = poses.emplace_back(core, shot[0], shot[1], shot[2]);
      Picture& picture = pictures.emplace_back(core, shot[3], shot[4], shot[5].cast<int>(),
                                               shot[6].cast<int>(), shot[7],
                                               shot[8].cast<std::string>(),
                                               shot[9].cast<std::string>());
      if (picture.format != pictures.front().format) {
        throw py::value_error("format: must be the same for all");
      }
      busy.emplace_back(core);
      pixels.push_back(empty_pixels(*core.avatar_, picture.format, picture.shape));
      picture.shot.pixels = pixels.back().mutable_data();
      sittings.push_back({core.avatar_.get(), pose.view, &picture.shot, picture.quality});
    }
    if (!sittings.empty()) {
      const py::gil_scoped_release release;
      cuda::render_together(sittings, pictures.front().format);
    }
    py::list out;
    for (std::size_t k = 0; k < cores.size(); ++k) {
      cores[k]->skipped_ = pictures[k].shot.skipped;
      out.append(py::make_tuple(pixels[k], timings(pictures[k].shot.times)));
    }
    return out;
  }

  // The same avatar for another caller; with `threads`, drawn by the processor.
  std::unique_ptr<AvatarCore> twin(std::optional<int> threads) const {
    auto avatar = threads ? avatar_->on_cpu(thread_count(*threads)) : avatar_->twin();
    std::unique_ptr<AvatarCore> other(new AvatarCore(std::move(avatar), on_device_ && !threads));
    other->device_ = device_;
    other->haste_ = haste_;
    return other;
  }

  int device() const { return device_; }
  const char* backend() const { return on_device_ ? "cuda" : "cpu"; }

  // From now on the processor draws it.
  void fall_back(int threads) {
    const int thread_total = thread_count(threads);
    const Busy busy(*this);
    std::unique_ptr<Avatar> other;
    {
      py::gil_scoped_release release;
      other = avatar_->on_cpu(thread_total);
    }
    std::swap(avatar_, other);  // with the GIL, as others look at it with the GIL too
    on_device_ = false;
    py::gil_scoped_release release;
    other.reset();
  }

  std::int64_t skipped() const { return skipped_; }

  int haste() const { return haste_; }
  void set_haste(int haste) {
    require_haste(haste);
    haste_ = haste;
  }

 private:
  struct Pose {
    py::array_t<float> coefficients, rotations, translation;
    PoseView view;
    Pose(const AvatarCore& core, const py::object& c, const py::object& r, const py::object& t)
        : coefficients(array<float>(c, "coefficients", {core.avatar_->expression_count()})),
          rotations(array<float>(r, "joint_rotations", {core.avatar_->joint_count(), 3})),
          translation(array<float>(t, "translation", {3})) {
      require_finite(coefficients, "coefficients");
      require_finite(rotations, "joint_rotations");
      require_finite(translation, "translation");
      view = {coefficients.data(), rotations.data(), translation.data()};
    }
  };

  // One picture as a caller describes it.
  struct Picture {
    py::array_t<float> under;
    PixelFormat format;
    std::vector<py::ssize_t> shape;
    Quality quality;
    Shot shot{};
    Picture(const AvatarCore& core, const py::object& viewmat, const py::object& K, int width,
            int height, const py::object& background, const std::string& format_name,
            const std::string& quality_name)
        : under(array<float>(background, "background", {3})),
          format(pixel_format(format_name)),
          shape(picture_shape(format, width, height)),
          quality(hurried(bind::quality(quality_name), core.haste_)) {
      require_finite(under, "background");
      shot.camera = camera(viewmat, K, width, height);
      shot.background = under.data();
    }
  };

  // An avatar works for one caller at a time; a second one is told so instead of racing the first.
  struct Busy {
    AvatarCore& core;
    explicit Busy(AvatarCore& c) : core(c) {
      if (core.busy_.exchange(true)) {
        throw std::runtime_error("this AvatarCore is in use by another thread");
      }
    }
    ~Busy() { core.busy_ = false; }
  };

  AvatarCore(std::unique_ptr<Avatar> avatar, bool on_device)
      : avatar_(std::move(avatar)), on_device_(on_device) {}

  std::unique_ptr<Avatar> avatar_;
  bool on_device_ = false;
  int device_ = 0;
  std::atomic<bool> busy_{false};
  std::int64_t skipped_ = 0;
  int haste_ = 0;
};

}  // namespace

void register_avatar(py::module_& module) {
  const auto pose = [](auto& type, const char* name, auto method) {
    type.def(name, method, py::arg("coefficients"), py::arg("joint_rotations"),
             py::arg("translation"));
  };
  py::class_<AvatarCore> type(module, "AvatarCore");
  type.def(py::init<const py::object&, const py::object&, const py::object&, const py::object&,
                    const py::object&, const py::object&, const py::object&, const std::string&,
                    const py::object&, const py::object&, const py::object&, const py::object&,
                    const py::object&, const py::object&, const py::object&, int,
                    const std::string&, int>(),
           py::arg("vertices"), py::arg("faces"), py::arg("expression_basis"), py::arg("joints"),
           py::arg("parents"), py::arg("weights"), py::arg("pose_correctives"), py::arg("frame"),
           py::arg("triangles"), py::arg("barycentric"), py::arg("offsets"), py::arg("quats"),
           py::arg("scales"), py::arg("opacities"), py::arg("colors"), py::arg("threads"),
           py::arg("backend") = "cpu", py::arg("device") = 0);
  pose(type, "vertices", &AvatarCore::vertices);
  pose(type, "gaussians", &AvatarCore::gaussians);
  const auto picture = [](auto& type, const char* name, auto method, auto... more) {
    type.def(name, method, py::arg("coefficients"), py::arg("joint_rotations"),
             py::arg("translation"), py::arg("viewmat"), py::arg("K"), py::arg("width"),
             py::arg("height"), py::arg("background"), py::arg("format"), py::arg("quality"),
             more...);
  };
  picture(type, "render", &AvatarCore::render);
  picture(type, "render_on_device", &AvatarCore::render_on_device);
  picture(type, "device_seconds", &AvatarCore::device_seconds, py::arg("frames"));
  type.def("render_batch", &AvatarCore::render_batch, py::arg("coefficients"),
           py::arg("joint_rotations"), py::arg("translation"), py::arg("viewmats"), py::arg("Ks"),
           py::arg("width"), py::arg("height"), py::arg("background"), py::arg("format"),
           py::arg("quality"));
  module.def("render_together", &AvatarCore::render_together, py::arg("avatars"),
             py::arg("shots"));
  type.def("twin", &AvatarCore::twin, py::arg("threads") = py::none());
  type.def("fall_back", &AvatarCore::fall_back, py::arg("threads"));
  type.def_property_readonly("device", &AvatarCore::device);
  type.def_property_readonly("backend", &AvatarCore::backend);
  type.def_property_readonly("skipped", &AvatarCore::skipped);
  type.def_property("haste", &AvatarCore::haste, &AvatarCore::set_haste);
}

}  // namespace avatar_rt::bind
