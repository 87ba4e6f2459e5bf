// Goal: errors of the kernel that cannot be brought about at will are handled as the headers say:
// repeated, waited out, skipped, or reported with their errno.
// Method: the calls of the thread are failed with a chosen error, a chosen number of times.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include "runtime/combine.h"
#include "runtime/epoll/syscall_trap.h"
#include "runtime/epoll/testing.h"
#include "runtime/errors.h"

namespace faultline::epoll {
namespace {

struct FaultsTest : ::testing::TestWithParam<int> {
  // Connects a pair, then runs `body` with the trap set.
  using Body = Task<void> (*)(FaultsTest*);
  Task<void> Trapped(Body body) {
    auto listening = network->Listen(Endpoint::Ipv4Loopback(0), {});
    auto connected = co_await ConnectRaw(network, Endpoint::Ipv4Loopback(0));
    EXPECT_TRUE(listening.ok() && connected.ok());
    if (!listening.ok() || !connected.ok()) co_return;
    listener = *std::move(listening);
    pair = *std::move(connected);
    supported = trap.Start();
    if (supported) co_await body(this);
    trap.Stop();
    pair.stream.reset();
    listener.reset();
  }
  void Run(Body body) {
    loop->Run(Trapped(body));
    if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  }

  std::unique_ptr<Loop> loop = MakeLoop();
  Clock* clock = loop->runtime().clock;
  Network* network = loop->runtime().network;
  std::unique_ptr<Listener> listener;
  RawPair pair;
  SyscallTrap trap;
  bool supported = false;
};

Task<void> ExpectAccepted(FaultsTest* t) {
  auto [accepted, connected] =
      co_await All(t->listener->Accept(), t->network->Connect(t->listener->local_address(), {}));
  EXPECT_TRUE(connected.ok()) << connected.status();
  EXPECT_TRUE(accepted.ok()) << accepted.status();
}

// --- accept4 ---

struct DeadConnections : FaultsTest {};
INSTANTIATE_TEST_SUITE_P(Errors, DeadConnections,
                         ::testing::Values(ECONNABORTED, EINTR, EPROTO, ENETDOWN, EHOSTUNREACH));

Task<void> SkipDead(FaultsTest* t) {
  t->trap.Fail(SYS_accept4, FaultsTest::GetParam(), 3);
  co_await ExpectAccepted(t);
}

TEST_P(DeadConnections, AreSkipped) {
  Run(&SkipDead);
  // Three dead, one empty backlog at most before the connection comes, the living.
  EXPECT_LE(trap.of(SYS_accept4), 5u);
}

struct Starvation : FaultsTest {};
INSTANTIATE_TEST_SUITE_P(Errors, Starvation, ::testing::Values(EMFILE, ENFILE, ENOBUFS, ENOMEM));

Task<void> WaitOut(FaultsTest* t) {
  t->trap.Fail(SYS_accept4, FaultsTest::GetParam(), 4);
  MonotonicTime before = t->clock->Now();
  co_await ExpectAccepted(t);
  EXPECT_GE(t->clock->Now() - before, 15ms);  // 1 + 2 + 4 + 8: longer each time
}

TEST_P(Starvation, IsWaitedOutWithLongerAndLongerPauses) {
  Run(&WaitOut);
  EXPECT_GE(trap.of(SYS_accept4), 5u);
  EXPECT_LE(trap.of(SYS_accept4), 6u);
}

Task<void> WaitOutTwice(FaultsTest* t) {
  for (int i = 0; i < 2; ++i) {
    t->trap.Fail(SYS_accept4, EMFILE, 1);
    co_await ExpectAccepted(t);
  }
}

struct Faults : FaultsTest {};
INSTANTIATE_TEST_SUITE_P(Once, Faults, ::testing::Values(0));

TEST_P(Faults, AStarvedAcceptRecoversEachTime) { Run(&WaitOutTwice); }

Task<void> ReportOther(FaultsTest* t) {
  t->trap.Fail(SYS_accept4, EPERM, 1);
  auto accepted = co_await t->listener->Accept();
  EXPECT_EQ(ErrnoOf(accepted.status()), EPERM) << accepted.status();
  co_await ExpectAccepted(t);
}

TEST_P(Faults, OtherErrorsOfAcceptAreReportedAndDoNotEndTheListener) { Run(&ReportOther); }

// --- Interruptions ---

Task<void> Interrupted(FaultsTest* t) {
  t->trap.Fail(SYS_recvfrom, EINTR, 2);
  t->trap.Fail(SYS_sendto, EINTR, 2);
  t->trap.Fail(SYS_epoll_pwait2, EINTR, 2);
  std::array<std::byte, 4> bytes{};
  auto taken = co_await t->pair.stream->Write(bytes);
  EXPECT_EQ(taken.value_or(0), 4u) << taken.status();
  RawSend(t->pair.raw, "text");
  auto got = co_await ReadText(t->clock, t->pair.stream.get());
  EXPECT_EQ(got.value_or(""), "text") << got.status();
  EXPECT_TRUE((co_await t->clock->SleepFor(1ms)).ok());
}

TEST_P(Faults, InterruptedCallsAreRepeated) { Run(&Interrupted); }

// --- Errors that are the caller's to see ---

Task<void> NoMemoryToSend(FaultsTest* t) {
  t->trap.Fail(SYS_sendto, ENOBUFS, 1);
  std::array<std::byte, 4> bytes{};
  auto taken = co_await t->pair.stream->Write(bytes);
  EXPECT_EQ(ErrnoOf(taken.status()), ENOBUFS) << taken.status();
  t->trap.Fail(SYS_recvfrom, ETIMEDOUT, 1);
  auto got = co_await t->pair.stream->Read(bytes);
  EXPECT_EQ(ErrnoOf(got.status()), ETIMEDOUT) << got.status();
}

TEST_P(Faults, ErrorsOfTransfersKeepTheirErrno) { Run(&NoMemoryToSend); }

// The kernel tells once of what ended a connection, by whatever errno; its next answer is 0 bytes.
Task<void> LostConnection(FaultsTest* t) {
  std::array<std::byte, 4> bytes{};
  t->trap.Fail(SYS_recvfrom, ENETUNREACH, 1);
  auto got = co_await t->pair.stream->Read(bytes);
  EXPECT_EQ(ErrnoOf(got.status()), ENETUNREACH) << got.status();
  t->pair.raw = Descriptor();
  for (int i = 0; i < 2; ++i) {
    got = co_await t->pair.stream->Read(bytes);
    EXPECT_EQ(ErrnoOf(got.status()), ENETUNREACH) << "not a clean end: " << got.status();
  }
}

TEST_P(Faults, ALostConnectionNeverReadsAsTheEnd) { Run(&LostConnection); }

Task<void> NoMemoryIsNoEnd(FaultsTest* t) {
  std::array<std::byte, 4> bytes{};
  t->trap.Fail(SYS_sendto, ENOBUFS, 1);
  auto taken = co_await t->pair.stream->Write(bytes);
  EXPECT_EQ(ErrnoOf(taken.status()), ENOBUFS) << taken.status();
  t->pair.raw = Descriptor();
  auto got = co_await t->pair.stream->Read(bytes);
  EXPECT_EQ(got.value_or(99), 0u) << got.status();
}

TEST_P(Faults, ALackOfMemoryDoesNotSpoilTheEnd) { Run(&NoMemoryIsNoEnd); }

Task<void> NoMoreWatches(FaultsTest* t) {
  std::array<std::byte, 4> bytes{};
  t->trap.Fail(SYS_epoll_ctl, ENOSPC, 3);
  auto got = co_await t->pair.stream->Read(bytes);
  EXPECT_EQ(ErrnoOf(got.status()), ENOSPC) << got.status();
  auto accepted = co_await t->listener->Accept();
  EXPECT_EQ(ErrnoOf(accepted.status()), ENOSPC) << accepted.status();
  auto connected = co_await t->network->Connect(t->listener->local_address(), {});
  EXPECT_EQ(ErrnoOf(connected.status()), ENOSPC) << connected.status();
  // And once there is room again, so is everything else.
  RawSend(t->pair.raw, "text");
  auto text = co_await ReadText(t->clock, t->pair.stream.get());
  EXPECT_EQ(text.value_or(""), "text") << text.status();
}

TEST_P(Faults, AnOperationThatCannotBeWatchedFailsAndDoesNotHang) { Run(&NoMoreWatches); }

Task<void> FailedHandshake(FaultsTest* t) {
  t->trap.Fail(SYS_connect, EADDRNOTAVAIL, 1);
  auto connected = co_await t->network->Connect(t->listener->local_address(), {});
  EXPECT_EQ(ErrnoOf(connected.status()), EADDRNOTAVAIL) << connected.status();
  t->trap.Fail(SYS_connect, ENETUNREACH, 1);
  connected = co_await t->network->Connect(t->listener->local_address(), {});
  EXPECT_EQ(ErrnoOf(connected.status()), ENETUNREACH) << connected.status();
  t->trap.Fail(SYS_getsockopt, EHOSTUNREACH, 1);
  connected = co_await t->network->Connect(t->listener->local_address(), {});
  EXPECT_EQ(ErrnoOf(connected.status()), EHOSTUNREACH) << connected.status();
}

TEST_P(Faults, ErrorsOfConnectKeepTheirErrno) { Run(&FailedHandshake); }

Task<void> FullSocket(FaultsTest* t) {
  auto socket = t->network->Bind(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(socket.ok()) << socket.status();
  Endpoint self = (*socket)->local_address();
  std::array<std::byte, 4> bytes{};
  t->trap.Fail(SYS_sendmsg, EAGAIN, 1);  // no room: it waits until there is
  auto sent = co_await (*socket)->SendTo(&self, bytes);
  EXPECT_EQ(sent.value_or(0), 4u) << sent.status();
  t->trap.Fail(SYS_recvmsg, EAGAIN, 1);
  auto got = co_await (*socket)->ReceiveFrom(bytes, nullptr);
  EXPECT_EQ(got.value_or(0), 4u) << got.status();
  t->trap.Fail(SYS_sendmsg, EINTR, 1);
  t->trap.Fail(SYS_recvmsg, EINTR, 1);
  sent = co_await (*socket)->SendTo(&self, bytes);
  EXPECT_EQ(sent.value_or(0), 4u) << sent.status();
  got = co_await (*socket)->ReceiveFrom(bytes, nullptr);
  EXPECT_EQ(got.value_or(0), 4u) << got.status();
  t->trap.Fail(SYS_sendmsg, ENETUNREACH, 1);
  sent = co_await (*socket)->SendTo(&self, bytes);
  EXPECT_EQ(ErrnoOf(sent.status()), ENETUNREACH) << sent.status();
}

TEST_P(Faults, DatagramsWaitForRoomAndReportTheRest) { Run(&FullSocket); }

// Three datagrams of 4, 4 and 2 bytes.
Task<void> ExpectCut(DatagramSocket* socket) {
  Endpoint self = socket->local_address();
  std::array<std::byte, 10> bytes{};
  auto sent = co_await socket->SendTo(&self, bytes, {.segment_bytes = 4});
  EXPECT_EQ(sent.value_or(0), 10u) << sent.status();
  for (size_t size : {4, 4, 2}) {
    auto got = co_await socket->ReceiveFrom(bytes, nullptr);
    EXPECT_EQ(got.value_or(0), size) << got.status();
  }
}

// Once refused, the kernel is not asked again: three calls instead of one, from then on.
Task<void> NoSegmentation(FaultsTest* t) {
  auto socket = t->network->Bind(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(socket.ok()) << socket.status();
  uint64_t before = t->trap.of(SYS_sendmsg);
  co_await ExpectCut(socket->get());
  EXPECT_EQ(t->trap.of(SYS_sendmsg) - before, 1u);
  t->trap.Fail(SYS_sendmsg, FaultsTest::GetParam(), 1);
  co_await ExpectCut(socket->get());
  EXPECT_EQ(t->trap.of(SYS_sendmsg) - before, 5u);
  co_await ExpectCut(socket->get());
  EXPECT_EQ(t->trap.of(SYS_sendmsg) - before, 8u);
}

struct Segmentation : FaultsTest {};
INSTANTIATE_TEST_SUITE_P(Errors, Segmentation, ::testing::Values(EIO, EINVAL, EOPNOTSUPP));

TEST_P(Segmentation, IsDoneHereWhereTheKernelRefuses) { Run(&NoSegmentation); }

// No room in the middle of it: it goes on where it was.
Task<void> InterruptedSegmentation(FaultsTest* t) {
  auto socket = t->network->Bind(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(socket.ok()) << socket.status();
  t->trap.Fail(SYS_sendmsg, EIO, 1);
  co_await ExpectCut(socket->get());
  t->trap.Fail(SYS_sendmsg, EAGAIN, 1);
  co_await ExpectCut(socket->get());
}

TEST_P(Faults, ASegmentedSendWaitsForRoomToo) { Run(&InterruptedSegmentation); }

}  // namespace
}  // namespace faultline::epoll
