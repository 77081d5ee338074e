// Where an address lies, from a kernel's view.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emulated::races {

struct Range {
  std::uintptr_t begin = 0, end = 0;
  bool holds(std::uintptr_t address, std::size_t bytes) const {
    return address >= begin && address < end && bytes <= end - address;
  }
};

enum class Place {
  own,        // the thread's stack, the kernel's arguments, where it stands: nobody else's business
  shared,
  global,     // device memory, pinned memory, variables outside functions
  nowhere,    // for a kernel
};

class Places {
 public:
  void launch_starts();
  void thread_runs();
  bool in_kernel(const void* frame) const {  // whether the code with this stack frame is one
    return stack_.holds(reinterpret_cast<std::uintptr_t>(frame), 1);
  }
  void launch_ends() { stack_ = {}; }
  Place of(std::uintptr_t address, std::size_t bytes);
  std::uint32_t code(const void* address) const {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(address) - module_.begin);
  }
  const void* code(std::uint32_t offset) const {
    return reinterpret_cast<const void*>(module_.begin + offset);
  }

 private:
  Range stack_, shared_, module_, arguments_, recent_;
};

}  // namespace emulated::races
