// SyscallCount: for tests, every system call that this thread makes, counted by the kernel's own
// account.
//
//   SyscallCount count;
//   count.Start();  ...  count.Stop();
//   EXPECT_EQ(count.of(SYS_recvfrom), 100u);  EXPECT_EQ(count.total(), 300u);
//
// Linux's syscall user dispatch (prctl(2), PR_SET_SYSCALL_USER_DISPATCH, Linux 5.11) hands each
// call of the thread to a SIGSYS handler, whoever made it: our code, the C library, a sanitizer.
// The handler counts it and makes it. What the vDSO answers (clock_gettime) is no call and is not
// seen; if it fell back to one, that would be. x86-64 only. Other threads and their calls are not
// seen.
#ifndef FAULTLINE_RUNTIME_EPOLL_SYSCALL_COUNT_H_
#define FAULTLINE_RUNTIME_EPOLL_SYSCALL_COUNT_H_

#include <array>
#include <cstdint>
#include <string>

namespace faultline::epoll {

class SyscallCount {
 public:
  SyscallCount() = default;
  SyscallCount(const SyscallCount&) = delete;
  SyscallCount& operator=(const SyscallCount&) = delete;
  ~SyscallCount();

  // From here to `Stop` no thread or process may be started. One count at a time in the process.
  // False if the kernel cannot do it.
  [[nodiscard]] bool Start();
  void Stop();

  // Calls with this number (SYS_...), of <sys/syscall.h>.
  uint64_t of(long number) const { return counts_[static_cast<size_t>(number)]; }
  uint64_t total() const;
  // "44:100 45:100 ", number and count of each kind, for messages.
  std::string ToString() const;

 private:
  static constexpr size_t kNumbers = 512;

  std::array<uint64_t, kNumbers> counts_{};
  bool counting_ = false;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_SYSCALL_COUNT_H_
