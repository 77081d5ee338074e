// The parts of CUB that csrc/cuda may use.
#pragma once

#include "cub/device/device_radix_sort.cuh"
#include "cub/device/device_scan.cuh"
