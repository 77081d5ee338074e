// The table of one instruction set.
#include "cpu/stages.h"

#define AVATAR_RT_TEXT_(x) #x
#define AVATAR_RT_TEXT(x) AVATAR_RT_TEXT_(x)

namespace avatar_rt::AVATAR_RT_ISA {

extern const Stages stages;
const Stages stages = {
    AVATAR_RT_TEXT(AVATAR_RT_ISA), tile_bytes, skin, frames, project_rig, project_array, blend,
    blend_adjoint, place, place_adjoint, frames_adjoint, skin_adjoint,
    splat_adjoint, shade, project_adjoint,
};

}  // namespace avatar_rt::AVATAR_RT_ISA
