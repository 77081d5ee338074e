// How a batch of a given shape goes through the kernels: memory for all of it, and its launches
// recorded as one graph. A frame is then: fill the jobs, launch(), wait, see what was counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/kernels.h"

namespace avatar_rt::cuda {

// What of a batch decides how it is launched.
struct Shape {
  struct View {
    std::int64_t gaussians;
    int columns, rows;             // tiles that are drawn
    bool operator==(const View&) const = default;
  };
  int channels = 0;                // of plain arrays, blended to floats; 0: avatars
  std::vector<int> vertices;       // of each face
  std::vector<View> views;
  std::size_t floats = 0;          // of all faces' poses
  bool operator==(const Shape&) const = default;
};

// How many bits of a key are the tile's. One tile more than there are has a number: that of entries
// which belong to none.
int tile_bits(std::size_t tiles);
// Whether 32 bits are enough for a batch's keys.
inline bool short_keys(std::size_t tiles) { return tile_bits(tiles) + kDepthBits <= 32; }

// Room for that many entries, and for some more of the next frame's.
std::uint32_t roomy(std::uint64_t entries);
inline constexpr std::uint64_t kMostEntries = std::uint64_t{1} << 27;  // 3 GiB of memory, 5 if long

class Plan {
 public:
  virtual ~Plan() = default;

  // Pinned; to be filled before a frame, with first_tile, first_splat and posed as they are found.
  FaceJob* faces() { return faces_; }
  ViewJob* views() { return views_; }
  float* floats() { return floats_; }
  // Where a float of floats() will be on the device.
  const float* on_device(const float* own) const { return device_floats_ + (own - floats_); }
  float4* posed(int face) const;   // on the device

  virtual void launch(cudaStream_t stream) = 0;
  // Plain arrays: the way back of the frame that was launched last, for jobs with their adjoints.
  virtual void launch_adjoint(cudaStream_t stream) = 0;

  // Of the last frame, once the stream was waited for.
  std::uint64_t entries() const { return report_.data()->entries; }
  std::uint32_t skipped(int view) const;

  // Whether many frames on end, the last among them, needed less than half of the capacity, for which
  // sorting takes its time. To be asked once a frame.
  bool is_too_roomy();

  const Shape& shape() const { return shape_; }
  std::uint32_t capacity() const { return capacity_; }

 protected:
  Plan(Shape shape, std::uint32_t capacity);

  void upload(cudaStream_t stream);
  void download(cudaStream_t stream);
  Batch batch() const;
  std::size_t tiles() const { return tile_work_.count; }

  struct WorkList {
    Memory<Work> work;
    std::size_t count = 0;
    operator Works() const { return {work.data(), count}; }
  };
  WorkList vertex_work_, gaussian_work_, tile_work_;
  Memory<unsigned long long> counted_;  // Counters, a ViewState a view, then Batch::prefixes
  std::uint32_t zeros_;            // of its words are cleared: all

 private:
  Shape shape_;
  std::uint32_t capacity_;
  static constexpr int kPatience = 256;
  int surplus_ = 0;                // frames on end that needed less
  Pinned<std::byte> staging_;
  Memory<std::byte> jobs_;
  std::size_t job_bytes_;
  FaceJob* faces_;
  ViewJob* views_;
  float* floats_;
  const float* device_floats_;
  std::vector<std::size_t> first_vertices_;
  Memory<float4> posed_;
  Memory<ScreenSplat> splats_;
  Memory<Footing> footings_;
  Pinned<Counters> report_;        // what counted_ begins with: Counters, and the views' states
};

// What a view's job says of its camera and of the rules: all of the picture is to be drawn.
void describe(ViewJob& job, const CameraView& camera, Quality quality);

std::unique_ptr<Plan> make_plan(const Shape& shape, std::uint32_t capacity, cudaStream_t stream);

}  // namespace avatar_rt::cuda
