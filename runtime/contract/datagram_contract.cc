// Goal: what datagram.h promises of UDP, in every world.
// Method: two bound sockets, IPv4 and IPv6, one a host.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "runtime/combine.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/helpers.h"
#include "runtime/errors.h"
#include "runtime/frame_pool.h"
#include "runtime/testing/allocation_counter.h"

namespace faultline::contract {
namespace {

Task<absl::StatusOr<size_t>> Receive(DatagramSocket* socket, Bytes* into, DatagramInfo* info) {
  co_return co_await socket->ReceiveFrom(*into, info);
}

Task<absl::StatusOr<size_t>> SendLater(Clock* clock, DatagramSocket* socket, Endpoint to,
                                       const Bytes* bytes) {
  absl::Status slept = co_await clock->SleepFor(1ms);
  if (!slept.ok()) co_return slept;
  co_return co_await socket->SendTo(&to, *bytes);
}

CONTRACT_TEST(DatagramContract, ADatagramArrivesWholeWithItsSender) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  for (size_t size : {1, 100, 1200}) {
    Bytes sent = Pattern(size);
    auto taken = co_await a->SendTo(&to, sent);
    CONTRACT_REQUIRE_OK(taken);
    EXPECT_EQ(*taken, size);
    Bytes received(2000);
    DatagramInfo info;
    auto got = co_await b->ReceiveFrom(received, &info);
    CONTRACT_REQUIRE_OK(got);
    EXPECT_EQ(*got, size);
    received.resize(*got);
    EXPECT_EQ(received, sent);
    EXPECT_EQ(info.from, a->local_address());
    EXPECT_FALSE(info.truncated);
  }
}

CONTRACT_TEST(DatagramContract, EachReceiveIsAtMostOneDatagram) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  size_t total = 0;
  for (size_t size : {10, 20, 30}) {
    Bytes sent = Pattern(size);
    CONTRACT_REQUIRE_OK(co_await a->SendTo(&to, sent));
  }
  for (int i = 0; i < 3; ++i) {
    Bytes received(2000);
    auto got = co_await b->ReceiveFrom(received, nullptr);
    CONTRACT_REQUIRE_OK(got);
    EXPECT_TRUE(*got == 10 || *got == 20 || *got == 30);
    total += *got;
  }
  EXPECT_EQ(total, 60u);
}

CONTRACT_TEST(DatagramContract, ADatagramOfZeroBytesIsADatagram) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  auto taken = co_await a->SendTo(&to, {});
  CONTRACT_REQUIRE_OK(taken);
  EXPECT_EQ(*taken, 0u);
  Bytes received(10);
  DatagramInfo info;
  auto got = co_await b->ReceiveFrom(received, &info);
  CONTRACT_REQUIRE_OK(got);
  EXPECT_EQ(*got, 0u);
  EXPECT_EQ(info.from, a->local_address());
}

CONTRACT_TEST(DatagramContract, ALongDatagramIsCutAndItsRestIsLost) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  Bytes sent = Pattern(100);
  Bytes next = Pattern(7, 1);
  CONTRACT_REQUIRE_OK(co_await a->SendTo(&to, sent));
  Bytes received(40);
  DatagramInfo info;
  auto got = co_await b->ReceiveFrom(received, &info);
  CONTRACT_REQUIRE_OK(got);
  EXPECT_EQ(*got, 40u);
  EXPECT_TRUE(info.truncated);
  EXPECT_EQ(received, Pattern(40));
  CONTRACT_REQUIRE_OK(co_await a->SendTo(&to, next));
  got = co_await b->ReceiveFrom(received, &info);
  CONTRACT_REQUIRE_OK(got);
  EXPECT_EQ(*got, 7u);
  EXPECT_FALSE(info.truncated);
}

// --- Several at once ---

// The datagrams of one receive.
void Split(const Bytes& bytes, const DatagramInfo& info, std::vector<Bytes>* into) {
  size_t segment = info.segment_bytes == 0 ? bytes.size() : info.segment_bytes;
  for (size_t at = 0; at < bytes.size(); at += segment) {
    size_t end = std::min(bytes.size(), at + segment);
    into->emplace_back(bytes.begin() + static_cast<ptrdiff_t>(at),
                       bytes.begin() + static_cast<ptrdiff_t>(end));
  }
}

// Until `count` datagrams are here, or something is wrong.
Task<std::vector<Bytes>> ReceiveDatagrams(DatagramSocket* socket, size_t count, size_t* receives) {
  std::vector<Bytes> all;
  while (all.size() < count) {
    Bytes buffer(size_t{64} << 10);
    DatagramInfo info;
    auto got = co_await socket->ReceiveFrom(buffer, &info);
    if (!got.ok()) break;
    ++*receives;
    buffer.resize(*got);
    Split(buffer, info, &all);
  }
  co_return all;
}

std::vector<Bytes> Cut(const Bytes& bytes, size_t segment) {
  std::vector<Bytes> all;
  Split(bytes, {.segment_bytes = segment}, &all);
  return all;
}

CONTRACT_TEST(DatagramContract, SegmentsOfASendAreDatagrams) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  for (size_t size : {999, 1000, 1001, 2500, 3000}) {
    Bytes sent = Pattern(size);
    auto taken = co_await a->SendTo(&to, sent, {.segment_bytes = 1000});
    CONTRACT_REQUIRE_OK(taken);
    EXPECT_EQ(*taken, size);
    std::vector<Bytes> expected = Cut(sent, 1000);
    size_t receives = 0;
    EXPECT_EQ(co_await ReceiveDatagrams(b.get(), expected.size(), &receives), expected);
    EXPECT_EQ(receives, expected.size());  // it has not asked for more than one at a time
  }
}

CONTRACT_TEST(DatagramContract, WhoTakesSeveralGetsTheSameDatagrams) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1, {.receive_several = true});
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  for (size_t size : {1, 1000, 20'500}) {
    Bytes sent = Pattern(size);
    CONTRACT_REQUIRE_OK(co_await a->SendTo(&to, sent, {.segment_bytes = 1000}));
    std::vector<Bytes> expected = Cut(sent, 1000);
    size_t receives = 0;
    EXPECT_EQ(co_await ReceiveDatagrams(b.get(), expected.size(), &receives), expected);
    EXPECT_LE(receives, expected.size());
  }
}

CONTRACT_TEST(DatagramContract, ASendHasAsManySegmentsAsTheKernelTakes) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  Bytes sent = Pattern(10 * DatagramSocket::kSegmentsMax);
  CONTRACT_REQUIRE_OK(co_await a->SendTo(&to, sent, {.segment_bytes = 10}));
  size_t receives = 0;
  EXPECT_EQ(co_await ReceiveDatagrams(b.get(), DatagramSocket::kSegmentsMax, &receives),
            Cut(sent, 10));
  Bytes more = Pattern(10 * DatagramSocket::kSegmentsMax + 1);
  auto taken = co_await a->SendTo(&to, more, {.segment_bytes = 10});
  EXPECT_TRUE(absl::IsInvalidArgument(taken.status())) << taken.status();
}

CONTRACT_TEST(DatagramContract, CongestionNotificationArrivesAsItWasSent) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  for (Ecn ecn : {Ecn::kNotEct, Ecn::kEct0, Ecn::kEct1, Ecn::kCe, Ecn::kNotEct}) {
    Bytes sent = Pattern(30);
    CONTRACT_REQUIRE_OK(co_await a->SendTo(&to, sent, {.ecn = ecn, .segment_bytes = 20}));
    for (size_t size : {20, 10}) {
      Bytes received(100);
      DatagramInfo info;
      auto got = co_await b->ReceiveFrom(received, &info);
      CONTRACT_REQUIRE_OK(got);
      EXPECT_EQ(*got, size);
      EXPECT_EQ(info.ecn, ecn);
    }
  }
}

CONTRACT_TEST(DatagramContract, DatagramsOfOtherNotificationsStayApart) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1, {.receive_several = true});
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  Bytes sent = Pattern(10);
  for (Ecn ecn : {Ecn::kEct0, Ecn::kEct0, Ecn::kCe, Ecn::kEct0}) {
    CONTRACT_REQUIRE_OK(co_await a->SendTo(&to, sent, {.ecn = ecn}));
  }
  CONTRACT_REQUIRE_OK(co_await t->client().clock->SleepFor(20ms));  // all of them are here
  std::vector<Ecn> all;
  while (all.size() < 4) {
    Bytes received(size_t{64} << 10);
    DatagramInfo info;
    auto got = co_await b->ReceiveFrom(received, &info);
    CONTRACT_REQUIRE_OK(got);
    all.insert(all.end(), *got / sent.size(), info.ecn);
  }
  EXPECT_EQ(all, (std::vector<Ecn>{Ecn::kEct0, Ecn::kEct0, Ecn::kCe, Ecn::kEct0}));
}

// --- Waiting ---

CONTRACT_TEST(DatagramContract, AReceiveWaitsForADatagram) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Bytes sent = Pattern(10);
  Bytes received(20, std::byte{0xA5});
  auto [got, taken] =
      co_await All(Receive(b.get(), &received, nullptr),
                   SendLater(t->client().clock, a.get(), b->local_address(), &sent));
  CONTRACT_REQUIRE_OK(taken);
  CONTRACT_REQUIRE_OK(got);
  EXPECT_EQ(*got, 10u);
  EXPECT_TRUE(std::all_of(received.begin() + 10, received.end(),
                          [](std::byte b) { return b == std::byte{0xA5}; }));
}

CONTRACT_TEST(DatagramContract, ADatagramOverTheLimitIsEmsgsize) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  Bytes too_long(65'536);
  auto taken = co_await a->SendTo(&to, too_long);
  EXPECT_EQ(ErrnoOf(taken.status()), EMSGSIZE) << taken.status();
}

// Of what the length fields hold, IPv6's does not count its own header.
CONTRACT_TEST(DatagramContract, TheLongestDatagramIsNotEmsgsizeAndOneByteMoreIs) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  Bytes longest(t->family() == Endpoint::Family::kIpv6 ? 65'527 : 65'507);
  auto taken = co_await a->SendTo(&to, longest);
  CONTRACT_REQUIRE_OK(taken);
  EXPECT_EQ(*taken, longest.size());
  longest.emplace_back();
  taken = co_await a->SendTo(&to, longest);
  EXPECT_EQ(ErrnoOf(taken.status()), EMSGSIZE) << taken.status();
}

CONTRACT_TEST(DatagramContract, AStoppedReceiveIsCancelledAndLosesNoDatagram) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Endpoint to = b->local_address();
  Bytes sent = Pattern(10);
  Bytes abandoned(10, std::byte{0xA5});
  auto stopped =
      co_await StoppedAfter(t->client().clock, 1ms, Receive(b.get(), &abandoned, nullptr));
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
  CONTRACT_REQUIRE_OK(co_await a->SendTo(&to, sent));
  StopSource stop(co_await CurrentStop());
  stop.RequestStop();
  stopped = co_await WithStop(&stop, Receive(b.get(), &abandoned, nullptr));
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
  Bytes received(10);
  auto got = co_await b->ReceiveFrom(received, nullptr);
  CONTRACT_REQUIRE_OK(got);
  EXPECT_EQ(received, sent);
  EXPECT_EQ(abandoned, Bytes(10, std::byte{0xA5}));
}

CONTRACT_TEST(DatagramContract, PortZeroTakesAFreePortAndNobodyElseCanTakeIt) {
  auto a = t->BindAt(0);
  CONTRACT_REQUIRE(a != nullptr);
  EXPECT_NE(a->local_address().port(), 0);
  EXPECT_EQ(a->local_address().WithPort(0), t->ClientAddress());
  auto again = t->client().network->Bind(a->local_address(), {});
  EXPECT_EQ(ErrnoOf(again.status()), EADDRINUSE) << again.status();
  Endpoint where = a->local_address();
  CONTRACT_REQUIRE_OK(a->Close());
  EXPECT_TRUE(a->Close().ok());
  EXPECT_TRUE(t->client().network->Bind(where, {}).ok());
}

CONTRACT_TEST(DatagramContract, AClosedSocketIsAFailedPrecondition) {
  auto a = t->BindAt(0);
  CONTRACT_REQUIRE(a != nullptr);
  Endpoint self = a->local_address();
  CONTRACT_REQUIRE_OK(a->Close());
  Bytes buffer(10);
  auto taken = co_await a->SendTo(&self, buffer);
  auto got = co_await a->ReceiveFrom(buffer, nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(taken.status())) << taken.status();
  EXPECT_TRUE(absl::IsFailedPrecondition(got.status())) << got.status();
}

CONTRACT_TEST(DatagramContract, AUnixPathIsNotForDatagrams) {
  auto socket = t->client().network->Bind(t->world()->Address(0, Endpoint::Family::kUnix), {});
  EXPECT_EQ(ErrnoOf(socket.status()), EAFNOSUPPORT) << socket.status();
  co_return;
}

Task<void> ReceiveTwiceAtOnce(DatagramContract* t) {
  auto a = t->BindAt(0);
  CONTRACT_REQUIRE(a != nullptr);
  Bytes first(1);
  Bytes second(1);
  (void)co_await All(Receive(a.get(), &first, nullptr), Receive(a.get(), &second, nullptr));
}

TEST_P(DatagramContract, ASecondPendingReceiveIsRefusedLoudly) {
  EXPECT_DEATH(Run(ReceiveTwiceAtOnce(this)), "one receive at a time");
}

Task<void> ReceiveAndForget(DatagramSocket* socket) {
  Bytes buffer(10);
  (void)co_await socket->ReceiveFrom(buffer, nullptr);
}

CONTRACT_TEST(DatagramContract, AFrameMayBeDestroyedWhileItReceives) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  Clock* clock = t->client().clock;
  Doom doom(t->client().executor);
  doom.Spawn(ReceiveAndForget(b.get()));
  doom.DestroyAt(clock, clock->Now() + 1ms);
  EXPECT_TRUE((co_await clock->SleepFor(2ms)).ok());
  EXPECT_TRUE(doom.destroyed());
  Endpoint to = b->local_address();
  Bytes sent = Pattern(10);
  Bytes received(10);
  CONTRACT_REQUIRE_OK(co_await a->SendTo(&to, sent));
  CONTRACT_REQUIRE_OK(co_await b->ReceiveFrom(received, nullptr));
  EXPECT_EQ(received, sent);
}

// Returns the allocations that the rounds made.
Task<uint64_t> PingPong(DatagramSocket* a, DatagramSocket* b, int rounds, int* done) {
  std::array<std::byte, 256> buffer{};
  const Endpoint to_a = a->local_address();
  const Endpoint to_b = b->local_address();
  DatagramInfo info;
  const uint64_t before = testing::ThreadAllocations();
  for (int i = 0; i < rounds; ++i) {
    auto asked = co_await a->SendTo(&to_b, buffer);
    auto heard = co_await b->ReceiveFrom(buffer, &info);
    auto answered = co_await b->SendTo(&to_a, buffer);
    auto got = co_await a->ReceiveFrom(buffer, &info);
    if (asked.ok() && heard.ok() && answered.ok() && got.ok() && *got == buffer.size()) ++*done;
  }
  co_return testing::ThreadAllocations() - before;
}

CONTRACT_TEST(DatagramContract, ASteadyStateSendOrReceiveAllocatesNothing) {
  auto a = t->BindAt(0);
  auto b = t->BindAt(1);
  CONTRACT_REQUIRE(a != nullptr && b != nullptr);
  int rounds = 0;
  (void)co_await PingPong(a.get(), b.get(), 100, &rounds);  // whatever grows once has grown
  uint64_t allocations = co_await PingPong(a.get(), b.get(), 100, &rounds);
  EXPECT_EQ(rounds, 200);
  // Under AddressSanitizer nothing is recycled, so that a use after free is seen.
  if (FAULTLINE_FRAME_POOL != 0) {
    EXPECT_EQ(allocations, 0u);
  }
}

}  // namespace
}  // namespace faultline::contract
