// How many kernels have run, by which messages name one.
#pragma once

#include <cstdint>

namespace emulated {

std::uint64_t launches_so_far();

}  // namespace emulated
