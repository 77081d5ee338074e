#include "checker.h"

#include <string>

#include "block.h"
#include "memory.h"
#include "races.h"
#include "report.h"

namespace emulated::races {
namespace {

const char* name(Kind kind) {
  switch (kind) {
    case Kind::read: return "read";
    case Kind::write: return "write";
    case Kind::atomic_read: return "atomic read";
    default: return "atomic write";
  }
}

std::string describe(std::uintptr_t address, Place place) {
  if (place == Place::shared) return "shared memory";
  const Allocation found = allocation_at(reinterpret_cast<const void*>(address));
  if (found.end == 0) return "a variable outside functions";
  return "byte " + std::to_string(address - found.begin) + " of " +
         std::to_string(found.end - found.begin) +
         (found.type == cudaMemoryTypeDevice ? " on the device" : " of pinned memory");
}

std::string describe(Moment moment) {
  const std::uint32_t number = moment.thread / kBlockThreads, thread = moment.thread % kBlockThreads;
  return "block " +
         text(uint3{number % gridDim.x, number / gridDim.x % gridDim.y,
                    number / (gridDim.x * gridDim.y)}) +
         ", thread " +
         text(uint3{thread % blockDim.x, thread / blockDim.x % blockDim.y,
                    thread / (blockDim.x * blockDim.y)});
}

std::string caller(const void* code) {  // a return address: what called lies just before
  return code_at(static_cast<const char*>(code) - 1);
}

}  // namespace

Checker& checker() {
  static auto* only = new Checker;
  return *only;
}

void Checker::report(const Access& mine, const Access& other, std::uintptr_t address, Place place) {
  fail(std::string("data race on ") + describe(address, place) + ": this " + name(mine.how()) +
       " at " + caller(places.code(mine.code)) + "\n  and the " + name(other.how()) + " by " +
       describe(other.moment) + " at " + caller(places.code(other.code)) +
       "\n  are not ordered by a barrier, by __syncwarp, or by a fence and an atomic access");
}

void Checker::check(std::uintptr_t address, std::size_t bytes, Kind kind, const void* code) {
  const Place place = places.of(address, bytes);
  if (place == Place::own) return;
  if (place == Place::nowhere) {
    const Allocation found = allocation_at(reinterpret_cast<const void*>(address));
    fail(std::string("a ") + name(kind) + " of " + std::to_string(bytes) + " bytes at " +
         caller(code) +
         (found.end == 0 ? ", where no memory of the device is" : ", across an allocation's end"));
  }
  if (place == Place::global) {
    if (writes(kind) && !atomic(kind)) order.wrote();
    if (atomic(kind)) order.observed(address);
  }
  Access access{order.now(), places.code(code), 0, static_cast<std::uint32_t>(kind) & 3u};
  for (const std::uintptr_t end = address + bytes; address < end; address = (address | 3) + 1) {
    const std::uintptr_t first = address & 3, last = end - address + first < 4 ? end - address + first : 4;
    access.bytes = ((1u << last) - (1u << first)) & 15u;
    Cell& cell = shadow.cell(address);
    if (place == Place::shared) {
      if (cell.block != (order.block() & 0x1ffffffu)) {  // another block's leavings
        cell.count = cell.written = 0;
        cell.block = order.block() & 0x1ffffffu;
      }
      const bool reads = kind != Kind::write;
      if (reads && (access.bytes & ~cell.written) != 0) {
        fail("a read at " + caller(code) + " of shared memory that nobody in this block has written");
      }
      if (writes(kind)) cell.written |= access.bytes;
    }
    Access other;
    if (!record(cell, access, order, other)) report(access, other, address, place);
  }
}

void launch_starts() {
  checker().places.launch_starts();
  checker().order.launch_starts();
  checker().shadow.forget();
  if (std::uint64_t(gridDim.x) * gridDim.y * gridDim.z > (1u << 22)) {
    fail("more than 4194304 blocks are too many for the race checker");
  }
}
void launch_ends() { checker().places.launch_ends(); }
void block_starts(int threads) {
  checker().order.block_starts(blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z),
                               threads);
}
void thread_runs(int number) {
  checker().places.thread_runs();
  checker().order.thread_runs(number);
}
void barrier_passed() { checker().order.barrier_passed(); }
void synced(int first_thread, unsigned mask) { checker().order.synced(first_thread, mask); }

}  // namespace emulated::races
