// cudaLaunchKernelEx: the one way to launch a kernel here. The arguments are converted and copied at
// once, as CUDA does, so that a captured launch keeps them.
#pragma once

#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "emulated/stream_api.h"
#include "emulated/vectors.h"

enum cudaLaunchAttributeID {
  cudaLaunchAttributeIgnore = 0,
  cudaLaunchAttributeProgrammaticStreamSerialization = 6,
  cudaLaunchAttributePriority = 8,
};
union cudaLaunchAttributeValue {
  char pad[64];
  int programmaticStreamSerializationAllowed;
  int priority;
};
struct cudaLaunchAttribute {  // CUDA runs a kernel early where it may; here none of them changes a thing
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9,
};
struct cudaFuncAttributes {
  std::size_t sharedSizeBytes, constSizeBytes, localSizeBytes;
  int maxThreadsPerBlock, numRegs, ptxVersion, binaryVersion;
};

namespace emulated {

struct Kernel {
  const void* address;             // names it in messages
  void (*call)(void* arguments);   // one thread's run
  std::shared_ptr<void> arguments;
  std::size_t argument_bytes;
};
cudaError_t launch(const cudaLaunchConfig_t& config, Kernel kernel);
cudaError_t function_attributes(cudaFuncAttributes* attributes);

}  // namespace emulated

template <class... Params, class... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params...),
                               Args&&... args) {
  static_assert((std::is_trivially_copyable_v<std::remove_cvref_t<Params>> && ... && true),
                "a kernel's parameters are copied as bytes");
  static_assert((std::size_t(0) + ... + sizeof(Params)) <= 4096, "4 KiB of parameters is the limit");
  using Bound = std::pair<void (*)(Params...), std::tuple<std::remove_cv_t<Params>...>>;
  return emulated::launch(
      *config, {reinterpret_cast<const void*>(kernel),
                [](void* bound) {
                  auto& [function, values] = *static_cast<Bound*>(bound);
                  std::apply(function, values);
                },
                std::make_shared<Bound>(
                    kernel, std::tuple<std::remove_cv_t<Params>...>(std::forward<Args>(args)...)),
                sizeof(Bound)});
}

template <class F>
cudaError_t cudaFuncSetAttribute(F*, cudaFuncAttribute, int) {
  return cudaSuccess;
}
template <class F>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, F*) {
  return emulated::function_attributes(attributes);
}
inline void cudaGridDependencySynchronize() {}
inline void cudaTriggerProgrammaticLaunchCompletion() {}
