// SyscallTrap: for tests, every system call that this thread makes, counted, and failed on demand.
//
//   SyscallTrap trap;
//   trap.Fail(SYS_accept4, ECONNABORTED, 2);      // the first two of them
//   if (!trap.Start()) GTEST_SKIP() << ...;
//   ...
//   trap.Stop();
//   EXPECT_EQ(trap.of(SYS_recvfrom), 100u);  EXPECT_EQ(trap.total(), 300u);
//
// Linux's syscall user dispatch (prctl(2), PR_SET_SYSCALL_USER_DISPATCH, Linux 5.11) hands each
// call of the thread to a SIGSYS handler, whoever made it: our code, the C library, a sanitizer.
// The handler counts it and makes it, so the count is the kernel's own. What the vDSO answers
// (clock_gettime) is no call and is not seen; if it fell back to one, that would be. x86-64 only.
// Other threads and their calls are not seen.
#ifndef FAULTLINE_RUNTIME_EPOLL_SYSCALL_TRAP_H_
#define FAULTLINE_RUNTIME_EPOLL_SYSCALL_TRAP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace faultline::epoll {

class SyscallTrap {
 public:
  SyscallTrap() = default;
  SyscallTrap(const SyscallTrap&) = delete;
  SyscallTrap& operator=(const SyscallTrap&) = delete;
  ~SyscallTrap();

  // The next `times` calls of `number` fail with `error` and are not made.
  void Fail(long number, int error, uint64_t times);

  // From here to `Stop` no thread or process may be started. One trap at a time in the process.
  // False if the kernel cannot do it.
  [[nodiscard]] bool Start();
  void Stop();

  // Calls with this number (SYS_...), failed ones included.
  uint64_t of(long number) const { return calls_[static_cast<size_t>(number)].count; }
  uint64_t total() const;
  // "44:100 45:100 ", number and count of each kind, for messages.
  std::string ToString() const;

  struct Call {
    uint64_t count = 0;
    uint64_t to_fail = 0;
    int error = 0;
  };

 private:
  static constexpr size_t kNumbers = 512;

  std::array<Call, kNumbers> calls_{};
  bool started_ = false;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_SYSCALL_TRAP_H_
