#include "entries.h"

namespace avatar_rt::fuzz {

std::span<const Entry> entries() {
  static constexpr Entry kAll[] = {
      {"rasterize", &fuzz_rasterize},
      {"adjoint", &fuzz_adjoint},
      {"mesh", &fuzz_mesh},
      {"avatar", &fuzz_avatar},
  };
  return kAll;
}

}  // namespace avatar_rt::fuzz
