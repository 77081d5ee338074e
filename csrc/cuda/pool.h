// Memory for pictures that callers keep for as long as they like: taken again once they let go.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "cuda/runtime.h"

namespace avatar_rt::cuda {

// Makes pieces of one kind; lives as long as any of them.
template <class Piece>
class Pool : public std::enable_shared_from_this<Pool<Piece>> {
 public:
  // A piece of at least that size, an idle one where there is one, its device the one in use.
  std::shared_ptr<Piece> take(std::size_t bytes) {
    std::unique_ptr<Piece> piece;
    {
      const std::lock_guard lock(mutex_);
      for (auto& idle : idle_) {
        if (idle->bytes() < bytes || idle->bytes() > 2 * bytes) continue;
        piece = std::move(idle);
        std::erase(idle_, nullptr);
        break;
      }
    }
    if (piece == nullptr) piece = std::make_unique<Piece>(bytes);
    return {piece.release(), [own = this->shared_from_this()](Piece* used) {
              own->give_back(std::unique_ptr<Piece>(used));
            }};
  }

  // Lets go of those that are idle.
  void clear() {
    const std::lock_guard lock(mutex_);
    idle_.clear();
  }

 private:
  static constexpr std::size_t kMostIdle = 8;

  void give_back(std::unique_ptr<Piece> piece) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() == kMostIdle) idle_.erase(idle_.begin());  // the oldest may be of no more use
    idle_.push_back(std::move(piece));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Piece>> idle_;
};

// Pages that the device copies pictures to by itself.
class HostPiece {
 public:
  explicit HostPiece(std::size_t bytes) { memory_.reserve(bytes); }
  std::size_t bytes() const { return memory_.size(); }
  void* data() const { return memory_.data(); }

 private:
  Pinned<std::byte> memory_;
};

// A picture on the device, and the event behind which it is drawn.
class DevicePiece {
 public:
  explicit DevicePiece(std::size_t bytes) : drawn_(make_event(false)) { memory_.reserve(bytes); }
  std::size_t bytes() const { return memory_.size(); }
  void* data() const { return memory_.data(); }
  cudaEvent_t drawn() const { return drawn_.get(); }

 private:
  Memory<std::byte> memory_;
  Event drawn_;
};

}  // namespace avatar_rt::cuda
