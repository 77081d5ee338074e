// How a kernel's mistake ends the program: a message that says where it was, then abort().
#pragma once

#include <string>

#include "emulated/collectives.h"
#include "emulated/vectors.h"

namespace emulated {

[[noreturn]] void fail(const std::string& message);  // adds launch, kernel, block and thread
std::string text(uint3 v);
std::string text(const Where& where);
std::string code_at(const void* address);            // function and line, as far as tools can tell

}  // namespace emulated
