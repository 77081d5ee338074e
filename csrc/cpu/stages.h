// The stages of one instruction set, defined in this folder's files and gathered in table.cpp.
#pragma once

#include "core/backend.h"
#include "math/inline.h"

namespace avatar_rt::AVATAR_RT_ISA {

void skin(const SkinArgs& args, int first_pack, int last_pack);
void frames(const FrameArgs& args, int first_pack, int last_pack);
void project_rig(const ProjectArgs& args, const RigArgs& rig, Segment& segment);
void project_array(const ProjectArgs& args, const GaussianView& gaussians, Segment& segment);
std::size_t tile_bytes(int channels);
void blend(const BlendArgs& args, int tile, Scratch& scratch);
void blend_adjoint(const AdjointArgs& args, int tile, Scratch& scratch);
void place(const PlaceArgs& args, std::int64_t first, std::int64_t last);
void place_adjoint(const PlaceAdjointArgs& args, std::int64_t first, std::int64_t last);
void frames_adjoint(const FrameAdjointArgs& args, int first_pack, int last_pack);
void skin_adjoint(const SkinAdjointArgs& args, int first_pack, int last_pack, float* coefficients,
                  float* matrices);
void splat_adjoint(const SplatAdjointArgs& args, int tile, Scratch& scratch, float* state);
void shade(const ShadeArgs& args, std::int64_t first, std::int64_t last);
void project_adjoint(const ProjectAdjointArgs& args, std::int64_t first, std::int64_t last);

}  // namespace avatar_rt::AVATAR_RT_ISA
