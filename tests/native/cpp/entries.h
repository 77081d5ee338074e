// The native entry points that are fuzzed: each in a file of its own, listed in entries.cpp. An
// entry makes its input from a source, calls the core and throws Failure where a promise is broken.
#pragma once

#include <span>

#include "source.h"

namespace avatar_rt::fuzz {

void fuzz_rasterize(Source& source);
void fuzz_adjoint(Source& source);
void fuzz_mesh(Source& source);
void fuzz_avatar(Source& source);
void fuzz_splat(Source& source);
void fuzz_splat_backward(Source& source);
void fuzz_animator(Source& source);

struct Entry {
  const char* name;
  void (*run)(Source& source);
};

std::span<const Entry> entries();

}  // namespace avatar_rt::fuzz
