// Stands in for CUDA's header of this name, so that csrc/cuda compiles with any C++20 compiler and
// runs on the processor, for tests. Here is only the list of what CUDA C++ adds; each part has a
// file of its own.
#pragma once

#define AVATAR_RT_EMULATED_CUDA 1

#include "cuda_runtime_api.h"
#include "emulated/vectors.h"
#include "emulated/index.h"
#include "emulated/collectives.h"
#include "emulated/atomics.h"
#include "emulated/intrinsics.h"
#include "emulated/launch.h"
#include "emulated/keywords.h"  // last: its macros would harm the library's headers
