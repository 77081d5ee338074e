// Animation with gradients on a device: one launch per stage for all poses. A pose's few numbers are
// turned into matrices by the processor, in double, as everywhere (core/skeleton.h), and their
// gradients come back to it.
#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "core/pack.h"
#include "core/skeleton.h"
#include "cuda/animation.h"
#include "cuda/register.h"
#include "cuda/resident.h"

namespace avatar_rt::cuda {
namespace {

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

void clear(cudaStream_t stream, float* values, std::size_t count) {
  check(cudaMemsetAsync(values, 0, count * sizeof(float), stream), "clearing gradients");
}

class Animation final : public DeviceAnimator {
 public:
  Animation(const HeadView& head, int device);

  void forward(const AnimationView& view, const AnimationOutput& out, void* stream) override;
  void backward(const AnimationView& view, const AnimationGradient& gradient,
                const AnimationInputGradient& out, void* stream) override;

 private:
  std::size_t coefficients() const { return size(expression_count_) + 9 * joints(); }
  std::size_t joints() const { return size(skeleton_.count()); }
  std::size_t stride() const { return coefficients() + 12 * joints(); }
  AnimationJob begin(const AnimationView& view, cudaStream_t stream);
  void send_poses(const AnimationView& view, cudaStream_t stream);
  void send_triangles(const AnimationView& view, cudaStream_t stream);
  void read_sums(const AnimationView& view, const AnimationInputGradient& out,
                 cudaStream_t stream);

  int device_, vertex_count_, expression_count_, packs_ = 0;
  Skeleton skeleton_;
  ResidentHead head_;
  Memory<std::int32_t> faces_;
  // one call's
  std::mutex mutex_;
  std::vector<std::int32_t> sent_;           // what triangles_ holds
  Memory<std::int32_t> triangles_;
  Pinned<float> poses_written_;              // stride() a pose: coefficients, matrices
  Memory<float> poses_, posed_, posed_gradient_;
  Memory<double> sums_;
  Pinned<double> sums_read_;
  Event sent_poses_, done_;
};

Animation::Animation(const HeadView& head, int device)
    : device_(device),
      vertex_count_(head.vertex_count),
      expression_count_(head.expression_count),
      skeleton_(head.joints, head.parents, head.joint_count) {
  const OnDevice on(device);
  const PackedHead packed(head);
  packs_ = packed.packs;
  head_ = ResidentHead(packed);
  faces_ = uploaded(head.faces, 3 * size(head.face_count));
  sent_poses_ = make_event(false);
  done_ = make_event(false);
}

void Animation::send_poses(const AnimationView& view, cudaStream_t stream) {
  const std::size_t E = size(expression_count_), poses = size(view.batch);
  check(cudaEventSynchronize(sent_poses_.get()), "waiting for the poses before");
  poses_written_.reserve(poses * stride() + 1);
  poses_.reserve(poses * stride() + 1);
  for (std::size_t b = 0; b < poses; ++b) {
    float* const own = poses_written_.data() + b * stride();
    std::fill_n(own, stride(), 0.0f);
    skeleton_.pose({view.coefficients + b * E, view.joint_rotations + 3 * joints() * b,
                    view.translation + 3 * b},
                   E, own, own + coefficients());
  }
  check(cudaMemcpyAsync(poses_.data(), poses_written_.data(), poses * stride() * sizeof(float),
                        cudaMemcpyHostToDevice, stream),
        "copying poses to the device");
  check(cudaEventRecord(sent_poses_.get(), stream), "copying poses to the device");
}

// Once, as long as they stay the same.
void Animation::send_triangles(const AnimationView& view, cudaStream_t stream) {
  const std::int32_t* const end = view.triangles + view.count;
  if (std::equal(view.triangles, end, sent_.begin(), sent_.end())) return;
  sent_.clear();  // should what follows fail
  triangles_.reserve(size(view.count));
  check(cudaMemcpyAsync(triangles_.data(), view.triangles, size(view.count) * sizeof(std::int32_t),
                        cudaMemcpyHostToDevice, stream),
        "copying triangles to the device");
  sent_.assign(view.triangles, end);
}

AnimationJob Animation::begin(const AnimationView& view, cudaStream_t stream) {
  // a call by another stream may be at work in the same memory still
  check(cudaStreamWaitEvent(stream, done_.get(), 0), "waiting for another stream");
  send_poses(view, stream);
  send_triangles(view, stream);
  AnimationJob job{};
  job.view = view;
  job.view.triangles = triangles_.data();
  job.view.coefficients = job.view.joint_rotations = job.view.translation = nullptr;
  head_.describe(job.head);
  job.head.coefficients = poses_.data();
  job.head.matrices = poses_.data() + coefficients();
  job.stride = stride();
  job.vertex_count = vertex_count_;
  job.packs = packs_;
  job.faces = faces_.data();
  return job;
}

void Animation::forward(const AnimationView& view, const AnimationOutput& out, void* stream_) {
  const std::lock_guard lock(mutex_);
  const OnDevice on(device_);
  const auto stream = static_cast<cudaStream_t>(stream_);
  const AnimationJob job = begin(view, stream);
  skin_poses(stream, job, out.vertices);
  place_poses(stream, job, out.vertices, out);
  check(cudaEventRecord(done_.get(), stream), "animating");
}

void Animation::backward(const AnimationView& view, const AnimationGradient& gradient,
                         const AnimationInputGradient& out, void* stream_) {
  const std::lock_guard lock(mutex_);
  const OnDevice on(device_);
  const auto stream = static_cast<cudaStream_t>(stream_);
  const std::size_t n = size(view.count), rest = 3 * size(vertex_count_),
                    posed = rest * size(view.batch), sums = stride() * size(view.batch) + 1;
  const bool by_gaussians = gradient.means != nullptr || gradient.covars != nullptr;
  posed_.reserve(posed);
  posed_gradient_.reserve(posed);
  sums_.reserve(sums);
  sums_read_.reserve(sums);
  const AnimationJob job = begin(view, stream);
  clear(stream, out.vertices, rest);
  check(cudaMemsetAsync(sums_.data(), 0, sums * sizeof(double), stream), "clearing sums");
  if (gradient.vertices == nullptr) {
    clear(stream, posed_gradient_.data(), posed);
  } else {
    check(cudaMemcpyAsync(posed_gradient_.data(), gradient.vertices, posed * sizeof(float),
                          cudaMemcpyDeviceToDevice, stream),
          "copying gradients");
  }
  if (by_gaussians) {
    skin_poses(stream, job, posed_.data());
    place_poses_adjoint(stream, job, posed_.data(), gradient, out, posed_gradient_.data());
  } else {
    for (float* const rows : {out.barycentric, out.offsets, out.scales}) clear(stream, rows, 3 * n);
    clear(stream, out.quats, 4 * n);
  }
  skin_poses_adjoint(stream, job, posed_gradient_.data(), out.vertices,
                     {sums_.data(), sums_.data() + coefficients(), sums_.data() + sums - 1});
  check(cudaEventRecord(done_.get(), stream), "taking gradients");
  read_sums(view, out, stream);
}

void Animation::read_sums(const AnimationView& view, const AnimationInputGradient& out,
                          cudaStream_t stream) {
  const std::size_t E = size(expression_count_), J = joints(), poses = size(view.batch);
  check(cudaMemcpyAsync(sums_read_.data(), sums_.data(),
                        (stride() * poses + 1) * sizeof(double), cudaMemcpyDeviceToHost, stream),
        "copying gradients from the device");
  check(cudaStreamSynchronize(stream), "taking gradients");
  if (sums_read_[stride() * poses] != 0) {
    throw std::invalid_argument("vertices: holds a value that is not finite");
  }
  for (std::size_t b = 0; b < poses; ++b) {
    const double* const own = sums_read_.data() + b * stride();
    std::transform(own, own + E, out.coefficients + E * b,
                   [](double sum) { return static_cast<float>(sum); });
    skeleton_.adjoint(view.joint_rotations + 3 * J * b, own + coefficients(), own + E,
                      out.joint_rotations + 3 * J * b, out.translation + 3 * b);
  }
}

}  // namespace

std::unique_ptr<DeviceAnimator> make_animator(const HeadView& head, int device) {
  return std::make_unique<Animation>(head, device);
}

}  // namespace avatar_rt::cuda
