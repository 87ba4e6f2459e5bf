#include "runtime/epoll/syscall_trap.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif

// The only code whose system calls are not dispatched: a call in the C convention
// (number, six arguments), and the return from the handler.
asm(R"(
  .pushsection .text
  .globl faultline_direct_begin
  .globl faultline_direct_syscall
  .globl faultline_direct_restorer
  .globl faultline_direct_end
faultline_direct_begin:
faultline_direct_syscall:
  movq %rdi, %rax
  movq %rsi, %rdi
  movq %rdx, %rsi
  movq %rcx, %rdx
  movq %r8, %r10
  movq %r9, %r8
  movq 8(%rsp), %r9
  syscall
  ret
faultline_direct_restorer:
  movq $15, %rax
  syscall
  nop
faultline_direct_end:
  .popsection
)");

extern "C" {
extern const char faultline_direct_begin[];
extern const char faultline_direct_end[];
long faultline_direct_syscall(long number, long a, long b, long c, long d, long e, long f);
void faultline_direct_restorer();
}

namespace faultline::epoll {
namespace {

// What the handler works on. The handler can be given nothing, hence globals; for tests only.
SyscallTrap::Call* calls = nullptr;
volatile char selector = 0;  // SYSCALL_DISPATCH_FILTER_ALLOW

constexpr char kAllow = 0;
constexpr char kBlock = 1;

// As the kernel has it; the C library's sigaction would put its own restorer in, whose call would
// be dispatched again.
struct KernelSigaction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

constexpr unsigned long kRestorer = 0x04000000;  // SA_RESTORER

void OnSyscall(int, siginfo_t* info, void* context) {
  auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  SyscallTrap::Call& call = calls[info->si_syscall];
  ++call.count;
  if (call.to_fail > 0) {
    --call.to_fail;
    registers[REG_RAX] = -call.error;
    return;
  }
  registers[REG_RAX] = faultline_direct_syscall(
      info->si_syscall, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
      registers[REG_R10], registers[REG_R8], registers[REG_R9]);
}

bool InstallHandler() {
  KernelSigaction action{.handler = &OnSyscall,
                         .flags = SA_SIGINFO | kRestorer,
                         .restorer = &faultline_direct_restorer,
                         .mask = 0};
  return faultline_direct_syscall(SYS_rt_sigaction, SIGSYS, reinterpret_cast<long>(&action), 0,
                                  sizeof(action.mask), 0, 0) == 0;
}

}  // namespace

SyscallTrap::~SyscallTrap() {
  if (started_) Stop();
}

void SyscallTrap::Fail(long number, int error, uint64_t times) {
  Call& call = calls_[static_cast<size_t>(number)];
  call.error = error;
  call.to_fail = times;
}

bool SyscallTrap::Start() {
  FAULTLINE_CHECK(calls == nullptr) << "one trap at a time";
  if (!InstallHandler()) return false;
  selector = kAllow;
  size_t size = static_cast<size_t>(faultline_direct_end - faultline_direct_begin);
  if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, faultline_direct_begin, size,
            &selector) != 0) {
    return false;
  }
  calls = calls_.data();
  started_ = true;
  selector = kBlock;
  return true;
}

void SyscallTrap::Stop() {
  selector = kAllow;
  prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
  calls = nullptr;
  started_ = false;
}

uint64_t SyscallTrap::total() const {
  uint64_t sum = 0;
  for (const Call& call : calls_) sum += call.count;
  return sum;
}

std::string SyscallTrap::ToString() const {
  std::string text;
  for (size_t number = 0; number < calls_.size(); ++number) {
    if (calls_[number].count != 0) absl::StrAppend(&text, number, ":", calls_[number].count, " ");
  }
  return text;
}

}  // namespace faultline::epoll
