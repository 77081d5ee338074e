// The same entry points for libFuzzer, which looks for bytes that reach new code: the first byte
// chooses the entry. Clang builds it where AVATAR_RT_SANITIZE names fuzzer-no-link.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "core/backend.h"
#include "cpu/register.h"
#include "entries.h"
#include "guarded.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace avatar_rt;
  static const bool ready = (set_backend(cpu::backend()), true);
  if (!ready || size == 0) return 0;
  const auto all = fuzz::entries();
  const fuzz::Entry& entry = all[data[0] % all.size()];
  fuzz::Source source(data + 1, size - 1);
  try {
    entry.run(source);
  } catch (const fuzz::Failure& failure) {
    std::fprintf(stderr, "%s: %s\n", entry.name, failure.what());
    std::abort();
  }
  return 0;
}
