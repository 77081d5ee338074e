// The stages of a frame as a table of functions, and the plain structs that they read and write.
// core calls the stages in order; a backend (csrc/cpu, one table per instruction set) fills them in.
//
// Splats are binned into square tiles of kTile pixels. Each tile has, per segment of Gaussians, a
// chain of pages of entries, one for each splat whose ellipse's box touches the tile. Segments do not
// depend on the number of threads, so neither does the picture.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/views.h"
#include "math/camera.h"
#include "math/curves.h"

namespace avatar_rt {

inline constexpr int kTile = 32;              // pixels
inline constexpr int kBlock = 4;              // pixels; a tile has 8 × 8 blocks
inline constexpr int kTileBlocks = 64;
inline constexpr int kBlockPixels = 16;
inline constexpr std::uint32_t kPage = 32;    // slots; the last one links to the next page
inline constexpr int kPack = 16;              // Gaussians, vertices and triangles are packed by 16

struct Splat {                  // a Gaussian on the screen; project.h explains the numbers
  float x, y, l11, l21, l22;    // l: times kExponentRoot
  float level;                  // curves.h's power of the opacity
  float depth;
  float reach;                  // u² + v² where alpha has fallen to the minimum, l without the factor
};

struct Entry {
  std::uint32_t splat;          // which one; in a page's last slot: the next page's first slot
  std::uint32_t depth;          // the float's bits: ordered like the depth itself
};

struct Region {                 // the tiles that are drawn now
  int tile_x, tile_y, columns, rows;
};

struct alignas(128) Segment {     // aligned, because each is written by a thread of its own
  std::int64_t first, last;     // its Gaussians
  Entry* entries;
  std::uint32_t capacity, used;
  std::uint32_t* cursors;       // per tile: the next free slot of its chain
  bool (*grow)(Segment&);       // more entries; false where memory's budget is spent
  void* owner;
  bool full;
  float nearest[kPack], farthest[kPack];  // depths that were entered; the extremes of each are all
  std::int64_t skipped;         // Gaussians with a number that is not finite
};

struct SkinArgs {               // vertices, packed by 16: x[16] y[16] z[16]
  const float* rest;
  const std::uint32_t* delta_begin;      // per pack: its first delta
  const std::uint32_t* delta_source;     // per delta: whose coefficient
  const float* delta_scale;              // metres per unit of the integers
  const std::int16_t* deltas;            // 48 per delta
  const float* coefficients;
  const std::uint32_t* influence_begin;  // per pack: its first joint
  const std::uint32_t* influence_joint;
  const float* influence_weight;         // 16 per influence
  const float* matrices;                 // 12 per joint, row-major 3×4
  float *x, *y, *z;                      // out
};

struct FrameArgs {                       // triangles, packed by 16
  const std::int32_t* corners[3];
  const float *x, *y, *z;                // vertices, world
  Rigid view;
  bool similarity;
  float* out;                            // kFrameFields arrays of `stride` floats, camera space
  std::size_t stride;
};
// axis 0 xyz, axis 1 xyz, axis 2 xyz, origin xyz, then, for similarity, along1 along2 across2
inline constexpr int kFrameFields = 15;

// Gaussians in triangles, packed by 16: triangle, offset xyz, barycentric 1 and 2, the lower
// Cholesky factor of the local covariance (00 10 11 20 21 22), log2 of the opacity.
inline constexpr int kRigFields = 13;

struct RigArgs {
  std::int64_t count;
  const float* packs;                    // kRigFields × 16 floats a pack
  const float* frames;
  std::size_t frame_stride;
  bool similarity;
  const float* sh;                       // null, or sh_count × 3 × 16 floats a pack
  int sh_count;
  float* shaded;                         // (N, 4): where sh is given, the colours that it yields
};

struct ProjectArgs {
  Rigid view;
  Lens lens;
  int width, height;
  Region region;
  float log2_alpha_min, log2_alpha_max;  // opacities above the maximum are drawn as if they had it
  float log2_alpha_offset;               // added to all in the splats: the curve's
  float facing_min;                      // of Thresholds; for rigs
  Splat* splats;                         // out, indexed like the Gaussians
};

enum class Target { floats, rgb8, rgba8, i420, nv12, rgba_float };

struct BlendArgs {
  const Segment* segments;
  int segment_count;
  Region region;
  int width, height;
  const Splat* splats;
  const float* colors;
  int color_stride, channels;
  std::uint32_t nearest;                 // of all depths, as bits
  int depth_shift;                       // 16 bits from here on tell the depths apart
  float log2_alpha_min;                  // with the splats' offset
  float transmittance_min;
  bool fast;                             // relaxes the rules (docs/renderer.md)
  Curve curve;
  const float* background;               // channels; may be null
  Target target;
  void* image;
  float* alpha;                          // for Target::floats
};

struct AdjointArgs {
  BlendArgs blend;                       // of the cubic curve; colors and background unused
  const float* image_gradient;           // (H, W, C)
  float* const* partial;                 // per segment: channels + 1 floats a slot
};

struct Scratch {                         // one worker's memory
  std::uint32_t* splats;
  std::uint64_t *keys, *sorted;
  std::size_t capacity;
  void* tile;                            // tile_bytes, 64-byte aligned
  void (*reserve)(Scratch&, std::size_t entries);  // keeps splats and keys
  void* owner;
};

struct PlaceArgs;                        // core/animation_args.h
struct PlaceAdjointArgs;
struct FrameAdjointArgs;
struct SkinAdjointArgs;
struct SplatAdjointArgs;                 // core/splat_args.h
struct ShadeArgs;
struct ProjectAdjointArgs;

struct Stages {
  const char* isa;
  std::size_t (*tile_bytes)(int channels);
  void (*skin)(const SkinArgs&, int first_pack, int last_pack);
  void (*frames)(const FrameArgs&, int first_pack, int last_pack);
  void (*project_rig)(const ProjectArgs&, const RigArgs&, Segment&);
  void (*project_array)(const ProjectArgs&, const GaussianView&, Segment&);
  void (*blend)(const BlendArgs&, int tile, Scratch&);
  void (*blend_adjoint)(const AdjointArgs&, int tile, Scratch&);
  void (*place)(const PlaceArgs&, std::int64_t first, std::int64_t last);
  void (*place_adjoint)(const PlaceAdjointArgs&, std::int64_t first, std::int64_t last);
  void (*frames_adjoint)(const FrameAdjointArgs&, int first_pack, int last_pack);
  // adds to coefficients and to matrices, 12 a joint
  void (*skin_adjoint)(const SkinAdjointArgs&, int first_pack, int last_pack, float* coefficients,
                       float* matrices);
  void (*splat_adjoint)(const SplatAdjointArgs&, int tile, Scratch&, float* state);
  void (*shade)(const ShadeArgs&, std::int64_t first, std::int64_t last);
  void (*project_adjoint)(const ProjectAdjointArgs&, std::int64_t first, std::int64_t last);
};

// Runs work(context, item, worker) for every item on up to `threads` threads, the caller's among
// them; workers are numbered below `threads`. The first exception is rethrown to the caller.
using Parallel = void (*)(int threads, int items, void (*work)(void*, int item, int worker),
                          void* context);

struct Backend {
  const Stages* stages;
  Parallel parallel;
};

void set_backend(const Backend& backend);
const Backend& backend();

}  // namespace avatar_rt
