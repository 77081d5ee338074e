// The last accesses to every word of memory, a few for each. Cells are made when first touched and
// forgotten with the launch.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "order.h"

namespace emulated::races {

enum class Kind : std::uint8_t { read, write, atomic_read, atomic_write };

inline bool writes(Kind kind) { return kind == Kind::write || kind == Kind::atomic_write; }
inline bool atomic(Kind kind) { return kind >= Kind::atomic_read; }

struct Access {
  Moment moment;
  std::uint32_t code : 26;    // of the instruction after it, from the module's beginning
  std::uint32_t bytes : 4;    // of the word
  std::uint32_t kind : 2;

  Kind how() const { return static_cast<Kind>(kind); }
};

struct Cell {                 // 4 bytes of memory
  static constexpr int kMost = 5;
  std::uint32_t count : 3;
  std::uint32_t written : 4;  // bytes that were written, by whomever
  std::uint32_t block : 25;   // shared memory's: whose accesses these are
  Access accesses[kMost];
};

class Shadow {
 public:
  Cell& cell(std::uintptr_t address);
  void forget() { ++launch_; }

 private:
  static constexpr std::uintptr_t kCells = 256;
  struct Page {
    std::uintptr_t number = 0;
    std::uint64_t launch = 0;
    Cell cells[kCells];
  };

  std::uint64_t launch_ = 1;
  std::unordered_map<std::uintptr_t, std::unique_ptr<Page>> pages_;
  Page* recent_[1024] = {};
};

// Adds an access; false, and the other in `conflict`, where the two race.
bool record(Cell& cell, const Access& access, const Order& order, Access& conflict);

}  // namespace emulated::races
