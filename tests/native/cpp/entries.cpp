#include "entries.h"

namespace avatar_rt::fuzz {

std::span<const Entry> entries() {
  static constexpr Entry kAll[] = {
      {"rasterize", &fuzz_rasterize},
      {"adjoint", &fuzz_adjoint},
      {"mesh", &fuzz_mesh},
      {"avatar", &fuzz_avatar},
      {"splat", &fuzz_splat},
      {"splat_backward", &fuzz_splat_backward},
      {"animator", &fuzz_animator},
  };
  return kAll;
}

}  // namespace avatar_rt::fuzz
