// The memory and the order of a splatted picture: segments, tiles, and regions where it must be
// drawn in parts.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "core/backend.h"
#include "core/buffer.h"
#include "core/views.h"

namespace avatar_rt {

Rigid view_of(const CameraView& camera);
Lens lens_of(const CameraView& camera);

struct Thresholds {
  float alpha_min, transmittance_min;
  float facing_min;  // cosine between a triangle's normal and the way to the camera: its Gaussians
                     // are left out below
};
Thresholds thresholds_of(Quality quality);

// What the last stage writes for a format of an avatar's pictures.
Target target_of(PixelFormat format);

class Canvas {
 public:
  // Fills a segment's tiles from its Gaussians.
  using Project = std::function<void(const ProjectArgs&, Segment&)>;
  // Does what is to be done with the tiles of a region, now that they are filled.
  using Draw = std::function<void(const BlendArgs&)>;

  // Projects `count` Gaussians and draws all regions; `blend` brings what the blend stages need
  // besides segments and camera. Returns how many Gaussians were skipped. times may be null.
  std::int64_t draw(std::int64_t count, const CameraView& camera, Quality quality, int threads,
                    const Project& project, BlendArgs blend, const Draw& draw, StageTimes* times);

  // Runs the blend stage on every tile of args.region.
  void blend_tiles(const BlendArgs& args, int threads);

  // One worker's memory for the blend stages.
  Scratch& scratch(int worker) { return scratch_[static_cast<std::size_t>(worker)].view; }

 private:
  struct Arena {
    Buffer<Entry> entries;
    Buffer<std::uint32_t> cursors;
    std::uint32_t most_slots = 0;
  };
  struct Workplace {
    Scratch view{};
    Buffer<std::uint32_t> splats;
    Buffer<std::uint64_t> keys, sorted;
    Buffer<char> tile;
  };
  static bool grow(Segment& segment);
  static void reserve(Scratch& scratch, std::size_t entries);
  void prepare_segments(std::int64_t count, const Region& region);
  bool fill(const ProjectArgs& args, const Project& project, int threads, BlendArgs& blend);
  void prepare_scratch(int threads, int channels);

  std::deque<Arena> arenas_;
  std::deque<Workplace> scratch_;
  std::vector<Segment> segments_;
  Buffer<Splat> splats_;
};

double now();  // seconds, steady

}  // namespace avatar_rt
