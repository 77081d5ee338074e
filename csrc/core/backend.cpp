#include "core/backend.h"

#include <stdexcept>

namespace avatar_rt {
namespace {

Backend current{nullptr, nullptr};

}  // namespace

void set_backend(const Backend& backend) { current = backend; }

const Backend& backend() {
  if (current.stages == nullptr) throw std::logic_error("no backend was registered");
  return current;
}

}  // namespace avatar_rt
