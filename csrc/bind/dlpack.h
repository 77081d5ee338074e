// DLPack 1: how array libraries hand each other memory without a copy. The structs are its C ABI
// (https://dmlc.github.io/dlpack/latest/c_api.html), in two forms: consumers that say which version
// they know get the versioned one.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace avatar_rt::bind::dlpack {

namespace py = pybind11;

enum DeviceType : std::int32_t { kCpu = 1, kCuda = 2 };
enum TypeCode : std::uint8_t { kUnsigned = 1, kFloat = 2 };
inline constexpr std::uint64_t kIsCopied = 2;  // a flag: nobody else sees this memory

struct Device {
  DeviceType type;
  std::int32_t number;
};

struct DataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t axes;
  DataType type;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements
  std::uint64_t byte_offset;
};

struct ManagedTensor {
  Tensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};

struct Version {
  std::uint32_t major, minor;
};

struct VersionedTensor {
  Version version;
  void* context;
  void (*deleter)(VersionedTensor*);
  std::uint64_t flags;
  Tensor tensor;
};

// Memory as an array of rows without gaps.
struct Array {
  std::shared_ptr<void> memory;  // keeps `data` alive
  void* data;
  Device device;
  DataType type;
  std::vector<std::int64_t> shape;
};

// The capsule that a consumer takes over. Its memory is let go by the consumer's deleter, on any
// thread, or with a capsule that nobody took. `copied`: say that nobody else sees the memory.
py::capsule capsule(Array array, bool versioned, bool copied);

}  // namespace avatar_rt::bind::dlpack
