#include "cuda/workspaces.h"

#include <algorithm>
#include <utility>

namespace avatar_rt::cuda {
namespace {

constexpr std::size_t kMostIdle = 4;

}  // namespace

Workspaces& Workspaces::all() {
  static Workspaces* const own = new Workspaces;
  return *own;
}

std::unique_ptr<Workspace> Workspaces::take(int device, const Shape& shape) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(idle_.begin(), idle_.end(), [&](const auto& w) {
    return w->device == device && w->plan != nullptr && w->plan->shape() == shape;
  });
  if (found == idle_.end()) return std::make_unique<Workspace>(device);
  std::unique_ptr<Workspace> out = std::move(*found);
  idle_.erase(found);
  return out;
}

void Workspaces::give_back(std::unique_ptr<Workspace> workspace) {
  if (workspace->plan == nullptr) return;
  const std::lock_guard lock(mutex_);
  if (idle_.size() == kMostIdle) idle_.erase(idle_.begin());
  idle_.push_back(std::move(workspace));
}

void Workspaces::clear() {
  const std::lock_guard lock(mutex_);
  idle_.clear();
}

}  // namespace avatar_rt::cuda
