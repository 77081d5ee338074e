#include "places.h"

#include <link.h>

#include "block.h"
#include "memory.h"

namespace emulated::races {
namespace {

// Shared variables are thread-local ones of this module; so is this one, which has the C library
// make this thread's copies of them all.
thread_local char anchor;

struct Module {
  std::uintptr_t inside;
  Range code_and_data, thread_local_data;
};

int look(dl_phdr_info* info, std::size_t, void* out) {
  auto& module = *static_cast<Module*>(out);
  Range whole{~std::uintptr_t(0), 0}, own;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    const std::uintptr_t begin = info->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD) {
      whole.begin = begin < whole.begin ? begin : whole.begin;
      whole.end = begin + part.p_memsz > whole.end ? begin + part.p_memsz : whole.end;
    } else if (part.p_type == PT_TLS) {
      own.begin = reinterpret_cast<std::uintptr_t>(info->dlpi_tls_data);
      own.end = own.begin + part.p_memsz;
    }
  }
  if (!whole.holds(module.inside, 1)) return 0;
  module.code_and_data = whole;
  module.thread_local_data = own;
  return 1;
}

}  // namespace

void Places::launch_starts() {
  anchor = 1;
  Module module{reinterpret_cast<std::uintptr_t>(&look), {}, {}};
  dl_iterate_phdr(&look, &module);
  module_ = module.code_and_data;
  shared_ = module.thread_local_data;
  const Kernel& kernel = block().kernel();
  const auto arguments = reinterpret_cast<std::uintptr_t>(kernel.arguments.get());
  arguments_ = {arguments, arguments + kernel.argument_bytes};
  recent_ = {};
}

void Places::thread_runs() {
  const auto [begin, end] = block().current().fiber.stack();
  stack_ = {reinterpret_cast<std::uintptr_t>(begin), reinterpret_cast<std::uintptr_t>(end)};
}

Place Places::of(std::uintptr_t address, std::size_t bytes) {
  if (stack_.holds(address, bytes)) return Place::own;
  if (recent_.holds(address, bytes)) return Place::global;
  if (shared_.holds(address, bytes)) return Place::shared;
  if (arguments_.holds(address, bytes)) return Place::own;
  const auto here = reinterpret_cast<std::uintptr_t>(&standing);
  if (address >= here && address < here + sizeof standing) return Place::own;
  if (module_.holds(address, bytes)) return Place::global;
  const Allocation found = allocation_at(reinterpret_cast<const void*>(address));
  if (!found.holds(address, bytes)) return Place::nowhere;
  recent_ = {found.begin, found.end};
  return Place::global;
}

}  // namespace emulated::races
