#include "report.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "block.h"
#include "launches.h"

namespace emulated {

std::string text(uint3 v) {
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, "(%u, %u, %u)", v.x, v.y, v.z);
  return buffer;
}

std::string text(const Where& where) {
  return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

std::string code_at(const void* address) {
  Dl_info info;
  if (dladdr(address, &info) == 0) return "unknown code";
  const auto offset = static_cast<const char*>(address) - static_cast<const char*>(info.dli_fbase);
  std::ostringstream command, found;
  command << "addr2line -Cfpse '" << info.dli_fname << "' 0x" << std::hex << offset << " 2>/dev/null";
  if (FILE* pipe = popen(command.str().c_str(), "r")) {
    char line[512];
    if (std::fgets(line, sizeof line, pipe) != nullptr) found << line;
    pclose(pipe);
  }
  std::string result = found.str();
  result.resize(std::min({result.size(), result.find('\n'), result.find(" (discriminator")}));
  if (!result.empty() && result.front() != '?') return result;
  return info.dli_sname != nullptr ? info.dli_sname : "unknown code";
}

void fail(const std::string& message) {
  std::string out = "emulated CUDA: ";
  if (block().running()) {
    out += "launch " + std::to_string(launches_so_far()) + ", kernel " +
           code_at(block().kernel().address) + ", block " + text(blockIdx) + ", thread " +
           text(threadIdx) + ":\n  ";
  }
  std::fprintf(stderr, "%s%s\n", out.c_str(), message.c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace emulated
