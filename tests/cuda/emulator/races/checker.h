// The rules: what a kernel may touch, and that no two threads' accesses race.
#pragma once

#include "order.h"
#include "places.h"
#include "shadow.h"

namespace emulated::races {

class Checker {
 public:
  // code: the address after the instruction that makes the access
  void check(std::uintptr_t address, std::size_t bytes, Kind kind, const void* code);

  Places places;
  Order order;
  Shadow shadow;

 private:
  [[noreturn]] void report(const Access& mine, const Access& other, std::uintptr_t address,
                           Place place);
};

Checker& checker();

}  // namespace emulated::races
