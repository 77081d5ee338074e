#include "cuda/painter.h"

#include <algorithm>
#include <utility>

#include "core/canvas.h"
#include "cuda/kernels.h"

namespace avatar_rt::cuda {
namespace {

constexpr std::size_t kMostPlans = 4;

void fill(const Resident& avatar, const PoseView& pose, Plan& plan, int face, float* floats) {
  const PackedAvatar& packed = avatar.packed();
  const auto expressions = static_cast<std::size_t>(packed.expression_count);
  const auto joints = static_cast<std::size_t>(packed.skeleton.count());
  float* matrices = floats + expressions + 9 * joints;
  packed.skeleton.pose(pose, expressions, floats, matrices);
  FaceJob& job = plan.faces()[face];
  avatar.describe(job);
  job.head.coefficients = plan.on_device(floats);
  job.head.matrices = plan.on_device(matrices);
  job.posed = plan.posed(face);
}

void fill(const Resident& avatar, const ViewOrder& order, const Plan& plan, ViewJob& job) {
  avatar.describe(job);
  describe(job, order.camera, order.quality);
  job.top_row = order.top_row;
  job.bottom_row = order.bottom_row;
  job.opaque = is_opaque(order.format) && order.background != nullptr;
  if (job.opaque) std::copy_n(order.background, 3, job.background);
  job.target = target_of(order.format);
  job.image = order.image;
  job.posed = plan.posed(order.face);
}

}  // namespace

int all_rows(const CameraView& camera) { return tiles_across(camera.height); }

std::size_t picture_bytes(PixelFormat format, int width, int height) {
  const auto pixels = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  switch (format) {
    case PixelFormat::rgb8:
      return 3 * pixels;
    case PixelFormat::rgba8:
      return 4 * pixels;
    case PixelFormat::i420:
    case PixelFormat::nv12:
      return pixels * 3 / 2;
    case PixelFormat::float32:
      break;
  }
  return 16 * pixels;
}

Painter::Painter(int device) : device_(device) {
  const OnDevice on(device_);
  stream_ = make_stream();
}

void Painter::wait() { check(cudaStreamSynchronize(stream()), "drawing"); }

Plan& Painter::plan_for(const Shape& shape) {
  const auto known = std::find_if(plans_.begin(), plans_.end(),
                                  [&](const auto& plan) { return plan->shape() == shape; });
  if (known != plans_.end()) {
    std::rotate(known, known + 1, plans_.end());
    return *plans_.back();
  }
  if (plans_.size() == kMostPlans) plans_.erase(plans_.begin());
  std::uint64_t gaussians = 0;
  for (const Shape::View& v : shape.views) gaussians += static_cast<std::uint64_t>(v.gaussians);
  add_plan(shape, roomy(3 * gaussians));
  return *plans_.back();
}

Plan& Painter::filled(const std::vector<FaceOrder>& faces, const Views& views) {
  Shape shape;
  for (const FaceOrder& face : faces) {
    shape.vertices.push_back(face.avatar->packed().vertex_count);
    shape.floats += face.avatar->pose_floats();
  }
  for (const ViewOrder& v : views) {
    const FaceOrder& face = faces[static_cast<std::size_t>(v.face)];
    shape.views.push_back({face.avatar->packed().gaussian_count, tiles_across(v.camera.width),
                           v.bottom_row - v.top_row});
  }
  Plan& plan = plan_for(shape);
  float* floats = plan.floats();
  for (std::size_t k = 0; k < faces.size(); ++k) {
    fill(*faces[k].avatar, faces[k].pose, plan, static_cast<int>(k), floats);
    floats += faces[k].avatar->pose_floats();
  }
  for (std::size_t k = 0; k < views.size(); ++k) {
    const FaceOrder& face = faces[static_cast<std::size_t>(views[k].face)];
    fill(*face.avatar, views[k], plan, plan.views()[k]);
  }
  return plan;
}

// The last used plan by one of its shape that has room for so many entries.
void Painter::replace(const Plan& plan, std::uint64_t entries) {
  const Shape shape = plan.shape();
  plans_.pop_back();  // first, so that its memory is there to be had
  add_plan(shape, roomy(entries));
}

// Where memory ends, those of other shapes make room.
void Painter::add_plan(const Shape& shape, std::uint32_t capacity) {
  try {
    plans_.push_back(make_plan(shape, capacity, stream()));
  } catch (const DeviceMemoryError&) {
    if (plans_.empty()) throw;
    plans_.clear();
    plans_.push_back(make_plan(shape, capacity, stream()));
  }
}

// A picture with too many entries for a device's memory, some of its rows at a time.
void Painter::draw_rows(const std::vector<FaceOrder>& faces, ViewOrder& view) {
  const int middle = (view.top_row + view.bottom_row) / 2;
  if (middle == view.top_row) {
    throw DeviceMemoryError("CUDA: one row of tiles has more Gaussians than there is room for");
  }
  for (const auto& [top, bottom] : {std::pair{view.top_row, middle}, {middle, view.bottom_row}}) {
    Views part = {view};
    part[0].top_row = top;
    part[0].bottom_row = bottom;
    draw(faces, part);
    view.skipped = part[0].skipped;
  }
}

void Painter::draw(const std::vector<FaceOrder>& faces, Views& views) {
  const OnDevice on(device_);
  for (;;) {
    Plan& plan = filled(faces, views);
    plan.launch(stream());
    for (const ViewOrder& v : views) {
      if (v.pixels == nullptr) continue;
      check(cudaMemcpyAsync(v.pixels, v.image,
                            picture_bytes(v.format, v.camera.width, v.camera.height),
                            cudaMemcpyDeviceToHost, stream()),
            "copying a picture from the device");
    }
    wait();
    const std::uint64_t entries = plan.entries();
    if (entries > kMostEntries) {
      if (views.size() > 1) throw DeviceMemoryError("CUDA: too many pictures for one launch");
      draw_rows(faces, views[0]);
      return;
    }
    const bool whole = entries <= plan.capacity();
    if (whole) {
      for (std::size_t k = 0; k < views.size(); ++k) {
        views[k].skipped = plan.skipped(static_cast<int>(k));
      }
    }
    if (!whole || plan.is_too_roomy()) replace(plan, entries);
    if (whole) return;
  }
}

double Painter::seconds(const std::vector<FaceOrder>& faces, Views& views, int frames) {
  const OnDevice on(device_);
  draw(faces, views);  // and so its plan has room
  Plan& plan = filled(faces, views);
  const Event first = make_event(true), last = make_event(true);
  plan.launch(stream());
  check(cudaEventRecord(first.get(), stream()), "timing");
  for (int k = 0; k < frames; ++k) plan.launch(stream());
  check(cudaEventRecord(last.get(), stream()), "timing");
  wait();
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, first.get(), last.get()), "timing");
  return static_cast<double>(milliseconds) / 1e3 / frames;
}

void Painter::vertices(const FaceOrder& face, float* out) {
  const OnDevice on(device_);
  Plan& plan = filled({face}, {});
  plan.launch(stream());
  const auto count = static_cast<std::size_t>(face.avatar->packed().vertex_count);
  std::vector<float4> posed(count);
  check(cudaMemcpyAsync(posed.data(), plan.posed(0), count * sizeof(float4),
                        cudaMemcpyDeviceToHost, stream()),
        "copying vertices from the device");
  wait();
  for (std::size_t v = 0; v < count; ++v) {
    out[3 * v] = posed[v].x;
    out[3 * v + 1] = posed[v].y;
    out[3 * v + 2] = posed[v].z;
  }
}

void Painter::gaussians(const FaceOrder& face, float* means, float* covars) {
  const OnDevice on(device_);
  Plan& plan = filled({face}, {});
  plan.launch(stream());
  ViewJob world{};
  face.avatar->describe(world);
  world.view = {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 0}};
  world.posed = plan.posed(0);
  const auto count = static_cast<std::size_t>(world.count);
  Memory<float> found;
  found.reserve(9 * count + 1);
  place_gaussians(stream(), world, found.data(), found.data() + 3 * count);
  const auto copy = [&](float* to, const float* from, std::size_t n) {
    check(cudaMemcpyAsync(to, from, n * sizeof(float), cudaMemcpyDeviceToHost, stream()),
          "copying Gaussians from the device");
  };
  copy(means, found.data(), 3 * count);
  copy(covars, found.data() + 3 * count, 6 * count);
  wait();
}

}  // namespace avatar_rt::cuda
