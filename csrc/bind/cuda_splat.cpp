// splat() and its gradients where all arrays are a device's.
#include <pybind11/stl.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bind/cuda_floats.h"
#include "bind/register.h"
#include "cuda/register.h"

namespace avatar_rt::bind {
namespace {

using DeviceBatch = Batch<DeviceFloats>;

// A batch that was drawn; holds its arrays until its gradients are taken.
class CudaSplats {
 public:
  CudaSplats(std::unique_ptr<DeviceBatch> batch, int device, std::uintptr_t stream,
             const DeviceFloats& images, const DeviceFloats& alphas)
      : batch_(std::move(batch)), device_(device) {
    const py::gil_scoped_release release;
    splats_ = cuda::splat(batch_->view, device, reinterpret_cast<void*>(stream),
                          images.mutable_data(), alphas.mutable_data());
  }

  std::vector<std::int64_t> skipped() const { return splats_->skipped(); }

  py::dict backward(const py::object& images, const py::object& alphas,
                    const py::object& image_gradients, const py::object& alpha_gradients,
                    const py::dict& gradients) {
    const SplatBatch& b = batch_->view;
    const py::ssize_t views = b.views, n = static_cast<py::ssize_t>(b.count);
    const auto plane = [&](const py::object& value, const char* name) {
      return owned(floats_of<DeviceFloats>(value, name, {views, height(), width()}), name);
    };
    const auto picture = [&](const py::object& value, const char* name) {
      return owned(floats_of<DeviceFloats>(value, name, {views, height(), width(), b.channels}),
                   name);
    };
    const DeviceFloats shown = picture(images, "images"), alpha = plane(alphas, "alphas");
    const DeviceFloats of_images = picture(image_gradients, "image_gradients");
    DeviceFloats of_alphas;
    if (!alpha_gradients.is_none()) of_alphas = plane(alpha_gradients, "alpha_gradients");

    SplatGradients g;
    std::vector<DeviceFloats> kept;
    const auto like = [&](const char* name, const Shared<DeviceFloats>& input) {
      kept.push_back(owned(DeviceFloats(gradients[name], name), name));
      kept.back().require_writable(name);
      if (kept.back().size() != input.array.size()) {
        throw py::value_error(std::string(name) + ": its gradient has another size");
      }
      return PerView<float>{kept.back().mutable_data(), input.view.step};
    };
    g.means = like("means", batch_->means);
    if (batch_->covars.array.ndim() != 0) {
      g.covars = like("covars", batch_->covars);
    } else {
      g.quats = like("quats", batch_->quats);
      g.scales = like("scales", batch_->scales);
    }
    g.opacities = like("opacities", batch_->opacities);
    g.colors = like("colors", batch_->colors);
    const auto screen = [&](const char* name, std::initializer_list<py::ssize_t> shape) {
      kept.push_back(owned(floats_of<DeviceFloats>(gradients[name], name, shape), name));
      kept.back().require_writable(name);
      return kept.back().mutable_data();
    };
    g.means2d = screen("means2d", {views, n, 2});
    g.radii = screen("radii", {views, n});
    py::array_t<double> viewmats({views, py::ssize_t{4}, py::ssize_t{4}});
    std::fill_n(viewmats.mutable_data(), 16 * views, 0.0);
    std::vector<double> background(static_cast<std::size_t>(b.channels));
    g.viewmats = viewmats.mutable_data();
    g.background = b.background == nullptr ? nullptr : background.data();
    if (views > 0) {
      const py::gil_scoped_release release;
      const std::lock_guard one_at_a_time(mutex_);
      splats_->backward(shown.data(), alpha.data(), of_images.data(), of_alphas.data(), g);
    }
    py::dict out;
    out["viewmats"] = viewmats;
    if (b.background != nullptr) {
      py::array_t<float> under(static_cast<py::ssize_t>(background.size()));
      std::copy(background.begin(), background.end(), under.mutable_data());
      out["background"] = under;
    }
    return out;
  }

 private:
  py::ssize_t width() const { return batch_->cameras.empty() ? kAny : batch_->cameras[0].width; }
  py::ssize_t height() const { return batch_->cameras.empty() ? kAny : batch_->cameras[0].height; }
  DeviceFloats owned(DeviceFloats array, const char* name) const {
    array.require_device(device_, name);
    return array;
  }

  std::unique_ptr<DeviceBatch> batch_;
  std::unique_ptr<cuda::Splats> splats_;
  std::mutex mutex_;
  int device_;
};

std::unique_ptr<CudaSplats> splat_py(
    const py::object& means, const py::object& quats, const py::object& scales,
    const py::object& covars, const py::object& opacities, const py::object& colors,
    const py::object& sh_degree, const py::object& viewmats, const py::object& Ks, int width,
    int height, const py::object& background, const std::string& quality, const py::object& images,
    const py::object& alphas, int device, std::uintptr_t stream) {
  auto batch = std::make_unique<DeviceBatch>(means, quats, scales, covars, opacities, colors,
                                             sh_degree, viewmats, Ks, width, height, background,
                                             quality, 1);
  const std::pair<const char*, const Shared<DeviceFloats>*> inputs[] = {
      {"means", &batch->means},   {"quats", &batch->quats},         {"scales", &batch->scales},
      {"covars", &batch->covars}, {"opacities", &batch->opacities}, {"colors", &batch->colors}};
  for (const auto& [name, input] : inputs) input->array.require_device(device, name);
  const SplatBatch& b = batch->view;
  const auto shown =
      floats_of<DeviceFloats>(images, "images", {b.views, height, width, b.channels});
  const auto alpha = floats_of<DeviceFloats>(alphas, "alphas", {b.views, height, width});
  shown.require_device(device, "images");
  alpha.require_device(device, "alphas");
  shown.require_writable("images");
  alpha.require_writable("alphas");
  return std::make_unique<CudaSplats>(std::move(batch), device, stream, shown, alpha);
}

}  // namespace

void register_cuda_splat(py::module_& module) {
  py::class_<CudaSplats> type(module, "CudaSplats");
  type.def_property_readonly("skipped", &CudaSplats::skipped);
  type.def("backward", &CudaSplats::backward, py::arg("images"), py::arg("alphas"),
           py::arg("image_gradients"), py::arg("alpha_gradients"), py::arg("gradients"));
  module.def("cuda_splat", &splat_py, py::arg("means"), py::arg("quats"), py::arg("scales"),
             py::arg("covars"), py::arg("opacities"), py::arg("colors"), py::arg("sh_degree"),
             py::arg("viewmats"), py::arg("Ks"), py::arg("width"), py::arg("height"),
             py::arg("background"), py::arg("quality"), py::arg("images"), py::arg("alphas"),
             py::arg("device"), py::arg("stream"));
}

}  // namespace avatar_rt::bind
