// Goal: each backend can be had by its name, and runs tasks; auto falls back where the kernel
// refuses io_uring, and says why.
// Method: each of them serves a connection over loopback; a filter of system calls (seccomp(2)), in
// a child process, refuses io_uring_setup(2) as hardened machines do.
#include "runtime/backend/backend.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "runtime/errors.h"

namespace faultline::backend {
namespace {

Task<void> AcceptOne(Listener* listener, std::unique_ptr<Stream>* accepted) {
  absl::StatusOr<std::unique_ptr<Stream>> stream = co_await listener->Accept();
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (stream.ok()) *accepted = *std::move(stream);
}

Task<void> ExchangeAByte(Runtime runtime, bool* exchanged) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) co_return;
  Scope scope(co_await ThisTask());
  std::unique_ptr<Stream> server;
  scope.Spawn(AcceptOne(listener->get(), &server));
  auto client = co_await runtime.network->Connect((*listener)->local_address(), {});
  co_await scope.Join();
  EXPECT_TRUE(client.ok()) << client.status();
  if (!client.ok() || server == nullptr) co_return;
  std::array<std::byte, 1> byte = {std::byte{42}};
  EXPECT_TRUE((co_await (*client)->Write(byte)).ok());
  byte[0] = {};
  EXPECT_TRUE((co_await server->Read(byte)).ok());
  *exchanged = byte[0] == std::byte{42};
}

class Backends : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Backends, ::testing::Values("auto", "epoll", "io_uring"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Backends, ServeAConnection) {
  absl::StatusOr<Backend> backend = ParseBackend(GetParam());
  ASSERT_TRUE(backend.ok()) << backend.status();
  EXPECT_STREQ(NameOf(*backend), GetParam());
  absl::StatusOr<ChosenLoop> chosen = MakeLoop(*backend);
  if (!chosen.ok() && *backend == Backend::kIoUring) GTEST_SKIP() << chosen.status();
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_NE(chosen->backend, Backend::kAuto);
  if (*backend != Backend::kAuto) EXPECT_EQ(chosen->backend, *backend);
  bool exchanged = false;
  chosen->loop->Run(ExchangeAByte(chosen->loop->runtime(), &exchanged));
  EXPECT_TRUE(exchanged);
}

TEST(ParseBackend, NamesWhatThereIs) {
  const absl::Status unknown = ParseBackend("kqueue").status();
  EXPECT_TRUE(absl::IsInvalidArgument(unknown));
  EXPECT_EQ(unknown.message(), "there is no backend kqueue: auto, epoll or io_uring");
}

// From now on io_uring_setup(2) fails with `error` in this process.
void RefuseIoUring(int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {.len = std::size(filter), .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    _exit(1);
  }
}

// Ends the process: 0 if everything is as it should be where io_uring is refused with `error`.
[[noreturn]] void TryWhereItIsRefused(int error, const char* word) {
  RefuseIoUring(error);
  const absl::Status refused = MakeLoop(Backend::kIoUring).status();
  if (ErrnoOf(refused) != error) _exit(2);
  if (!absl::StrContains(refused.message(), word)) _exit(3);
  absl::StatusOr<ChosenLoop> chosen = MakeLoop(Backend::kAuto);
  if (!chosen.ok() || chosen->backend != Backend::kEpoll) _exit(4);
  if (chosen->why_not != refused) _exit(5);
  bool exchanged = false;
  chosen->loop->Run(ExchangeAByte(chosen->loop->runtime(), &exchanged));
  _exit(exchanged ? 0 : 6);
}

TEST(Auto, FallsBackToEpollAndSaysWhy) {
  EXPECT_EXIT(TryWhereItIsRefused(ENOSYS, "has no io_uring"), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(TryWhereItIsRefused(EPERM, "io_uring_disabled"), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(TryWhereItIsRefused(ENOMEM, "RLIMIT_MEMLOCK"), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace faultline::backend
