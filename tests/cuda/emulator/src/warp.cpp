// What the lanes of a collective learn, once the last one has come.
#include <bit>

#include "block.h"
#include "races.h"
#include "report.h"

namespace emulated {
namespace {

// of the values of all lanes in the mask
std::uint64_t reduced(Gathering what, const Warp& warp, unsigned mask) {
  const int first = std::countr_zero(mask);
  auto result = static_cast<unsigned>(warp.values[first]);
  for (unsigned rest = mask & (mask - 1); rest != 0; rest &= rest - 1) {
    const auto value = static_cast<unsigned>(warp.values[std::countr_zero(rest)]);
    const auto left = static_cast<int>(result), right = static_cast<int>(value);
    switch (what) {
      case Gathering::add: result += value; break;
      case Gathering::min_signed: result = right < left ? value : result; break;
      case Gathering::max_signed: result = right > left ? value : result; break;
      case Gathering::min_unsigned: result = value < result ? value : result; break;
      case Gathering::max_unsigned: result = value > result ? value : result; break;
      case Gathering::all_bits: result &= value; break;
      case Gathering::any_bits: result |= value; break;
      case Gathering::odd_bits: result ^= value; break;
      default: break;
    }
  }
  return result;
}

std::uint64_t lanes_with(std::uint64_t value, const Warp& warp, unsigned mask) {
  unsigned found = 0;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    if (warp.values[lane] == value) found |= 1u << lane;
  }
  return found;
}

}  // namespace

void Block::resolve(Warp& warp, Group& group, int first_thread) {
  const unsigned mask = group.mask;
  group.arrived = 0;
  pauses_ = 0;
  // the other collectives order nothing, as CUDA's manual says
  if (group.what == Gathering::sync) races::synced(first_thread, mask);
  std::uint64_t common = 0;
  if (group.what == Gathering::ballot) {
    common = lanes_with(1, warp, mask);
  } else if (group.what > Gathering::match) {
    common = reduced(group.what, warp, mask);
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    Thread& thread = *threads_[static_cast<std::size_t>(first_thread + lane)];
    if (group.what == Gathering::shuffle) {
      const int source = warp.sources[lane];
      if ((mask >> source & 1) == 0) {
        fail("lane " + std::to_string(lane) + " shuffles from lane " + std::to_string(source) +
             ", which the mask leaves out, at " + text(group.where));
      }
      thread.answer = warp.values[source];
    } else if (group.what == Gathering::match) {
      thread.answer = lanes_with(warp.values[lane], warp, mask);
    } else {
      thread.answer = common;
    }
    if (&thread == current_) continue;
    thread.waits = nullptr;
    depth_first_ ? ready_.push_front(&thread) : ready_.push_back(&thread);
  }
}

}  // namespace emulated
