// Goal: no system call that is not needed. A ping-pong costs one read, one write and one wait a
// turn; a sleep costs one wait; tasks and the clock cost none.
// Method: the kernel counts every call of the thread (syscall_count.h) while a warm loop works;
// the totals are compared, so that a call of any other kind fails the test too.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "runtime/channel.h"
#include "runtime/combine.h"
#include "runtime/epoll/loop.h"
#include "runtime/epoll/syscall_count.h"

namespace faultline::epoll {
namespace {

constexpr uint64_t kRounds = 200;
constexpr size_t kMessage = 256;
// Receivers have room for more than a message, as a reader of frames has: a read that fills its
// buffer could not know that nothing is left.
constexpr size_t kRoom = 4096;

std::unique_ptr<Loop> MakeLoop() {
  auto loop = Loop::Create({});
  EXPECT_TRUE(loop.ok()) << loop.status();
  return *std::move(loop);
}

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

TEST(SyscallCountTest, SeesEveryCallAndNothingElse) {
  SyscallCount count;
  if (!count.Start()) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  for (int i = 0; i < 7; ++i) (void)syscall(SYS_getppid);
  (void)close(-1);
  count.Stop();
  (void)syscall(SYS_getppid);
  EXPECT_EQ(count.of(SYS_getppid), 7u);
  EXPECT_EQ(count.of(SYS_close), 1u);
  EXPECT_EQ(count.total(), 8u) << count.ToString();
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

Task<bool> CountedAsk(Stream* stream, SyscallCount* count, bool* supported) {
  if (!co_await Ask(stream, 10)) co_return false;
  *supported = count->Start();
  bool asked = co_await Ask(stream, kRounds);
  count->Stop();
  co_return asked;
}

Task<void> CountPingPong(Network* network, SyscallCount* count, bool* supported) {
  Pair pair;
  co_await Connect(network, Endpoint::Ipv4Loopback(0), &pair);
  if (pair.client == nullptr) co_return;
  auto [asked, echoed] = co_await All(CountedAsk(pair.client.get(), count, supported),
                                      Echo(pair.server.get(), 10 + kRounds));
  EXPECT_TRUE(asked);
  EXPECT_TRUE(echoed);
}

// Both ends on one loop: each leg of the round is a turn.
TEST(SyscallsTest, APingPongIsOneReadOneWriteAndOneWaitATurn) {
  auto loop = MakeLoop();
  SyscallCount count;
  bool supported = false;
  loop->Run(CountPingPong(loop->runtime().network, &count, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_EQ(count.of(SYS_recvfrom), 2 * kRounds) << count.ToString();
  EXPECT_EQ(count.of(SYS_sendto), 2 * kRounds) << count.ToString();
  EXPECT_EQ(count.of(SYS_epoll_pwait2), 2 * kRounds) << count.ToString();
  EXPECT_EQ(count.total(), 6 * kRounds) << count.ToString();
}

Task<void> ServeOne(Network* network, std::atomic<uint16_t>* port) {
  auto listener = network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  port->store((*listener)->local_address().port());
  auto stream = co_await (*listener)->Accept();
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (stream.ok()) EXPECT_TRUE(co_await Echo(stream->get(), 10 + kRounds));
}

Task<void> AskRemote(Network* network, uint16_t port, SyscallCount* count, bool* supported) {
  auto stream = co_await network->Connect(Endpoint::Ipv4Loopback(port), {});
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (stream.ok()) EXPECT_TRUE(co_await CountedAsk(stream->get(), count, supported));
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
  SyscallCount count;
  bool supported = false;
  loop->Run(AskRemote(loop->runtime().network, port.load(), &count, &supported));
  server.join();
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_EQ(count.of(SYS_recvfrom), kRounds) << count.ToString();
  EXPECT_EQ(count.of(SYS_sendto), kRounds) << count.ToString();
  EXPECT_EQ(count.of(SYS_epoll_pwait2), kRounds) << count.ToString();
  EXPECT_EQ(count.total(), 3 * kRounds) << count.ToString();
}

// --- Timers and tasks ---

Task<void> CountSleeps(Clock* clock, SyscallCount* count, bool* supported) {
  (void)co_await clock->SleepFor(1us);
  *supported = count->Start();
  for (uint64_t i = 0; i < kRounds; ++i) (void)co_await clock->SleepFor(50us);
  count->Stop();
}

TEST(SyscallsTest, ASleepIsOneWaitAndTheClockIsReadWithoutACall) {
  auto loop = MakeLoop();
  SyscallCount count;
  bool supported = false;
  loop->Run(CountSleeps(loop->runtime().clock, &count, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_EQ(count.of(SYS_epoll_pwait2), kRounds) << count.ToString();
  EXPECT_EQ(count.total(), kRounds) << count.ToString();
}

Task<void> Bounce(Channel<int>* in, Channel<int>* out, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    auto item = co_await in->Receive();
    if (!item.ok()) co_return;
    (void)co_await out->Send(*item + 1);
  }
}

Task<void> CountTasks(SyscallCount* count, bool* supported) {
  constexpr int kBounces = 5000;
  Channel<int> there(1);
  Channel<int> back(1);
  Scope scope(co_await ThisTask());
  *supported = count->Start();
  scope.Spawn(Bounce(&there, &back, kBounces));
  scope.Spawn(Bounce(&back, &there, kBounces));
  (void)co_await there.Send(0);
  co_await scope.Join();
  count->Stop();
}

// 10,000 resumptions and more: a look at the sockets every 256 of them, and no other call but for
// memory that grows.
TEST(SyscallsTest, ReadyTasksRunWithoutCallsButALookAtTheSocketsNowAndThen) {
  auto loop = MakeLoop();
  SyscallCount count;
  bool supported = false;
  loop->Run(CountTasks(&count, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_GE(count.of(SYS_epoll_pwait2), 1u) << count.ToString();
  EXPECT_LE(count.of(SYS_epoll_pwait2), 100u) << count.ToString();
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

Task<void> CountDrain(Network* network, SyscallCount* count, bool* supported) {
  Pair pair;
  co_await Connect(network, Endpoint::Unix(absl::StrCat("@faultline-", getpid())), &pair);
  if (pair.client == nullptr) co_return;
  constexpr size_t kMessages = 100;
  auto all = std::make_unique<std::array<std::byte, 2 * kMessages * kMessage>>();
  *supported = count->Start();
  EXPECT_TRUE(co_await SendMany(pair.client.get(), kMessages));
  auto got = co_await pair.server->Read(*all);
  count->Stop();
  EXPECT_TRUE(got.ok());
  EXPECT_EQ(got.value_or(0), kMessages * kMessage);
  EXPECT_EQ(count->of(SYS_sendto), kMessages) << count->ToString();
  EXPECT_EQ(count->of(SYS_recvmsg), 1u) << count->ToString();
}

// 100 messages that wait in the kernel are one read; writes that find room make no other call than
// the write, and the looks at the other sockets. A Unix socket, because there what has been written
// has arrived.
TEST(SyscallsTest, OneReadTakesAllThatIsThere) {
  auto loop = MakeLoop();
  SyscallCount count;
  bool supported = false;
  loop->Run(CountDrain(loop->runtime().network, &count, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  EXPECT_LE(count.of(SYS_epoll_pwait2), 3u) << count.ToString();
}

Task<void> CountConnection(Network* network, SyscallCount* count, bool* supported) {
  auto listener = network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  Endpoint where = (*listener)->local_address();
  *supported = count->Start();
  for (uint64_t i = 0; i < kRounds; ++i) {
    auto connected = co_await network->Connect(where, {});
    auto accepted = co_await (*listener)->Accept();
    EXPECT_TRUE(connected.ok() && accepted.ok());
    EXPECT_TRUE((*connected)->Close().ok());
    EXPECT_TRUE((*accepted)->Close().ok());
  }
  count->Stop();
}

TEST(SyscallsTest, AConnectionIsRegisteredOnceAtMostAndItsOptionsAreInherited) {
  auto loop = MakeLoop();
  SyscallCount count;
  bool supported = false;
  loop->Run(CountConnection(loop->runtime().network, &count, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  // The accepted end never waited: it is not registered at all.
  EXPECT_EQ(count.of(SYS_epoll_ctl), kRounds) << count.ToString();
  // TCP_NODELAY, of the connecting end.
  EXPECT_EQ(count.of(SYS_setsockopt), kRounds) << count.ToString();
  EXPECT_EQ(count.of(SYS_accept4), kRounds) << count.ToString();
  EXPECT_EQ(count.of(SYS_close), 2 * kRounds) << count.ToString();
}

}  // namespace
}  // namespace faultline::epoll
