// The CPU backend: one table of stages per instruction set, one pool of threads.
#pragma once

#include <string>
#include <vector>

#include "core/backend.h"

namespace avatar_rt::cpu {

// The instruction sets that were compiled and that this processor runs, best last.
std::vector<std::string> available_isas();

// Its stages; raises std::invalid_argument for a name that is not available.
const Stages& stages(const std::string& isa);

// The backend with the best instruction set, or with the one that AVATAR_RT_ISA names.
Backend backend();

}  // namespace avatar_rt::cpu
