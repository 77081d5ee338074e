// The functions that -fsanitize=thread calls at every access to memory, and what the emulator's atomic
// functions call. Code of the host comes here, too; it may touch anything but the device's memory.
#include <cstddef>
#include <cstdint>

#include "checker.h"
#include "emulated/atomics.h"
#include "pages.h"
#include "report.h"

namespace emulated {
namespace {

using races::Kind;

inline void touch(const void* pointer, std::size_t bytes, Kind kind, const void* code) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  races::Checker& checker = races::checker();
  if (checker.places.in_kernel(__builtin_frame_address(0))) {
    checker.check(address, bytes, kind, code);
  } else if (for_device(address)) {
    fail("code of the host touches the device's memory, at " +
         code_at(static_cast<const char*>(code) - 1));
  }
}

}  // namespace

void note_atomic(const void* address, int bytes, bool writes, const void* caller) {
  touch(address, static_cast<std::size_t>(bytes), writes ? Kind::atomic_write : Kind::atomic_read,
        caller);
  races::Order& order = races::checker().order;
  if (writes) order.published(reinterpret_cast<std::uintptr_t>(address));
}

void note_fence() { races::checker().order.fenced(); }

}  // namespace emulated

using emulated::touch;
using emulated::races::Kind;

#define AVATAR_RT_HOOK(name, bytes, kind) \
  void __tsan_##name(void* address) { touch(address, bytes, kind, __builtin_return_address(0)); }
#define AVATAR_RT_HOOKS(bytes)                                  \
  AVATAR_RT_HOOK(read##bytes, bytes, Kind::read)                \
  AVATAR_RT_HOOK(write##bytes, bytes, Kind::write)              \
  AVATAR_RT_HOOK(unaligned_read##bytes, bytes, Kind::read)      \
  AVATAR_RT_HOOK(unaligned_write##bytes, bytes, Kind::write)    \
  AVATAR_RT_HOOK(volatile_read##bytes, bytes, Kind::atomic_read)   \
  AVATAR_RT_HOOK(volatile_write##bytes, bytes, Kind::atomic_write) \
  AVATAR_RT_HOOK(unaligned_volatile_read##bytes, bytes, Kind::atomic_read)   \
  AVATAR_RT_HOOK(unaligned_volatile_write##bytes, bytes, Kind::atomic_write)

extern "C" {

AVATAR_RT_HOOKS(1)
AVATAR_RT_HOOKS(2)
AVATAR_RT_HOOKS(4)
AVATAR_RT_HOOKS(8)
AVATAR_RT_HOOKS(16)
void __tsan_read_range(void* address, unsigned long bytes) {
  touch(address, bytes, Kind::read, __builtin_return_address(0));
}
void __tsan_write_range(void* address, unsigned long bytes) {
  touch(address, bytes, Kind::write, __builtin_return_address(0));
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

}  // extern "C"
