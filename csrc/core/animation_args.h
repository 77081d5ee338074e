// What the stages of differentiable animation read and write, beside SkinArgs and FrameArgs. Unlike
// a live avatar's, its Gaussians are the caller's plain arrays, new at every call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/backend.h"

namespace avatar_rt {

inline constexpr int kFrameRow = 16;      // floats of a triangle's frame gradient: kFrameFields, 0

struct PlaceArgs {
  std::int64_t count;
  const std::int32_t* triangles;
  const float *barycentric, *offsets, *quats, *scales;
  const float* frames;                    // as the frames stage left them
  std::size_t frame_stride;
  bool similarity;
  float *means, *covars;                  // out
};

struct PlaceAdjointArgs {
  PlaceArgs place;                        // means and covars unused
  const float *means, *covars;            // gradients; either may be null
  float *barycentric, *offsets, *quats, *scales;  // out
  bool add;                               // to what they hold
  float* rows;                            // kFrameRow a triangle: adds to them; or, where given,
  const std::int32_t* places;             // a Gaussian's place in
  float* parts;                           // kFrameRow a place: sets them
};

struct FrameAdjointArgs {                 // triangles, packed by 16
  const std::int32_t* corners[3];
  const std::int32_t* slots[3];           // of each corner: where its gradient goes
  const float *x, *y, *z;                 // posed vertices
  bool similarity;
  float* rows;                            // leaves zeros
  float* corner_gradient;                 // 4 a slot: xyz, 0
};

struct SkinAdjointArgs {                  // vertices, packed by 16
  SkinArgs skin;                          // x, y and z unused
  int vertex_count;
  const std::uint32_t* slot_begin;        // per vertex: its corners' slots
  const float* corner_gradient;           // null: 0
  const float* vertex_gradient;           // of the posed vertices (V, 3); null: 0
  float* rest_gradient;                   // 48 a pack: adds to it
};

}  // namespace avatar_rt
