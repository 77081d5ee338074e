// The names of errors, and what they mean in a few words.
#include "emulated/errors.h"

namespace {

struct Words {
  cudaError_t error;
  const char *name, *meaning;
};

#define AVATAR_RT_WORDS(error, meaning) {error, #error, meaning}
constexpr Words words[] = {
    AVATAR_RT_WORDS(cudaSuccess, "no error"),
    AVATAR_RT_WORDS(cudaErrorInvalidValue, "an argument is out of range"),
    AVATAR_RT_WORDS(cudaErrorMemoryAllocation, "out of memory"),
    AVATAR_RT_WORDS(cudaErrorInitializationError, "the driver could not be initialized"),
    AVATAR_RT_WORDS(cudaErrorInvalidConfiguration, "a launch's shape is not allowed"),
    AVATAR_RT_WORDS(cudaErrorInvalidMemcpyDirection, "memory is not where the copy's kind says"),
    AVATAR_RT_WORDS(cudaErrorInsufficientDriver, "the driver is missing, or too old for the runtime"),
    AVATAR_RT_WORDS(cudaErrorInvalidDeviceFunction, "no such kernel"),
    AVATAR_RT_WORDS(cudaErrorNoDevice, "there is no device"),
    AVATAR_RT_WORDS(cudaErrorInvalidDevice, "no device has this number"),
    AVATAR_RT_WORDS(cudaErrorNoKernelImageForDevice, "the kernel was not compiled for this device"),
    AVATAR_RT_WORDS(cudaErrorUnsupportedPtxVersion, "the driver does not know this PTX"),
    AVATAR_RT_WORDS(cudaErrorInvalidResourceHandle, "no such stream, event or graph"),
    AVATAR_RT_WORDS(cudaErrorNotReady, "not done yet"),
    AVATAR_RT_WORDS(cudaErrorIllegalAddress, "a kernel touched memory that is not its own"),
    AVATAR_RT_WORDS(cudaErrorLaunchOutOfResources, "a launch needs more than the device has"),
    AVATAR_RT_WORDS(cudaErrorLaunchTimeout, "a kernel ran too long"),
    AVATAR_RT_WORDS(cudaErrorLaunchFailure, "a kernel failed"),
    AVATAR_RT_WORDS(cudaErrorNotPermitted, "not permitted"),
    AVATAR_RT_WORDS(cudaErrorNotSupported, "not supported"),
    AVATAR_RT_WORDS(cudaErrorStreamCaptureUnsupported, "not allowed while a stream is captured"),
    AVATAR_RT_WORDS(cudaErrorStreamCaptureInvalidated, "an error has ended the capture"),
    AVATAR_RT_WORDS(cudaErrorStreamCaptureMerge, "two captures would become one"),
    AVATAR_RT_WORDS(cudaErrorStreamCaptureUnmatched, "the capture did not begin in this stream"),
    AVATAR_RT_WORDS(cudaErrorStreamCaptureUnjoined, "a captured stream has not joined the first"),
    AVATAR_RT_WORDS(cudaErrorStreamCaptureIsolation, "captured work would depend on other work"),
    AVATAR_RT_WORDS(cudaErrorStreamCaptureImplicit, "the default stream would join a capture"),
    AVATAR_RT_WORDS(cudaErrorCapturedEvent, "the event was recorded by a capture"),
    AVATAR_RT_WORDS(cudaErrorStreamCaptureWrongThread, "another thread began the capture"),
    AVATAR_RT_WORDS(cudaErrorUnknown, "unknown error"),
};
#undef AVATAR_RT_WORDS

const Words& find(cudaError_t error) {
  for (const Words& w : words) {
    if (w.error == error) return w;
  }
  static constexpr Words none = {cudaErrorUnknown, "unrecognized error code",
                                 "unrecognized error code"};
  return none;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) { return find(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return find(error).meaning; }
