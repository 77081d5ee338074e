#include "cpu/register.h"

#include <cstdlib>
#include <stdexcept>

#include "cpu/pool.h"

namespace avatar_rt {

namespace baseline {
extern const Stages stages;
}
#if defined(AVATAR_RT_WITH_AVX2)
namespace avx2 {
extern const Stages stages;
}
#endif
#if defined(AVATAR_RT_WITH_AVX512)
namespace avx512 {
extern const Stages stages;
}
#endif

namespace cpu {
namespace {

std::vector<const Stages*> runnable() {
  std::vector<const Stages*> found = {&baseline::stages};
#if defined(AVATAR_RT_WITH_AVX2)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("popcnt");
  if (avx2) found.push_back(&avx2::stages);
#endif
#if defined(AVATAR_RT_WITH_AVX512)
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2")) {
    found.push_back(&avx512::stages);
  }
#endif
  return found;
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Stages* s : runnable()) names.emplace_back(s->isa);
  return names;
}

const Stages& stages(const std::string& isa) {
  std::string known;
  for (const Stages* s : runnable()) {
    if (isa == s->isa) return *s;
    known += std::string(known.empty() ? "" : ", ") + s->isa;
  }
  throw std::invalid_argument("AVATAR_RT_ISA is '" + isa + "'; this processor and build have " +
                              known);
}

Backend backend() {
  const char* forced = std::getenv("AVATAR_RT_ISA");
  const Stages& best = forced != nullptr && *forced != '\0' ? stages(forced) : *runnable().back();
  return {&best, &parallel};
}

}  // namespace cpu
}  // namespace avatar_rt
