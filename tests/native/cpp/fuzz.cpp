// native_fuzz: runs the entry points on made-up input, for a time or a number of iterations, and
// names the seed with which a failure comes back.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "core/backend.h"
#include "cpu/register.h"
#include "entries.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace {

using namespace avatar_rt;

constexpr unsigned kPatience = 120;  // seconds for one iteration, before it counts as hanging

struct Options {
  double seconds = 10;
  std::uint64_t seed = 0, iterations = ~std::uint64_t{0};
  std::string entry;
};

// what runs now, as text that a signal handler may write
char now_running[160] = "before the first iteration\n";

void tell() {
  const ssize_t written = write(STDERR_FILENO, now_running, std::strlen(now_running));
  (void)written;
}

void on_signal(int signal) {
  if (signal == SIGALRM) {
    constexpr char kText[] = "one iteration hangs\n";
    const ssize_t written = write(STDERR_FILENO, kText, sizeof kText - 1);
    (void)written;
  }
  tell();
  _exit(1);
}

[[noreturn]] void usage(const char* wrong) {
  std::fprintf(stderr,
               "native_fuzz: %s\nusage: native_fuzz [--seconds S] [--iterations N] [--seed N] "
               "[--entry NAME]\n       native_fuzz --isas\nentries:",
               wrong);
  for (const fuzz::Entry& e : fuzz::entries()) std::fprintf(stderr, " %s", e.name);
  std::fprintf(stderr, "\nAVATAR_RT_ISA chooses the instruction set.\n");
  std::exit(2);
}

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; i += 2) {
    const std::string name = arguments[i];
    if (i + 1 == count) usage(("no value for " + name).c_str());
    const char* value = arguments[i + 1];
    char* end = nullptr;
    if (name == "--seconds") {
      options.seconds = std::strtod(value, &end);
    } else if (name == "--iterations") {
      options.iterations = std::strtoull(value, &end, 10);
    } else if (name == "--seed") {
      options.seed = std::strtoull(value, &end, 10);
    } else if (name == "--entry") {
      options.entry = value;
    } else {
      usage(("unknown option " + name).c_str());
    }
    if (end != nullptr && (*end != '\0' || end == value)) usage((name + " is not a number").c_str());
  }
  return options;
}

}  // namespace

// Called by the undefined-behaviour sanitizer, which ends the program without asking anyone else.
extern "C" [[gnu::visibility("default")]] void __ubsan_on_report() { tell(); }

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int run(const Options& options) {
  std::vector<fuzz::Entry> chosen;
  for (const fuzz::Entry& e : fuzz::entries()) {
    if (options.entry.empty() || options.entry == e.name) chosen.push_back(e);
  }
  if (chosen.empty()) usage("unknown entry");
  set_backend(cpu::backend());
  const char* isa = backend().stages->isa;
  std::vector<std::uint64_t> runs(chosen.size());
  const double start = now();
  std::uint64_t i = 0;
  for (; i < options.iterations && now() - start < options.seconds; ++i) {
    const std::size_t which = i % chosen.size();
    const std::uint64_t seed = options.seed + i / chosen.size();
    std::snprintf(now_running, sizeof now_running,
                  "again: AVATAR_RT_ISA=%s native_fuzz --entry %s --seed %llu --iterations 1\n",
                  isa, chosen[which].name, static_cast<unsigned long long>(seed));
    alarm(kPatience);
    fuzz::Source source(seed);
    try {
      chosen[which].run(source);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", chosen[which].name, error.what());
      tell();
      return 1;
    }
    ++runs[which];
  }
  alarm(0);
  std::printf("%s: %llu iterations in %.1f s from seed %llu:", isa,
              static_cast<unsigned long long>(i), now() - start,
              static_cast<unsigned long long>(options.seed));
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    std::printf(" %s %llu", chosen[k].name, static_cast<unsigned long long>(runs[k]));
  }
  std::printf("\n");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  __sanitizer_set_death_callback(&tell);
#else
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    std::signal(signal, &on_signal);
  }
#endif
  std::signal(SIGALRM, &on_signal);
  if (count == 2 && std::strcmp(arguments[1], "--isas") == 0) {
    for (const std::string& isa : cpu::available_isas()) std::printf("%s\n", isa.c_str());
    return 0;
  }
  return run(parse(count, arguments));
}
