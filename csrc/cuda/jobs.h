// What the kernels read and write. A batch is any number of views, of one avatar or of many, that go
// through each kernel in one launch:
//
//   skin (vertices of faces) → project (Gaussians: splats, and how many tiles each touches)
//   → enter (a key and a value for each tile of each) → sort → blend (tiles)
//
// A block of a kernel finds in its Work which part of which view is its own. All of a frame that
// changes lies in jobs, which are copied to the device at its start; no kernel's arguments do, so
// that the launches can be recorded once.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "core/backend.h"
#include "core/splat_args.h"
#include "core/views.h"
#include "math/camera.h"
#include "math/constants.h"

namespace avatar_rt::cuda {

inline constexpr int kSide = 16;                 // pixels; a tile is kSide × kSide
inline int tiles_across(int pixels) { return (pixels + kSide - 1) / kSide; }
inline constexpr int kThreads = kSide * kSide;   // of every block
inline constexpr int kWarp = 32;
inline constexpr unsigned kAll = 0xffffffffu;    // lanes of a warp
// A warp's pixels within a tile.
inline constexpr int kPatchWidth = 8, kPatchHeight = 4;

struct Work {
  std::uint32_t job, first;        // which face or view, and its first vertex, Gaussian or tile
};

// A Gaussian on the screen (math/project.h).
struct alignas(16) ScreenSplat {
  float x, y, l11, l21, l22;       // l: times kLog2Root
  float level;                     // log2 of the opacity
  __half2 red_green, blue;         // an avatar's colour
};

// Where a Gaussian is drawn. Nothing of it counts where count is 0.
struct alignas(16) Footing {
  std::uint32_t depth;             // the float's bits
  std::uint32_t count;             // tiles that it touches
  std::uint16_t left, top, right, bottom;  // tiles: first, one past the last
};

struct FaceJob {                   // vertices, packed by 16, as SkinArgs has them
  SkinArgs head;                   // x, y and z unused
  int vertex_count;
  float4* posed;                   // out: xyz
};

// What projecting found in a view. All zero before.
struct alignas(16) ViewState {
  std::uint32_t inverted_nearest, farthest;  // depths' bits; the former inverted
  std::uint32_t skipped;
};

// The way back from a picture of plain arrays (core/splat_args.h's SplatAdjointArgs).
struct PictureAdjoint {
  const float *image, *alpha;      // as they were drawn
  const float* image_gradient;
  const float* alpha_gradient;     // or null
  float* sums;                     // added to: sum_count floats a Gaussian
  double* totals;                  // added to: Σ T_end·∂L/∂pixel of each channel, and a sum that is
                                   // NaN where a picture or a gradient is not finite
};

struct ViewJob {
  Rigid view;
  Lens lens;
  int width, height;
  int columns;                     // of tiles
  int top_row, bottom_row;         // the tiles drawn now: rows from the first to one past the last
  std::uint32_t first_tile;        // of the batch's tiles: its own first
  std::uint32_t first_splat;       // of the batch's splats
  std::int64_t count;              // Gaussians
  float log2_alpha_min, transmittance_min, facing_min;
  bool close;                      // quality "fast": what shows through the end is scaled away
  float background[kMaxChannels];
  bool opaque;                     // lay the background under
  Target target;
  void* image;
  float* alpha;                    // of Target::floats
  // an avatar's Gaussians (RigArgs), or
  const float4* posed;
  const std::int32_t* corners[3];
  const float* packs;
  const float* colors;             // (N, 4); null where there are harmonics
  const __half* harmonics;         // sh_count × 3 × 16 a pack
  int sh_count;
  bool similarity;
  // plain arrays
  GaussianView arrays;
  PictureAdjoint adjoint;
};

// Of a whole batch. All zero before a frame.
struct alignas(16) Counters {
  unsigned long long entries;      // that were wanted; more than the capacity are lost
  std::uint32_t tickets;           // blocks of `enter` that have begun
};

// Of a key: enough for all floats between a head's nearest and its farthest, so that Gaussians are
// drawn in the processor's order, in any batch.
inline constexpr int kDepthBits = 24;

// Where keys and values are: a key is a tile in its upper bits, a depth in its lower ones.
template <class Key>
struct Entries {
  Key* keys;
  std::uint32_t* values;           // which splat of the batch
  std::uint32_t capacity;
};

// How a batch's jobs lie on the device.
struct Batch {
  const FaceJob* faces;
  const ViewJob* views;
  ViewState* states;               // a view
  Counters* counters;
  ScreenSplat* splats;             // a Gaussian of each view
  Footing* footings;
  unsigned long long* prefixes;    // a block of `enter`: 4 × (entries up to here), and how far it is
};

}  // namespace avatar_rt::cuda
