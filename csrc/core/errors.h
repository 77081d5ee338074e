// What goes wrong beside bad arguments.
#pragma once

#include <stdexcept>

namespace avatar_rt {

// A device other than the processor cannot draw, or cannot any more. Its words say why.
struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// It has not got the memory for what was asked; for less it may.
struct DeviceMemoryError : DeviceError {
  using DeviceError::DeviceError;
};

}  // namespace avatar_rt
