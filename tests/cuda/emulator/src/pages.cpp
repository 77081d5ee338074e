#include "pages.h"

#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)

namespace emulated {

void* take_pages(std::size_t bytes) {
  void* block = nullptr;
  return posix_memalign(&block, 256, bytes) == 0 ? block : nullptr;  // CUDA's alignment
}
void give_pages(void* pages, std::size_t) { std::free(pages); }

}  // namespace emulated

#else

#include <sys/mman.h>

namespace emulated {
namespace {

constexpr std::size_t kGranule = std::size_t(1) << 16;  // a multiple of any processor's page

std::uintptr_t next = kDeviceBegin;

std::size_t rounded(std::size_t bytes) { return (bytes + kGranule - 1) / kGranule * kGranule; }

}  // namespace

void* take_pages(std::size_t bytes) {
  const std::size_t size = rounded(bytes);
  void* pages = mmap(reinterpret_cast<void*>(next), size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  next += size + kGranule;
  return pages == MAP_FAILED ? nullptr : pages;
}

void give_pages(void* pages, std::size_t bytes) { munmap(pages, rounded(bytes)); }

}  // namespace emulated

#endif
