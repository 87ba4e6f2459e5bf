// Goal: nothing is lost when a stream changes hands (stream.h: Detach; network.h: Adopt): bytes,
// ends, errors, addresses; and one that nobody adopts ends as one that is destroyed.
// Method: two connected streams; the server's end is detached in some state of both, and adopted
// where it came from. Between loops: runtime/shards/handover_test.cc.
#include "runtime/contract/detach_contract.h"

#include <cerrno>
#include <utility>

#include "runtime/combine.h"
#include "runtime/contract/helpers.h"
#include "runtime/detached_stream.h"
#include "runtime/errors.h"

#define DETACH_TEST(name)                                                                \
  static Task<void> name##Body(DetachContract* t);                                       \
  TEST_P(DetachContract, name) {                                                         \
    Run(WithStreams(                                                                     \
        [](StreamContract* t) { return name##Body(static_cast<DetachContract*>(t)); })); \
  }                                                                                      \
  static Task<void> name##Body([[maybe_unused]] DetachContract* t)

namespace faultline::contract {

bool DetachContract::Rehang(std::span<const std::byte> unread) {
  auto detached = server_stream->Detach();
  EXPECT_TRUE(detached.ok()) << detached.status();
  if (!detached.ok()) return false;
  if (!unread.empty()) (*detached)->Unread(unread);
  auto adopted = server().network->Adopt(*std::move(detached));
  EXPECT_TRUE(adopted.ok()) << adopted.status();
  if (!adopted.ok()) return false;
  server_stream = *std::move(adopted);
  return true;
}

namespace {

bool Has(const Bytes& bytes, size_t offset, const Bytes& expected) {
  return offset + expected.size() <= bytes.size() &&
         std::equal(expected.begin(), expected.end(),
                    bytes.begin() + static_cast<ptrdiff_t>(offset));
}

constexpr size_t kLong = 300'000;

// Reads a little, changes hands, and so on; then the rest.
Task<Bytes> ReadInManyHands(DetachContract* t, size_t size) {
  Bytes all;
  while (all.size() < size) {
    Bytes part(std::min<size_t>(7001, size - all.size()));
    auto got = co_await t->server_stream->Read(part);
    if (!got.ok() || *got == 0) break;
    all.insert(all.end(), part.begin(), part.begin() + static_cast<ptrdiff_t>(*got));
    if (!t->Rehang()) break;
  }
  co_return all;
}

DETACH_TEST(NothingIsLostWhileThePeerGoesOnSending) {
  Bytes sent = Pattern(kLong);
  auto [written, received] =
      co_await All(WriteAll(t->client_stream.get(), &sent), ReadInManyHands(t, kLong));
  CONTRACT_REQUIRE_OK(written);
  EXPECT_TRUE(received == sent);
}

Task<absl::Status> WriteInManyHands(DetachContract* t, const Bytes* from) {
  for (size_t done = 0; done < from->size();) {
    const size_t part = std::min<size_t>(7001, from->size() - done);
    auto taken = co_await t->server_stream->Write(std::span(*from).subspan(done, part));
    if (!taken.ok()) co_return taken.status();
    done += *taken;
    if (!t->Rehang()) co_return absl::InternalError("not adopted");
  }
  co_return absl::OkStatus();
}

DETACH_TEST(WhatWasWrittenArrivesWhoeverWroteIt) {
  Bytes sent = Pattern(kLong);
  Bytes received(kLong);
  auto [written, read] =
      co_await All(WriteInManyHands(t, &sent), ReadExactly(t->client_stream.get(), &received));
  CONTRACT_REQUIRE_OK(written);
  CONTRACT_REQUIRE_OK(read);
  EXPECT_TRUE(received == sent);
}

DETACH_TEST(WhatArrivesMeanwhileIsThere) {
  auto detached = t->server_stream->Detach();
  CONTRACT_REQUIRE_OK(detached);
  Bytes sent = Pattern(5000);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  CONTRACT_REQUIRE_OK(co_await t->client().clock->SleepFor(2ms));
  auto adopted = t->server().network->Adopt(*std::move(detached));
  CONTRACT_REQUIRE_OK(adopted);
  absl::Status error;
  EXPECT_TRUE(co_await ReadToEnd(adopted->get(), &error) == sent);
  EXPECT_TRUE(error.ok()) << error;
}

DETACH_TEST(BytesThatWereReadAlreadyComeFirst) {
  Bytes sent = Pattern(1000);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  Bytes early(300);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &early));
  auto detached = t->server_stream->Detach();
  CONTRACT_REQUIRE_OK(detached);
  (*detached)->Unread(std::span(early).subspan(100));
  (*detached)->Unread(std::span(early).first(100));
  auto adopted = t->server().network->Adopt(*std::move(detached));
  CONTRACT_REQUIRE_OK(adopted);
  t->server_stream = *std::move(adopted);
  Bytes some(50);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &some));
  EXPECT_TRUE(Has(sent, 0, some));
  CONTRACT_REQUIRE(t->Rehang());  // what is left of them goes along
  Bytes rest(950);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &rest));
  EXPECT_TRUE(Has(sent, 50, rest));
}

DETACH_TEST(BytesThatWereReadAlreadyComeBeforeTheEnd) {
  Bytes sent = Pattern(10);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  absl::Status error;
  Bytes all = co_await ReadToEnd(t->server_stream.get(), &error);
  CONTRACT_REQUIRE_OK(error);
  CONTRACT_REQUIRE(t->Rehang(all));
  EXPECT_TRUE(co_await ReadToEnd(t->server_stream.get(), &error) == sent);
  EXPECT_TRUE(error.ok()) << error;
}

DETACH_TEST(AHalfCloseOfOursLasts) {
  CONTRACT_REQUIRE_OK(t->server_stream->ShutdownWrite());
  CONTRACT_REQUIRE(t->Rehang());
  absl::Status error;
  EXPECT_TRUE((co_await ReadToEnd(t->client_stream.get(), &error)).empty());
  EXPECT_TRUE(error.ok()) << error;
  Bytes sent = Pattern(100);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  Bytes received(100);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &received));
  EXPECT_TRUE(received == sent);
  EXPECT_EQ(ErrnoOf(co_await WriteError(t->server_stream.get())), EPIPE);
}

DETACH_TEST(AHalfCloseOfThePeersLasts) {
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  Bytes buffer(10);
  auto end = co_await t->server_stream->Read(buffer);
  CONTRACT_REQUIRE_OK(end);
  EXPECT_EQ(*end, 0u);
  CONTRACT_REQUIRE(t->Rehang());
  for (int i = 0; i < 2; ++i) {
    end = co_await t->server_stream->Read(buffer);
    CONTRACT_REQUIRE_OK(end);
    EXPECT_EQ(*end, 0u);
  }
  Bytes sent = Pattern(100);
  Bytes received(100);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->server_stream.get(), &sent));
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->client_stream.get(), &received));
  EXPECT_TRUE(received == sent);
}

DETACH_TEST(AStoppedReadTookNothingWithIt) {
  Bytes buffer(100);
  auto stopped =
      co_await StoppedAfter(t->server().clock, 1ms, ReadSome(t->server_stream.get(), &buffer));
  EXPECT_TRUE(absl::IsCancelled(stopped.status()));
  CONTRACT_REQUIRE(t->Rehang());
  Bytes sent = Pattern(100);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  Bytes received(100);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &received));
  EXPECT_TRUE(received == sent);
}

// A full buffer, whose reader then makes room: the adopted stream hears of it.
DETACH_TEST(AWriteThatHadToWaitGoesOnInOtherHands) {
  auto filled = co_await FillUp(t->server().clock, t->server_stream.get());
  CONTRACT_REQUIRE_OK(filled);
  CONTRACT_REQUIRE(t->Rehang());
  Bytes more = Pattern(100'000, *filled);
  Bytes all(*filled + more.size());
  auto [written, read] = co_await All(WriteAll(t->server_stream.get(), &more),
                                      ReadExactly(t->client_stream.get(), &all));
  CONTRACT_REQUIRE_OK(written);
  CONTRACT_REQUIRE_OK(read);
  EXPECT_TRUE(all == Pattern(all.size()));
}

DETACH_TEST(AddressesStay) {
  const Endpoint local = t->server_stream->local_address();
  const Endpoint peer = t->server_stream->peer_address();
  auto detached = t->server_stream->Detach();
  CONTRACT_REQUIRE_OK(detached);
  EXPECT_EQ((*detached)->local_address(), local);
  EXPECT_EQ((*detached)->peer_address(), peer);
  auto adopted = t->server().network->Adopt(*std::move(detached));
  CONTRACT_REQUIRE_OK(adopted);
  EXPECT_EQ((*adopted)->local_address(), local);
  EXPECT_EQ((*adopted)->peer_address(), peer);
}

DETACH_TEST(OptionsStay) {
  CONTRACT_REQUIRE_OK(t->server_stream->SetReceiveBufferSize(20'000));
  auto before = t->server_stream->ReceiveBufferSize();
  CONTRACT_REQUIRE(t->Rehang());
  auto after = t->server_stream->ReceiveBufferSize();
  CONTRACT_REQUIRE_OK(before);
  CONTRACT_REQUIRE_OK(after);
  EXPECT_EQ(*after, *before);
}

DETACH_TEST(WhoHasLetGoHasAClosedStream) {
  auto detached = t->server_stream->Detach();
  CONTRACT_REQUIRE_OK(detached);
  Bytes bytes = Pattern(10);
  EXPECT_TRUE(
      absl::IsFailedPrecondition((co_await t->server_stream->Read(std::span(bytes))).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      (co_await t->server_stream->Write(std::span<const std::byte>(bytes))).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(t->server_stream->Detach().status()));
  EXPECT_TRUE(t->server_stream->Close().ok());
  t->server_stream.reset();  // nor does its end touch the connection
  auto adopted = t->server().network->Adopt(*std::move(detached));
  CONTRACT_REQUIRE_OK(adopted);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &bytes));
  Bytes received(10);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(adopted->get(), &received));
  EXPECT_TRUE(received == bytes);
}

DETACH_TEST(AClosedStreamIsNotDetached) {
  CONTRACT_REQUIRE_OK(t->server_stream->Close());
  EXPECT_TRUE(absl::IsFailedPrecondition(t->server_stream->Detach().status()));
}

DETACH_TEST(OneThatNobodyAdoptsIsAborted) {
  Bytes sent = Pattern(10);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  CONTRACT_REQUIRE_OK(co_await t->client().clock->SleepFor(2ms));
  CONTRACT_REQUIRE_OK(t->server_stream->Detach());  // and dropped
  EXPECT_EQ(ErrnoOf(co_await ReadError(t->client_stream.get())), ECONNRESET);
}

DETACH_TEST(AResetIsToldToWhoeverAdopts) {
  if (t->is_unix()) co_return;  // has no reset
  auto detached = t->server_stream->Detach();
  CONTRACT_REQUIRE_OK(detached);
  t->client_stream->Abort();
  CONTRACT_REQUIRE_OK(co_await t->client().clock->SleepFor(2ms));
  auto adopted = t->server().network->Adopt(*std::move(detached));
  CONTRACT_REQUIRE_OK(adopted);
  EXPECT_EQ(ErrnoOf(co_await ReadError(adopted->get())), ECONNRESET);
}

// The kernel tells of it once, and a stream each time: in other hands too.
DETACH_TEST(AResetThatAWriteWasToldOfNeverReadsAsTheEnd) {
  if (t->is_unix()) co_return;
  t->client_stream->Abort();
  EXPECT_FALSE((co_await WriteError(t->server_stream.get())).ok());
  CONTRACT_REQUIRE(t->Rehang());
  EXPECT_EQ(ErrnoOf(co_await ReadError(t->server_stream.get())), ECONNRESET);
}

DETACH_TEST(ACloseWithBytesThatWerePutBackResetsThePeer) {
  if (t->is_unix()) co_return;
  Bytes bytes = Pattern(10);
  CONTRACT_REQUIRE(t->Rehang(bytes));
  CONTRACT_REQUIRE_OK(t->server_stream->Close());
  EXPECT_EQ(ErrnoOf(co_await ReadError(t->client_stream.get())), ECONNRESET);
}

Task<absl::Status> DetachSoon(DetachContract* t) {
  (void)co_await t->client().clock->SleepFor(1ms);
  co_return t->server_stream->Detach().status();
}

static Task<void> DetachWhileReading(StreamContract* t) {
  Bytes buffer(10);
  (void)co_await All(ReadSome(t->server_stream.get(), &buffer),
                     DetachSoon(static_cast<DetachContract*>(t)));
}

TEST_P(DetachContract, DetachingWithAnOperationPendingIsOurBug) {
  EXPECT_DEATH(Run(WithStreams(&DetachWhileReading)), "detach with an operation pending");
}

}  // namespace
}  // namespace faultline::contract
