// Views of plain arrays on a device: splat() and the way back.
#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/canvas.h"
#include "cuda/kernels.h"
#include "cuda/register.h"
#include "cuda/workspaces.h"

namespace avatar_rt::cuda {
namespace {

class DeviceSplats final : public Splats {
 public:
  DeviceSplats(const SplatBatch& batch, int device, cudaStream_t stream)
      : batch_(batch),
        cameras_(batch.cameras, batch.cameras + batch.views),
        device_(device),
        stream_(stream) {
    batch_.cameras = cameras_.data();
    if (batch.background != nullptr) {
      background_.assign(batch.background, batch.background + batch.channels);
      batch_.background = background_.data();
    }
  }
  ~DeviceSplats() override {
    if (workspace_ == nullptr) return;
    // after an exception the device may be at work still
    int before = 0;
    cudaGetDevice(&before);
    const bool idle = cudaSetDevice(device_) == cudaSuccess &&
                      cudaStreamSynchronize(stream_) == cudaSuccess;
    cudaSetDevice(before);
    if (idle) Workspaces::all().give_back(std::move(workspace_));
  }

  void draw(float* images, float* alphas);
  const std::vector<std::int64_t>& skipped() const override { return skipped_; }
  void backward(const float* images, const float* alphas, const float* image_gradients,
                const float* alpha_gradients, const SplatGradients& out) override;

 private:
  std::size_t pixels() const {
    return static_cast<std::size_t>(cameras_[0].width) *
           static_cast<std::size_t>(cameras_[0].height);
  }
  std::size_t count() const { return static_cast<std::size_t>(batch_.count); }
  std::size_t channels() const { return static_cast<std::size_t>(batch_.channels); }
  ShadeArgs shade_of(int view) const;
  GaussianView gaussians_of(int view) const;
  void plan_for(const Shape& shape, std::uint32_t capacity);
  void fill(int view, float* image, float* alpha);
  void read_totals(std::size_t each, const SplatGradients& out);

  SplatBatch batch_;
  std::vector<CameraView> cameras_;
  std::vector<float> background_;
  int device_;
  cudaStream_t stream_;
  std::unique_ptr<Workspace> workspace_;
  std::vector<std::int64_t> skipped_;
};

// Its count is 0 where colours are plain.
ShadeArgs DeviceSplats::shade_of(int view) const {
  if (batch_.sh_count == 0) return {};
  const Eye eye = eye_of(cameras_[static_cast<std::size_t>(view)]);
  const auto f = [](double v) { return static_cast<float>(v); };
  return {batch_.means.of(view),
          batch_.colors.of(view),
          static_cast<std::size_t>(batch_.sh_stored) * 3,
          batch_.sh_count,
          {f(eye.place[0]), f(eye.place[1]), f(eye.place[2])},
          workspace_->shaded.data() + static_cast<std::size_t>(view) * count() * 3};
}

GaussianView DeviceSplats::gaussians_of(int view) const {
  return {batch_.count,
          batch_.means.of(view),
          batch_.quats.of(view),
          batch_.scales.of(view),
          batch_.covars.of(view),
          batch_.opacities.of(view),
          batch_.sh_count != 0 ? shade_of(view).colors : batch_.colors.of(view),
          batch_.channels};
}

void DeviceSplats::fill(int view, float* image, float* alpha) {
  ViewJob& job = workspace_->plan->views()[view];
  describe(job, cameras_[static_cast<std::size_t>(view)], batch_.quality);
  job.count = batch_.count;
  job.opaque = !background_.empty();
  std::copy(background_.begin(), background_.end(), job.background);
  job.target = Target::floats;
  job.image = image + static_cast<std::size_t>(view) * pixels() * channels();
  job.alpha = alpha + static_cast<std::size_t>(view) * pixels();
  job.arrays = gaussians_of(view);
}

// Where memory ends, idle workspaces make room.
void DeviceSplats::plan_for(const Shape& shape, std::uint32_t capacity) {
  workspace_->plan.reset();  // so that its memory is there to be had
  try {
    workspace_->plan = make_plan(shape, capacity, workspace_->recorder.get());
  } catch (const DeviceMemoryError&) {
    Workspaces::all().clear();
    workspace_->plan = make_plan(shape, capacity, workspace_->recorder.get());
  }
}

void DeviceSplats::draw(float* images, float* alphas) {
  const OnDevice on(device_);
  Shape shape;
  shape.channels = batch_.channels;
  shape.views.assign(cameras_.size(), {batch_.count, tiles_across(cameras_[0].width),
                                       tiles_across(cameras_[0].height)});
  const std::uint64_t splats = static_cast<std::uint64_t>(batch_.count) * cameras_.size();
  if (splats > kMostEntries) throw std::invalid_argument("means: too many Gaussians and views");
  workspace_ = Workspaces::all().take(device_, shape);
  if (workspace_->plan == nullptr) plan_for(shape, roomy(4 * splats));
  if (batch_.sh_count != 0) workspace_->shaded.reserve(3 * splats + 1);
  for (int view = 0; view < batch_.views && batch_.sh_count != 0; ++view) {
    shade(stream_, shade_of(view), batch_.count);
  }
  for (;;) {
    for (int view = 0; view < batch_.views; ++view) fill(view, images, alphas);
    Plan& plan = *workspace_->plan;
    plan.launch(stream_);
    check(cudaStreamSynchronize(stream_), "splatting");
    const std::uint64_t entries = plan.entries();
    if (entries <= plan.capacity()) break;
    if (entries > kMostEntries) {
      throw DeviceMemoryError("CUDA: Gaussians touch " + std::to_string(entries) +
                              " tiles, more than there is room for; draw fewer views at once, "
                              "smaller ones, or by the processor");
    }
    plan_for(shape, roomy(entries));
  }
  for (int view = 0; view < batch_.views; ++view) {
    skipped_.push_back(workspace_->plan->skipped(view));
  }
}

void DeviceSplats::read_totals(std::size_t each, const SplatGradients& out) {
  const std::size_t size = each * cameras_.size();
  workspace_->totals_read.reserve(size);
  const double* read = workspace_->totals_read.data();
  check(cudaMemcpyAsync(workspace_->totals_read.data(), workspace_->totals.data(),
                        size * sizeof(double), cudaMemcpyDeviceToHost, stream_),
        "copying gradients from the device");
  check(cudaStreamSynchronize(stream_), "taking gradients");
  for (std::size_t view = 0; view < cameras_.size(); ++view, read += each) {
    for (std::size_t c = 0; c <= channels(); ++c) require_finite_total(read[c]);
    for (std::size_t c = 0; out.background != nullptr && c < channels(); ++c) {
      out.background[c] += read[c];
    }
    add_camera(cameras_[view], read + channels() + 1, batch_.sh_count > 0,
               out.viewmats + 16 * view);
  }
}

void DeviceSplats::backward(const float* images, const float* alphas,
                            const float* image_gradients, const float* alpha_gradients,
                            const SplatGradients& out) {
  const OnDevice on(device_);
  const std::size_t stride = static_cast<std::size_t>(sum_count(batch_.channels)) * count();
  const std::size_t totals = channels() + 1, each = totals + kCameraSums;
  workspace_->sums.reserve(stride * cameras_.size() + 1);
  workspace_->totals.reserve(each * cameras_.size());
  check(cudaMemsetAsync(workspace_->sums.data(), 0, stride * cameras_.size() * sizeof(float),
                        stream_),
        "clearing sums");
  check(cudaMemsetAsync(workspace_->totals.data(), 0, each * cameras_.size() * sizeof(double),
                        stream_),
        "clearing sums");
  for (int view = 0; view < batch_.views; ++view) {
    const auto v = static_cast<std::size_t>(view), at = v * pixels();
    workspace_->plan->views()[view].adjoint = {
        images + at * channels(),
        alphas + at,
        image_gradients + at * channels(),
        alpha_gradients == nullptr ? nullptr : alpha_gradients + at,
        workspace_->sums.data() + v * stride,
        workspace_->totals.data() + v * each};
  }
  workspace_->plan->launch_adjoint(stream_);
  for (int view = 0; view < batch_.views; ++view) {
    const auto v = static_cast<std::size_t>(view);
    ProjectAdjointArgs args{};
    args.gaussians = gaussians_of(view);
    args.view = view_of(cameras_[v]);
    args.lens = lens_of(cameras_[v]);
    args.alpha_min = thresholds_of(batch_.quality).alpha_min;
    args.sums = workspace_->sums.data() + v * stride;
    args.means = out.means.of(view);
    args.quats = out.quats.of(view);
    args.scales = out.scales.of(view);
    args.covars = out.covars.of(view);
    args.opacities = out.opacities.of(view);
    args.colors = out.colors.of(view);
    args.means2d = out.means2d + 2 * v * count();
    args.radii = out.radii + v * count();
    args.camera = workspace_->totals.data() + v * each + totals;
    project_adjoint(stream_, args, shade_of(view));
  }
  read_totals(each, out);
}

}  // namespace

std::unique_ptr<Splats> splat(const SplatBatch& batch, int device, void* stream, float* images,
                              float* alphas) {
  auto out = std::make_unique<DeviceSplats>(batch, device, static_cast<cudaStream_t>(stream));
  if (batch.views > 0) out->draw(images, alphas);
  return out;
}

}  // namespace avatar_rt::cuda
