#include "core/canvas.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <new>

#include "math/constants.h"

namespace avatar_rt {
namespace {

constexpr std::int64_t kSegmentSize = 4096;      // Gaussians, at least
constexpr std::int64_t kMostSegments = 16;
constexpr std::int64_t kMostChains = 1 << 16;    // segments × tiles
constexpr std::int64_t kBudget = 1 << 24;        // entries of all segments: 128 MiB

constexpr float kAllAround = -2;  // below every cosine
constexpr Thresholds kThresholds[1 + kHastes] = {
    {kAlphaMin, kTransmittanceMin, kAllAround},
    {1.5f / 255.0f, 3e-2f, kAllAround},
    {2.5f / 255.0f, 5e-2f, kAllAround},
    {2.5f / 255.0f, 5e-2f, -0.6f},
    {4.0f / 255.0f, 1e-1f, -0.4f},
};
constexpr float kFastAlphaMax = 0.97f;            // 3 % more is still less than 1

// Floats are for those who compute with them; what is to be seen needs no more than 8 bits do. Other
// numbers of channels are not hurried.
Curve curve_of(const BlendArgs& args) {
  if (args.channels != 3) return Curve::cubic;
  if (args.fast) return Curve::rough;
  return args.target == Target::floats ? Curve::cubic : Curve::parabola;
}

std::array<Region, 2> halves(const Region& region) {
  Region a = region, b = region;
  if (region.columns > region.rows) {
    a.columns = region.columns / 2;
    b.columns -= a.columns;
    b.tile_x += a.columns;
  } else {
    a.rows = region.rows / 2;
    b.rows -= a.rows;
    b.tile_y += a.rows;
  }
  return {a, b};
}

}  // namespace

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Rigid view_of(const CameraView& camera) {
  Rigid view;
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) {
      view.rotation[3 * r + c] = static_cast<float>(camera.viewmat[4 * r + c]);
    }
    view.translation[r] = static_cast<float>(camera.viewmat[4 * r + 3]);
  }
  return view;
}

Lens lens_of(const CameraView& c) {
  const double margin_x = kFrustumMargin * 0.5 * c.width / c.fx;
  const double margin_y = kFrustumMargin * 0.5 * c.height / c.fy;
  const auto f = [](double v) { return static_cast<float>(v); };
  return {f(c.fx),
          f(c.fy),
          f(c.cx),
          f(c.cy),
          f(-c.cx / c.fx - margin_x),
          f((c.width - c.cx) / c.fx + margin_x),
          f(-c.cy / c.fy - margin_y),
          f((c.height - c.cy) / c.fy + margin_y)};
}

Thresholds thresholds_of(Quality quality) {
  return kThresholds[static_cast<int>(quality)];
}

Target target_of(PixelFormat format) {
  switch (format) {
    case PixelFormat::rgb8:
      return Target::rgb8;
    case PixelFormat::rgba8:
      return Target::rgba8;
    case PixelFormat::i420:
      return Target::i420;
    case PixelFormat::nv12:
      return Target::nv12;
    case PixelFormat::float32:
      break;
  }
  return Target::rgba_float;
}

bool Canvas::grow(Segment& segment) {
  Arena& arena = *static_cast<Arena*>(segment.owner);
  if (segment.used + kPage > arena.most_slots) return false;
  const std::size_t size = std::min<std::size_t>(std::size_t{2} * segment.capacity,
                                                 arena.most_slots);
  arena.entries.reserve(size, segment.used);
  segment.entries = arena.entries.data();
  segment.capacity = static_cast<std::uint32_t>(arena.entries.size());
  return true;
}

void Canvas::reserve(Scratch& scratch, std::size_t entries) {
  Workplace& place = *static_cast<Workplace*>(scratch.owner);
  const std::size_t size = std::max(entries, 2 * scratch.capacity);
  // each pointer as soon as the memory behind it is another: the next reserve may throw
  place.splats.reserve(size, scratch.capacity);
  scratch.splats = place.splats.data();
  place.keys.reserve(size, scratch.capacity);
  scratch.keys = place.keys.data();
  place.sorted.reserve(size);
  scratch.sorted = place.sorted.data();
  scratch.capacity = size;
}

void Canvas::prepare_scratch(int threads, int channels) {
  while (scratch_.size() < static_cast<std::size_t>(threads)) scratch_.emplace_back();
  for (Workplace& place : scratch_) {
    place.tile.reserve(backend().stages->tile_bytes(channels));
    place.view.tile = place.tile.data();
    place.view.reserve = &Canvas::reserve;
    place.view.owner = &place;
    if (place.view.capacity == 0) reserve(place.view, 1024);
  }
}

void Canvas::prepare_segments(std::int64_t count, const Region& region) {
  // one chain a tile, and a margin that the stages may touch (but never fill) past the last row
  const std::int64_t chains = std::int64_t{region.columns} * region.rows + region.columns + 2;
  const std::int64_t wanted = std::min({kMostSegments, count / kSegmentSize, kMostChains / chains});
  const std::int64_t segments = std::max<std::int64_t>(1, wanted);
  const std::int64_t packs = (count + kPack - 1) / kPack;
  while (arenas_.size() < static_cast<std::size_t>(segments)) arenas_.emplace_back();
  segments_.resize(static_cast<std::size_t>(segments));
  for (std::int64_t k = 0; k < segments; ++k) {
    Arena& arena = arenas_[static_cast<std::size_t>(k)];
    Segment& segment = segments_[static_cast<std::size_t>(k)];
    segment = {};
    segment.first = packs * k / segments * kPack;
    segment.last = std::min(count, packs * (k + 1) / segments * kPack);
    segment.used = static_cast<std::uint32_t>(chains) * kPage;
    const std::int64_t own = segment.last - segment.first;
    // enough for every Gaussian in one tile, whatever the budget
    const std::int64_t least = std::int64_t{segment.used} + 2 * own + 2 * kPage;
    arena.most_slots = static_cast<std::uint32_t>(std::max(least, kBudget / segments));
    arena.entries.reserve(static_cast<std::size_t>(least));
    arena.cursors.reserve(static_cast<std::size_t>(chains));
    for (std::int64_t c = 0; c < chains; ++c) {
      arena.cursors[static_cast<std::size_t>(c)] = static_cast<std::uint32_t>(c) * kPage;
    }
    segment.entries = arena.entries.data();
    segment.capacity = static_cast<std::uint32_t>(
        std::min<std::size_t>(arena.entries.size(), arena.most_slots));
    segment.cursors = arena.cursors.data();
    segment.grow = &Canvas::grow;
    segment.owner = &arena;
    std::fill_n(segment.nearest, kPack, std::numeric_limits<float>::infinity());
    std::fill_n(segment.farthest, kPack, 0.0f);
  }
}

void Canvas::blend_tiles(const BlendArgs& args, int threads) {
  struct Loop {
    const BlendArgs* args;
    Canvas* canvas;
  } loop{&args, this};
  backend().parallel(
      threads, args.region.columns * args.region.rows,
      [](void* c, int tile, int worker) {
        const auto& own = *static_cast<Loop*>(c);
        backend().stages->blend(*own.args, tile, own.canvas->scratch(worker));
      },
      &loop);
}

// Projects all Gaussians into tiles; false where there are too many entries.
bool Canvas::fill(const ProjectArgs& args, const Project& project, int threads, BlendArgs& blend) {
  struct Context {
    Canvas* canvas;
    const Project* project;
    const ProjectArgs* args;
  } context{this, &project, &args};
  backend().parallel(
      threads, static_cast<int>(segments_.size()),
      [](void* c, int item, int) {
        const auto& own = *static_cast<Context*>(c);
        (*own.project)(*own.args, own.canvas->segments_[static_cast<std::size_t>(item)]);
      },
      &context);
  float nearest = std::numeric_limits<float>::infinity(), farthest = 0;
  for (const Segment& segment : segments_) {
    if (segment.full) return false;
    nearest = std::min(nearest, *std::min_element(segment.nearest, segment.nearest + kPack));
    farthest = std::max(farthest, *std::max_element(segment.farthest, segment.farthest + kPack));
  }
  blend.segments = segments_.data();
  blend.segment_count = static_cast<int>(segments_.size());
  blend.nearest = std::bit_cast<std::uint32_t>(nearest);
  const int bits = nearest < farthest
                       ? std::bit_width(std::bit_cast<std::uint32_t>(farthest) - blend.nearest)
                       : 0;
  blend.depth_shift = std::max(bits - 16, 0);
  return true;
}

std::int64_t Canvas::draw(std::int64_t count, const CameraView& camera, Quality quality,
                          int threads, const Project& project, BlendArgs blend,
                          const Draw& draw, StageTimes* times) {
  const auto tiles_of = [](int pixels) { return (pixels + kTile - 1) / kTile; };
  const Thresholds thresholds = thresholds_of(quality);
  splats_.reserve(static_cast<std::size_t>((count + kPack - 1) / kPack * kPack));
  prepare_scratch(threads, blend.channels);

  ProjectArgs args{};
  args.view = view_of(camera);
  args.lens = lens_of(camera);
  args.width = blend.width = camera.width;
  args.height = blend.height = camera.height;
  blend.fast = quality != Quality::exact;
  args.facing_min = thresholds.facing_min;
  blend.curve = curve_of(blend);
  args.log2_alpha_max = blend.curve == Curve::rough ? std::log2(kFastAlphaMax) : 0;
  args.log2_alpha_offset = offset_of(blend.curve);
  args.log2_alpha_min = std::log2(thresholds.alpha_min);
  blend.log2_alpha_min = args.log2_alpha_min + args.log2_alpha_offset;
  args.splats = splats_.data();
  blend.splats = splats_.data();
  blend.transmittance_min = thresholds.transmittance_min;

  std::int64_t skipped = 0;
  std::vector<Region> todo = {{0, 0, tiles_of(camera.width), tiles_of(camera.height)}};
  while (!todo.empty()) {
    const Region region = todo.back();
    todo.pop_back();
    args.region = blend.region = region;
    const double start = now();
    prepare_segments(count, region);
    const bool filled = fill(args, project, threads, blend);
    const double projected = now();
    if (times != nullptr) times->project += projected - start;
    if (!filled) {
      if (region.columns == 1 && region.rows == 1) throw std::bad_alloc();
      for (const Region& half : halves(region)) todo.push_back(half);
      continue;
    }
    skipped = 0;
    for (const Segment& segment : segments_) skipped += segment.skipped;
    draw(blend);
    if (times != nullptr) times->blend += now() - projected;
  }
  return skipped;
}

}  // namespace avatar_rt
