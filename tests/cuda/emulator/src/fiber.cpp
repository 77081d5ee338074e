#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

namespace emulated {
namespace {

constexpr std::size_t kStack = 256 << 10;  // of addresses; memory is taken as it is touched

Fiber *leaving, *entering;  // of the step that is being made

}  // namespace

#if defined(__x86_64__)
// What a function must preserve is kept on the stack, and the stack pointer in *from.
extern "C" void avatar_rt_emulated_step(void** from, void* to);
asm(R"(
.text
.p2align 4
.globl avatar_rt_emulated_step
.hidden avatar_rt_emulated_step
.type avatar_rt_emulated_step, @function
avatar_rt_emulated_step:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size avatar_rt_emulated_step, .-avatar_rt_emulated_step
)");
constexpr int kSaved = 6;          // registers below the return address
constexpr int kReturn = kSaved;
constexpr int kFrame = kSaved + 2;  // one word more: a function starts 8 bytes off a multiple of 16
#elif defined(__aarch64__)
extern "C" void avatar_rt_emulated_step(void** from, void* to);
asm(R"(
.text
.p2align 4
.globl avatar_rt_emulated_step
.hidden avatar_rt_emulated_step
.type avatar_rt_emulated_step, %function
avatar_rt_emulated_step:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size avatar_rt_emulated_step, .-avatar_rt_emulated_step
)");
constexpr int kReturn = 11;         // x30's word
constexpr int kFrame = 20;
#endif

Fiber::Fiber(void (*body)(void*), void* argument, int number) : body_(body), argument_(argument) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* region = mmap(nullptr, page + kStack, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) throw std::bad_alloc();
  mprotect(region, page, PROT_NONE);  // a stack that overflows stops there
  stack_ = static_cast<char*>(region) + page;
  bytes_ = kStack;
#if defined(__x86_64__) || defined(__aarch64__)
  // Stacks that start at equal offsets would share a few lines of the caches.
  const std::size_t offset = static_cast<std::size_t>(number % 32) * 128;
  auto** top = reinterpret_cast<void**>(static_cast<char*>(stack_) + kStack - offset);
  void** frame = top - kFrame;
  for (int i = 0; i < kFrame; ++i) frame[i] = nullptr;
  frame[kReturn] = reinterpret_cast<void*>(&Fiber::begin);
  point_ = frame;
#else
  static_cast<void>(number);
  auto* context = new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = stack_;
  context->uc_stack.ss_size = kStack;
  makecontext(context, &Fiber::begin, 0);
  point_ = context;
#endif
}

Fiber::~Fiber() {
#if !defined(__x86_64__) && !defined(__aarch64__)
  delete static_cast<ucontext_t*>(point_);
#endif
  if (body_ == nullptr) return;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  munmap(static_cast<char*>(stack_) - page, page + bytes_);
}

// Tells AddressSanitizer which stack is in use now, and learns where the caller's own one lies.
void Fiber::arrive() {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom;
  std::size_t bytes;
  __sanitizer_finish_switch_fiber(entering->sanitizer_, &bottom, &bytes);
  if (leaving->body_ == nullptr) {
    leaving->stack_ = const_cast<void*>(bottom);
    leaving->bytes_ = bytes;
  }
#endif
}

void Fiber::begin() {
  arrive();
  entering->body_(entering->argument_);
  std::abort();
}

void Fiber::switch_to(Fiber& next) {
  leaving = this;
  entering = &next;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&sanitizer_, next.stack_, next.bytes_);
#endif
#if defined(__x86_64__) || defined(__aarch64__)
  avatar_rt_emulated_step(&point_, next.point_);
#else
  if (point_ == nullptr) point_ = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(point_), static_cast<ucontext_t*>(next.point_));
#endif
  arrive();
}

}  // namespace emulated
