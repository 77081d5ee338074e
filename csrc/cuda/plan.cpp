#include "cuda/plan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/canvas.h"

namespace avatar_rt::cuda {
namespace {

std::size_t aligned(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

// A block for each `step` of each job's items.
std::vector<Work> work_of(const std::vector<std::size_t>& items, std::size_t step) {
  std::vector<Work> out;
  for (std::size_t job = 0; job < items.size(); ++job) {
    for (std::size_t first = 0; first < items[job]; first += step) {
      out.push_back({static_cast<std::uint32_t>(job), static_cast<std::uint32_t>(first)});
    }
  }
  return out;
}

template <class Items, class Of>
std::vector<std::size_t> counts(const Items& items, const Of& of) {
  std::vector<std::size_t> out;
  for (const auto& item : items) out.push_back(static_cast<std::size_t>(of(item)));
  return out;
}

std::size_t tiles_of(const Shape::View& v) {
  return static_cast<std::size_t>(v.columns) * static_cast<std::size_t>(v.rows);
}

template <class Key>
class KeyedPlan final : public Plan {
 public:
  KeyedPlan(const Shape& shape, std::uint32_t capacity, cudaStream_t stream)
      : Plan(shape, capacity) {
    for (auto* keys : {&keys_, &sorted_keys_}) keys->reserve(capacity);
    for (auto* values : {&values_, &sorted_values_}) values->reserve(capacity);
    const int bits = kDepthBits + tile_bits(tiles());
    temporary_.reserve(sort_bytes<Key>(capacity, bits));
    graph_ = recorded(stream, [&] { record(stream, bits); });
  }

  void launch(cudaStream_t stream) override {
    check(cudaGraphLaunch(graph_.get(), stream), "drawing");
  }

  void launch_adjoint(cudaStream_t stream) override {
    upload(stream);
    blend_adjoint(stream, batch(), tile_work_, sorted(), shape().channels);
  }

 private:
  void record(cudaStream_t stream, int bits) {
    const Batch on_device = batch();
    const Entries<Key> entries = {keys_.data(), values_.data(), capacity()};
    upload(stream);
    prepare(stream, on_device, vertex_work_, counted_.data(), zeros_, entries);
    (shape().channels != 0 ? project_array : project_rig)(stream, on_device, gaussian_work_);
    enter(stream, on_device, gaussian_work_, entries);
    sort(stream, temporary_.data(), temporary_.size(), entries, sorted(), bits);
    if (shape().channels != 0) {
      blend_floats(stream, on_device, tile_work_, sorted(), shape().channels);
    } else {
      blend(stream, on_device, tile_work_, sorted());
    }
    download(stream);
  }

  Entries<Key> sorted() const {
    return {sorted_keys_.data(), sorted_values_.data(), capacity()};
  }

  Memory<Key> keys_, sorted_keys_;
  Memory<std::uint32_t> values_, sorted_values_;
  Memory<std::byte> temporary_;
  Graph graph_;
};

}  // namespace

int tile_bits(std::size_t tiles) { return static_cast<int>(std::bit_width(tiles)); }

std::uint32_t roomy(std::uint64_t entries) {
  constexpr std::uint64_t kStep = 1 << 15;
  const std::uint64_t wanted = entries + entries / 4;
  return static_cast<std::uint32_t>(std::min((wanted / kStep + 1) * kStep, kMostEntries));
}

Plan::Plan(Shape shape, std::uint32_t capacity) : shape_(std::move(shape)), capacity_(capacity) {
  const auto vertices = counts(shape_.vertices, [](int n) { return n; });
  const auto gaussians = counts(shape_.views, [](const Shape::View& v) { return v.gaussians; });
  const auto fill = [](WorkList& list, const std::vector<Work>& work) {
    list.count = work.size();
    list.work = uploaded(work.data(), work.size());
  };
  fill(vertex_work_, work_of(vertices, kSkinThreads));
  fill(gaussian_work_, work_of(gaussians, kThreads));
  fill(tile_work_, work_of(counts(shape_.views, tiles_of), 1));

  const std::size_t faces = vertices.size(), views = gaussians.size();
  const std::size_t views_at = aligned(faces * sizeof(FaceJob));
  const std::size_t floats_at = aligned(views_at + views * sizeof(ViewJob));
  job_bytes_ = floats_at + shape_.floats * sizeof(float);
  staging_.reserve(job_bytes_);
  jobs_.reserve(job_bytes_);
  std::memset(staging_.data(), 0, job_bytes_);
  faces_ = reinterpret_cast<FaceJob*>(staging_.data());
  views_ = reinterpret_cast<ViewJob*>(staging_.data() + views_at);
  floats_ = reinterpret_cast<float*>(staging_.data() + floats_at);
  device_floats_ = reinterpret_cast<const float*>(jobs_.data() + floats_at);

  std::size_t vertex = 0, splat = 0, tile = 0;
  for (const std::size_t n : vertices) {
    first_vertices_.push_back(vertex);
    vertex += n;
  }
  for (std::size_t k = 0; k < views; ++k) {
    views_[k].first_splat = static_cast<std::uint32_t>(splat);
    views_[k].first_tile = static_cast<std::uint32_t>(tile);
    splat += gaussians[k];
    tile += tiles_of(shape_.views[k]);
  }
  posed_.reserve(std::max<std::size_t>(vertex, 1));
  splats_.reserve(std::max<std::size_t>(splat, 1));
  footings_.reserve(std::max<std::size_t>(splat, 1));
  const std::size_t report_bytes = sizeof(Counters) + views * sizeof(ViewState);
  zeros_ = static_cast<std::uint32_t>(report_bytes / sizeof(unsigned long long) +
                                      gaussian_work_.count);
  counted_.reserve(zeros_);
  report_.reserve(report_bytes / sizeof(Counters) + 1);
}

float4* Plan::posed(int face) const {
  return posed_.data() + first_vertices_[static_cast<std::size_t>(face)];
}

std::uint32_t Plan::skipped(int view) const {
  return reinterpret_cast<const ViewState*>(report_.data() + 1)[view].skipped;
}

bool Plan::is_too_roomy() {
  surplus_ = capacity_ / 2 > roomy(entries()) ? surplus_ + 1 : 0;
  return surplus_ >= kPatience;
}

void Plan::upload(cudaStream_t stream) {
  check(cudaMemcpyAsync(jobs_.data(), staging_.data(), job_bytes_, cudaMemcpyHostToDevice, stream),
        "copying jobs to the device");
}

void Plan::download(cudaStream_t stream) {
  check(cudaMemcpyAsync(report_.data(), counted_.data(),
                        sizeof(Counters) + shape_.views.size() * sizeof(ViewState),
                        cudaMemcpyDeviceToHost, stream),
        "copying counts from the device");
}

Batch Plan::batch() const {
  auto* counters = reinterpret_cast<Counters*>(counted_.data());
  auto* states = reinterpret_cast<ViewState*>(counters + 1);
  const auto* jobs = jobs_.data();
  return {reinterpret_cast<const FaceJob*>(jobs),
          reinterpret_cast<const ViewJob*>(jobs + aligned(shape_.vertices.size() *
                                                          sizeof(FaceJob))),
          states,
          counters,
          splats_.data(),
          footings_.data(),
          reinterpret_cast<unsigned long long*>(states + shape_.views.size())};
}

void describe(ViewJob& job, const CameraView& camera, Quality quality) {
  const Thresholds thresholds = thresholds_of(quality);
  job.view = view_of(camera);
  job.lens = lens_of(camera);
  job.width = camera.width;
  job.height = camera.height;
  job.columns = tiles_across(camera.width);
  job.top_row = 0;
  job.bottom_row = tiles_across(camera.height);
  job.log2_alpha_min = std::log2(thresholds.alpha_min);
  job.transmittance_min = thresholds.transmittance_min;
  job.facing_min = thresholds.facing_min;
  job.close = quality != Quality::exact;
}

std::unique_ptr<Plan> make_plan(const Shape& shape, std::uint32_t capacity, cudaStream_t stream) {
  std::size_t tiles = 0;
  for (const Shape::View& v : shape.views) tiles += tiles_of(v);
  if (short_keys(tiles)) return std::make_unique<KeyedPlan<std::uint32_t>>(shape, capacity, stream);
  return std::make_unique<KeyedPlan<std::uint64_t>>(shape, capacity, stream);
}

}  // namespace avatar_rt::cuda
