// Goal: no system call that is not needed. A ping-pong costs one read, one write and one wait a
// turn; a sleep costs one wait; tasks and the clock cost none.
// Method: the kernel counts every call of the thread (syscall_trap.h) while a warm loop works;
// the totals are compared, so that a call of any other kind fails the test too.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/channel.h"
#include "runtime/combine.h"
#include "runtime/epoll/loop.h"
#include "runtime/epoll/syscall_trap.h"
#include "runtime/epoll/testing.h"

namespace faultline::epoll {
namespace {

constexpr uint64_t kRounds = 200;
constexpr size_t kMessage = 256;
// Receivers have room for more than a message, as a reader of frames has: a read that fills its
// buffer could not know that nothing is left.
constexpr size_t kRoom = 4096;

struct Pair {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

Task<void> Connect(Network* network, Endpoint where, Pair* pair) {
  auto listener = network->Listen(where, {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) co_return;
  auto [accepted, connected] =
      co_await All((*listener)->Accept(), network->Connect((*listener)->local_address(), {}));
  EXPECT_TRUE(accepted.ok() && connected.ok());
  if (!accepted.ok() || !connected.ok()) co_return;
  pair->client = *std::move(connected);
  pair->server = *std::move(accepted);
}

// --- The counter itself ---

TEST(SyscallTrapTest, SeesEveryCallAndNothingElse) {
  SyscallTrap trap;
  if (!trap.Start()) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  for (int i = 0; i < 7; ++i) (void)syscall(SYS_getppid);
  (void)close(-1);
  trap.Stop();
  (void)syscall(SYS_getppid);
  EXPECT_EQ(trap.of(SYS_getppid), 7u);
  EXPECT_EQ(trap.of(SYS_close), 1u);
  EXPECT_EQ(trap.total(), 8u) << trap.ToString();
}

TEST(SyscallTrapTest, FailsTheCallsThatItWasToldToFail) {
  SyscallTrap trap;
  trap.Fail(SYS_getppid, EIO, 2);
  if (!trap.Start()) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_EQ(syscall(SYS_getppid), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(syscall(SYS_getppid), -1);
  EXPECT_GE(syscall(SYS_getppid), 0);
  trap.Stop();
  EXPECT_EQ(trap.of(SYS_getppid), 3u);
}

// --- Ping-pong ---

Task<bool> Echo(Stream* stream, uint64_t rounds) {
  std::array<std::byte, kRoom> buffer;
  for (uint64_t i = 0; i < rounds; ++i) {
    auto got = co_await stream->Read(buffer);
    if (!got.ok() || *got != kMessage) co_return false;
    auto taken = co_await stream->Write(std::span(buffer).first(kMessage));
    if (!taken.ok() || *taken != kMessage) co_return false;
  }
  co_return true;
}

Task<bool> Ask(Stream* stream, uint64_t rounds) {
  std::array<std::byte, kRoom> buffer{};
  for (uint64_t i = 0; i < rounds; ++i) {
    auto taken = co_await stream->Write(std::span(buffer).first(kMessage));
    if (!taken.ok() || *taken != kMessage) co_return false;
    auto got = co_await stream->Read(buffer);
    if (!got.ok() || *got != kMessage) co_return false;
  }
  co_return true;
}

Task<bool> CountedAsk(Stream* stream, SyscallTrap* trap, bool* supported) {
  if (!co_await Ask(stream, 10)) co_return false;
  *supported = trap->Start();
  bool asked = co_await Ask(stream, kRounds);
  trap->Stop();
  co_return asked;
}

Task<void> CountPingPong(Network* network, SyscallTrap* trap, bool* supported) {
  Pair pair;
  co_await Connect(network, Endpoint::Ipv4Loopback(0), &pair);
  if (pair.client == nullptr) co_return;
  auto [asked, echoed] = co_await All(CountedAsk(pair.client.get(), trap, supported),
                                      Echo(pair.server.get(), 10 + kRounds));
  EXPECT_TRUE(asked);
  EXPECT_TRUE(echoed);
}

// Both ends on one loop: each leg of the round is a turn.
TEST(SyscallsTest, APingPongIsOneReadOneWriteAndOneWaitATurn) {
  auto loop = MakeLoop();
  SyscallTrap trap;
  bool supported = false;
  loop->Run(CountPingPong(loop->runtime().network, &trap, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_EQ(trap.of(SYS_recvfrom), 2 * kRounds) << trap.ToString();
  EXPECT_EQ(trap.of(SYS_sendto), 2 * kRounds) << trap.ToString();
  EXPECT_EQ(trap.of(SYS_epoll_pwait2), 2 * kRounds) << trap.ToString();
  EXPECT_EQ(trap.total(), 6 * kRounds) << trap.ToString();
}

Task<void> ServeOne(Network* network, std::atomic<uint16_t>* port) {
  auto listener = network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  port->store((*listener)->local_address().port());
  auto stream = co_await (*listener)->Accept();
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (stream.ok()) EXPECT_TRUE(co_await Echo(stream->get(), 10 + kRounds));
}

Task<void> AskRemote(Network* network, uint16_t port, SyscallTrap* trap, bool* supported) {
  auto stream = co_await network->Connect(Endpoint::Ipv4Loopback(port), {});
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (stream.ok()) EXPECT_TRUE(co_await CountedAsk(stream->get(), trap, supported));
}

// The ends on two threads, as in two programs: the peer answers while this one is still on its way
// into the wait, or long after.
TEST(SyscallsTest, APingPongWithAnotherThreadCostsTheSame) {
  std::atomic<uint16_t> port{0};
  std::thread server([&port] {
    auto loop = MakeLoop();
    loop->Run(ServeOne(loop->runtime().network, &port));
  });
  while (port.load() == 0) std::this_thread::yield();
  auto loop = MakeLoop();
  SyscallTrap trap;
  bool supported = false;
  loop->Run(AskRemote(loop->runtime().network, port.load(), &trap, &supported));
  server.join();
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_EQ(trap.of(SYS_recvfrom), kRounds) << trap.ToString();
  EXPECT_EQ(trap.of(SYS_sendto), kRounds) << trap.ToString();
  EXPECT_EQ(trap.of(SYS_epoll_pwait2), kRounds) << trap.ToString();
  EXPECT_EQ(trap.total(), 3 * kRounds) << trap.ToString();
}

// --- Timers and tasks ---

Task<void> CountSleeps(Clock* clock, SyscallTrap* trap, bool* supported) {
  (void)co_await clock->SleepFor(1us);
  *supported = trap->Start();
  for (uint64_t i = 0; i < kRounds; ++i) (void)co_await clock->SleepFor(50us);
  trap->Stop();
}

TEST(SyscallsTest, ASleepIsOneWaitAndTheClockIsReadWithoutACall) {
  auto loop = MakeLoop();
  SyscallTrap trap;
  bool supported = false;
  loop->Run(CountSleeps(loop->runtime().clock, &trap, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_EQ(trap.of(SYS_epoll_pwait2), kRounds) << trap.ToString();
  EXPECT_EQ(trap.total(), kRounds) << trap.ToString();
}

Task<void> Bounce(Channel<int>* in, Channel<int>* out, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    auto item = co_await in->Receive();
    if (!item.ok()) co_return;
    (void)co_await out->Send(*item + 1);
  }
}

Task<void> CountTasks(SyscallTrap* trap, bool* supported) {
  constexpr int kBounces = 5000;
  Channel<int> there(1);
  Channel<int> back(1);
  Scope scope(co_await ThisTask());
  *supported = trap->Start();
  scope.Spawn(Bounce(&there, &back, kBounces));
  scope.Spawn(Bounce(&back, &there, kBounces));
  (void)co_await there.Send(0);
  co_await scope.Join();
  trap->Stop();
}

// 10,000 resumptions and more: a look at the sockets every 256 of them, and no other call but for
// memory that grows.
TEST(SyscallsTest, ReadyTasksRunWithoutCallsButALookAtTheSocketsNowAndThen) {
  auto loop = MakeLoop();
  SyscallTrap trap;
  bool supported = false;
  loop->Run(CountTasks(&trap, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_GE(trap.of(SYS_epoll_pwait2), 1u) << trap.ToString();
  EXPECT_LE(trap.of(SYS_epoll_pwait2), 100u) << trap.ToString();
}

// --- Streaming, accepting, connecting ---

Task<bool> SendMany(Stream* stream, uint64_t messages) {
  std::array<std::byte, kMessage> buffer{};
  for (uint64_t i = 0; i < messages; ++i) {
    auto taken = co_await stream->Write(buffer);
    if (!taken.ok() || *taken != kMessage) co_return false;
  }
  co_return true;
}

Task<void> CountDrain(Network* network, SyscallTrap* trap, bool* supported) {
  Pair pair;
  co_await Connect(network, Endpoint::Unix(absl::StrCat("@faultline-", getpid())), &pair);
  if (pair.client == nullptr) co_return;
  constexpr size_t kMessages = 100;
  auto all = std::make_unique<std::array<std::byte, 2 * kMessages * kMessage>>();
  *supported = trap->Start();
  EXPECT_TRUE(co_await SendMany(pair.client.get(), kMessages));
  auto got = co_await pair.server->Read(*all);
  trap->Stop();
  EXPECT_TRUE(got.ok());
  EXPECT_EQ(got.value_or(0), kMessages * kMessage);
  EXPECT_EQ(trap->of(SYS_sendto), kMessages) << trap->ToString();
  EXPECT_EQ(trap->of(SYS_recvmsg), 1u) << trap->ToString();
}

// 100 messages that wait in the kernel are one read; writes that find room make no other call than
// the write, and the looks at the other sockets. A Unix socket, because there what has been written
// has arrived.
TEST(SyscallsTest, OneReadTakesAllThatIsThere) {
  auto loop = MakeLoop();
  SyscallTrap trap;
  bool supported = false;
  loop->Run(CountDrain(loop->runtime().network, &trap, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_LE(trap.of(SYS_epoll_pwait2), 3u) << trap.ToString();
}

Task<absl::Status> WriteOnce(Stream* stream, const std::vector<std::byte>* bytes) {
  co_return (co_await stream->Write(*bytes)).status();
}

Task<void> CountPartialWrite(Runtime runtime, SyscallTrap* trap, bool* supported) {
  Pair pair;
  co_await Connect(runtime.network, Endpoint::Unix(absl::StrCat("@faultline-", getpid())), &pair);
  if (pair.client == nullptr) co_return;
  std::vector<std::byte> much(size_t{4} << 20);
  *supported = trap->Start();
  auto taken = co_await pair.client->Write(much);
  EXPECT_TRUE(taken.ok()) << taken.status();
  EXPECT_LT(taken.value_or(0), much.size());
  Clock* clock = runtime.clock;
  absl::Status waited =
      co_await Deadline(clock, clock->Now() + 5ms, WriteOnce(pair.client.get(), &much));
  trap->Stop();
  EXPECT_TRUE(absl::IsDeadlineExceeded(waited)) << waited;
}

TEST(SyscallsTest, AWriteAfterAPartialOneWaitsWithoutTrying) {
  auto loop = MakeLoop();
  SyscallTrap trap;
  bool supported = false;
  loop->Run(CountPartialWrite(loop->runtime(), &trap, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_EQ(trap.of(SYS_sendto), 1u) << trap.ToString();
}

Task<void> CountConnection(Network* network, SyscallTrap* trap, bool* supported) {
  auto listener = network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  Endpoint where = (*listener)->local_address();
  *supported = trap->Start();
  for (uint64_t i = 0; i < kRounds; ++i) {
    auto connected = co_await network->Connect(where, {});
    auto accepted = co_await (*listener)->Accept();
    EXPECT_TRUE(connected.ok() && accepted.ok());
    EXPECT_TRUE((*connected)->Close().ok());
    EXPECT_TRUE((*accepted)->Close().ok());
  }
  trap->Stop();
}

TEST(SyscallsTest, AConnectionIsRegisteredOnceAtMostAndItsOptionsAreInherited) {
  auto loop = MakeLoop();
  SyscallTrap trap;
  bool supported = false;
  loop->Run(CountConnection(loop->runtime().network, &trap, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  // The accepted end never waited: it is not registered at all.
  EXPECT_EQ(trap.of(SYS_epoll_ctl), kRounds) << trap.ToString();
  // TCP_NODELAY, of the connecting end.
  EXPECT_EQ(trap.of(SYS_setsockopt), kRounds) << trap.ToString();
  EXPECT_EQ(trap.of(SYS_accept4), kRounds) << trap.ToString();
  EXPECT_EQ(trap.of(SYS_close), 2 * kRounds) << trap.ToString();
}

}  // namespace
}  // namespace faultline::epoll
