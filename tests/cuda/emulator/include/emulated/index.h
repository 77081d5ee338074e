// Where a thread stands. The scheduler writes these whenever it goes on to another thread.
#pragma once

#include "emulated/vectors.h"

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;
