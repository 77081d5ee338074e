#include "emulated/device_api.h"

#include <cstdlib>
#include <string_view>

#include "emulated/memory_api.h"
#include "gate.h"

using namespace emulated;

namespace {

constexpr int kSharedPerBlock = 48 << 10, kSharedOptin = 227 << 10, kSharedPerProcessor = 228 << 10;

// A driver's version, thousands for the major number; 0 where there is none.
int driver_version() {
  const char* driver = std::getenv("AVATAR_RT_EMULATED_DRIVER");
  if (driver == nullptr) return 13000;
  return std::string_view(driver) == "old" ? 11040 : std::string_view(driver) == "none" ? 0 : 13000;
}

}  // namespace

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  return call([&] {
    *count = 1;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call([&] { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; });
}

cudaError_t cudaGetDevice(int* device) {
  return call([&] {
    *device = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call([&] {
    if (device != 0) return cudaErrorInvalidDevice;
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    *properties = {.name = "emulated",
                   .uuid = {},
                   .totalGlobalMem = total,
                   .sharedMemPerBlock = kSharedPerBlock,
                   .regsPerBlock = 65536,
                   .warpSize = 32,
                   .maxThreadsPerBlock = 1024,
                   .maxThreadsDim = {1024, 1024, 64},
                   .maxGridSize = {2147483647, 65535, 65535},
                   .totalConstMem = 65536,
                   .major = 9,
                   .minor = 0,
                   .multiProcessorCount = 132,
                   .integrated = 0,
                   .canMapHostMemory = 1,
                   .concurrentKernels = 1,
                   .ECCEnabled = 1,
                   .pciBusID = 1,
                   .pciDeviceID = 0,
                   .pciDomainID = 0,
                   .asyncEngineCount = 3,
                   .unifiedAddressing = 1,
                   .memoryBusWidth = 5120,
                   .l2CacheSize = 50 << 20,
                   .persistingL2CacheMaxSize = 0,
                   .maxThreadsPerMultiProcessor = 2048,
                   .sharedMemPerMultiprocessor = kSharedPerProcessor,
                   .regsPerMultiprocessor = 65536,
                   .cooperativeLaunch = 0,
                   .sharedMemPerBlockOptin = kSharedOptin,
                   .maxBlocksPerMultiProcessor = 32,
                   .reservedSharedMemPerBlock = 1024};
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call([&] {
    if (device != 0) return cudaErrorInvalidDevice;
    switch (attribute) {
      case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
      case cudaDevAttrMaxSharedMemoryPerBlock: *value = kSharedPerBlock; break;
      case cudaDevAttrWarpSize: *value = 32; break;
      case cudaDevAttrMaxRegistersPerBlock: *value = 65536; break;
      case cudaDevAttrClockRate: *value = 1980000; break;
      case cudaDevAttrMultiProcessorCount: *value = 132; break;
      case cudaDevAttrIntegrated: *value = 0; break;
      case cudaDevAttrMemoryClockRate: *value = 2619000; break;
      case cudaDevAttrGlobalMemoryBusWidth: *value = 5120; break;
      case cudaDevAttrL2CacheSize: *value = 50 << 20; break;
      case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
      case cudaDevAttrAsyncEngineCount: *value = 3; break;
      case cudaDevAttrUnifiedAddressing: *value = 1; break;
      case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
      case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
      case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = kSharedPerProcessor; break;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = kSharedOptin; break;
      default: return cudaErrorInvalidValue;
    }
    return cudaSuccess;
  });
}

// These two answer without a device.
cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver_version();
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
