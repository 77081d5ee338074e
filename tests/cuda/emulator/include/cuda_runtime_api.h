// The part of CUDA's runtime that plain C++ calls: memory, streams, graphs, events, devices.
#pragma once

#include "emulated/errors.h"
#include "emulated/vectors.h"
#include "emulated/device_api.h"
#include "emulated/memory_api.h"
#include "emulated/stream_api.h"
#include "emulated/graph_api.h"

#define CUDART_VERSION 13000
