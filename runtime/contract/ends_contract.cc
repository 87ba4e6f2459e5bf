// Goal: the three ways to end a stream (stream.h: half-close, close, abort), and the end that
// nobody chose (destruction), as both ends see them.
// Method: two connected streams; one end is ended in some state of the other.
#include <gtest/gtest.h>

#include <cerrno>

#include "runtime/combine.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/helpers.h"
#include "runtime/errors.h"

namespace faultline::contract {
namespace {

Task<absl::Status> HalfCloseLater(Clock* clock, Stream* stream) {
  absl::Status slept = co_await clock->SleepFor(1ms);
  co_return slept.ok() ? stream->ShutdownWrite() : slept;
}

Task<bool> AbortLater(Clock* clock, Stream* stream) {
  bool slept = (co_await clock->SleepFor(1ms)).ok();
  stream->Abort();
  co_return slept;
}

bool IsBrokenPipe(const absl::Status& status) {
  return ErrnoOf(status) == EPIPE || ErrnoOf(status) == ECONNRESET;
}

// --- Half-close ---

STREAM_TEST(StreamContract, AfterAHalfCloseThePeerReadsEverythingThenTheEnd) {
  Bytes sent = Pattern(100'000);
  auto [written, received] =
      co_await All(WriteAll(t->client_stream.get(), &sent), [](StreamContract* t) -> Task<Bytes> {
        Bytes all(100'000);
        EXPECT_TRUE((co_await ReadExactly(t->server_stream.get(), &all)).ok());
        co_return all;
      }(t));
  CONTRACT_REQUIRE_OK(written);
  EXPECT_TRUE(received == sent);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  absl::Status error;
  Bytes rest = co_await ReadToEnd(t->server_stream.get(), &error);
  EXPECT_TRUE(error.ok()) << error;
  EXPECT_TRUE(rest == sent);
}

STREAM_TEST(StreamContract, TheEndOfAStreamIsZeroBytesEachTime) {
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  for (int i = 0; i < 3; ++i) {
    Bytes buffer(10);
    auto read = co_await t->server_stream->Read(buffer);
    CONTRACT_REQUIRE_OK(read);
    EXPECT_EQ(*read, 0u);
  }
}

STREAM_TEST(StreamContract, APendingReadSeesTheEndWhenItComes) {
  Bytes buffer(10);
  auto [read, closed] = co_await All(ReadSome(t->server_stream.get(), &buffer),
                                     HalfCloseLater(t->client().clock, t->client_stream.get()));
  CONTRACT_REQUIRE_OK(closed);
  CONTRACT_REQUIRE_OK(read);
  EXPECT_EQ(*read, 0u);
}

STREAM_TEST(StreamContract, ReadingGoesOnAfterAHalfClose) {
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  Bytes buffer(10);
  auto end = co_await t->server_stream->Read(buffer);
  CONTRACT_REQUIRE_OK(end);
  EXPECT_EQ(*end, 0u);
  Bytes sent = Pattern(50'000);
  Bytes received(50'000);
  auto [written, read] = co_await All(WriteAll(t->server_stream.get(), &sent),
                                      ReadExactly(t->client_stream.get(), &received));
  CONTRACT_REQUIRE_OK(written);
  CONTRACT_REQUIRE_OK(read);
  EXPECT_EQ(received, sent);
}

STREAM_TEST(StreamContract, BothDirectionsCanBeHalfClosed) {
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  CONTRACT_REQUIRE_OK(t->server_stream->ShutdownWrite());
  for (Stream* stream : {t->client_stream.get(), t->server_stream.get()}) {
    Bytes buffer(10);
    auto read = co_await stream->Read(buffer);
    CONTRACT_REQUIRE_OK(read);
    EXPECT_EQ(*read, 0u);
  }
}

STREAM_TEST(StreamContract, AWriteAfterAHalfCloseIsEpipe) {
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  Bytes sent = Pattern(10);
  auto written = co_await t->client_stream->Write(sent);
  EXPECT_EQ(ErrnoOf(written.status()), EPIPE) << written.status();
}

STREAM_TEST(StreamContract, AWriteAfterAHalfCloseIsEpipeWhereThereWasNoRoomEither) {
  CONTRACT_REQUIRE_OK(co_await FillUp(t->client().clock, t->client_stream.get()));
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  Bytes sent = Pattern(10);
  auto written = co_await t->client_stream->Write(sent);
  EXPECT_EQ(ErrnoOf(written.status()), EPIPE) << written.status();
}

// --- Close ---

STREAM_TEST(StreamContract, WhatWasWrittenBeforeACloseIsDelivered) {
  Bytes sent = Pattern(50'000);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  CONTRACT_REQUIRE_OK(t->client_stream->Close());
  absl::Status error;
  Bytes received = co_await ReadToEnd(t->server_stream.get(), &error);
  EXPECT_TRUE(error.ok()) << error;
  EXPECT_TRUE(received == sent);
}

STREAM_TEST(StreamContract, LaterEndsDoNothing) {
  EXPECT_TRUE(t->client_stream->Close().ok());
  EXPECT_TRUE(t->client_stream->Close().ok());
  t->client_stream->Abort();
  t->server_stream->Abort();
  t->server_stream->Abort();
  EXPECT_TRUE(t->server_stream->Close().ok());
  co_return;
}

STREAM_TEST(StreamContract, AClosedStreamIsAFailedPrecondition) {
  Bytes buffer = Pattern(10);
  CONTRACT_REQUIRE_OK(t->client_stream->Close());
  auto read = co_await t->client_stream->Read(buffer);
  auto written = co_await t->client_stream->Write(buffer);
  EXPECT_TRUE(absl::IsFailedPrecondition(read.status())) << read.status();
  EXPECT_TRUE(absl::IsFailedPrecondition(written.status())) << written.status();
  EXPECT_EQ(ErrnoOf(t->client_stream->ShutdownWrite()), ENOTCONN);
}

STREAM_TEST(StreamContract, WritesToAClosedPeerFailAndRaiseNoSignal) {
  CONTRACT_REQUIRE_OK(t->server_stream->Close());
  absl::Status error = co_await WriteError(t->client_stream.get());
  EXPECT_TRUE(IsBrokenPipe(error)) << error;
  error = co_await WriteError(t->client_stream.get());
  EXPECT_EQ(ErrnoOf(error), EPIPE) << error;
}

STREAM_TEST(StreamContract, ACloseWithUnreadInputResetsThePeer) {
  Bytes sent = Pattern(10);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  Bytes first(1);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &first));
  CONTRACT_REQUIRE_OK(t->server_stream->Close());
  absl::Status error = co_await ReadError(t->client_stream.get());
  EXPECT_EQ(ErrnoOf(error), ECONNRESET) << error;
}

// What Linux does: TCP keeps to the end that it has told; a Unix socket tells of the reset.
STREAM_TEST(StreamContract, AResetAfterTheEndIsToldOnUnixSocketsAlone) {
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  EXPECT_TRUE(absl::IsOutOfRange(co_await ReadError(t->server_stream.get())));
  Bytes sent = Pattern(10);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->server_stream.get(), &sent));
  Bytes first(1);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->client_stream.get(), &first));
  CONTRACT_REQUIRE_OK(t->client_stream->Close());
  for (int i = 0; i < 2; ++i) {
    absl::Status error = co_await ReadError(t->server_stream.get());
    EXPECT_EQ(ErrnoOf(error), t->is_unix() ? ECONNRESET : 0) << error;
  }
}

STREAM_DEATH_TEST(StreamContract, ACloseWithAReadPendingIsRefusedLoudly, "pending") {
  Bytes buffer(1);
  Scope scope(co_await ThisTask());
  scope.Spawn([](Stream* stream) -> Task<void> {
    Bytes buffer(1);
    (void)co_await stream->Read(buffer);
  }(t->server_stream.get()));
  (void)co_await t->client().clock->SleepFor(1ms);
  (void)t->server_stream->Close();
  co_await scope.Join();
}

STREAM_DEATH_TEST(StreamContract, AHalfCloseWithAWritePendingIsRefusedLoudly, "pending") {
  (void)co_await FillUp(t->client().clock, t->client_stream.get());
  Scope scope(co_await ThisTask());
  scope.Spawn([](Stream* stream) -> Task<void> {
    // Again and again: a late acknowledgement may make room for one more.
    Bytes buffer(1000);
    while ((co_await stream->Write(buffer)).ok()) {
    }
  }(t->client_stream.get()));
  (void)co_await t->client().clock->SleepFor(1ms);
  (void)t->client_stream->ShutdownWrite();
  co_await scope.Join();
}

STREAM_TEST(StreamContract, AddressesAreKnownAfterTheEnd) {
  Endpoint local = t->client_stream->local_address();
  Endpoint peer = t->client_stream->peer_address();
  CONTRACT_REQUIRE_OK(t->client_stream->Close());
  EXPECT_EQ(t->client_stream->local_address(), local);
  EXPECT_EQ(t->client_stream->peer_address(), peer);
}

// --- Abort ---

STREAM_TEST(StreamContract, AnAbortFailsPendingOperationsWithEcanceled) {
  (void)co_await FillUp(t->client().clock, t->client_stream.get());
  Bytes buffer(1000);
  Bytes more(1000);
  auto [read, written, aborted] = co_await All(
      ReadSome(t->client_stream.get(), &buffer), WriteSome(t->client_stream.get(), &more),
      AbortLater(t->client().clock, t->client_stream.get()));
  EXPECT_TRUE(aborted);
  EXPECT_EQ(ErrnoOf(read.status()), ECANCELED) << read.status();
  EXPECT_EQ(ErrnoOf(written.status()), ECANCELED) << written.status();
}

STREAM_TEST(TcpContract, AnAbortIsAResetToThePeer) {
  t->client_stream->Abort();
  absl::Status error = co_await ReadError(t->server_stream.get());
  EXPECT_EQ(ErrnoOf(error), ECONNRESET) << error;
}

STREAM_TEST(TcpContract, APendingReadOfThePeerSeesTheReset) {
  auto [error, aborted] = co_await All(ReadError(t->server_stream.get()),
                                       AbortLater(t->client().clock, t->client_stream.get()));
  EXPECT_TRUE(aborted);
  EXPECT_EQ(ErrnoOf(error), ECONNRESET) << error;
}

STREAM_TEST(TcpContract, APendingWriteOfThePeerSeesTheReset) {
  (void)co_await FillUp(t->server().clock, t->server_stream.get());
  auto [error, aborted] = co_await All(WriteError(t->server_stream.get()),
                                       AbortLater(t->client().clock, t->client_stream.get()));
  EXPECT_TRUE(aborted);
  EXPECT_TRUE(IsBrokenPipe(error)) << error;
}

STREAM_TEST(TcpContract, AnAbortDropsWhatWasNotDelivered) {
  auto filled = co_await FillUp(t->client().clock, t->client_stream.get());
  CONTRACT_REQUIRE_OK(filled);
  t->client_stream->Abort();
  absl::Status error;
  Bytes received = co_await ReadToEnd(t->server_stream.get(), &error);
  EXPECT_EQ(ErrnoOf(error), ECONNRESET) << error;
  EXPECT_LT(received.size(), *filled);
  EXPECT_TRUE(received == Pattern(received.size()));
}

STREAM_TEST(TcpContract, ADestroyedStreamIsAborted) {
  Bytes sent = Pattern(10);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  Bytes received(10);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &received));
  t->client_stream.reset();
  absl::Status error = co_await ReadError(t->server_stream.get());
  EXPECT_EQ(ErrnoOf(error), ECONNRESET) << error;
}

STREAM_TEST(TcpContract, AHalfCloseAfterAResetIsEnotconn) {
  t->client_stream->Abort();
  (void)co_await ReadError(t->server_stream.get());
  EXPECT_EQ(ErrnoOf(t->server_stream->ShutdownWrite()), ENOTCONN);
}

STREAM_TEST(TcpContract, AHalfCloseAfterBothHaveClosedIsEnotconn) {
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  EXPECT_EQ(ErrnoOf(co_await ReadError(t->server_stream.get())), 0);
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());  // once more is nothing yet
  CONTRACT_REQUIRE_OK(t->server_stream->ShutdownWrite());
  EXPECT_EQ(ErrnoOf(co_await ReadError(t->client_stream.get())), 0);
  EXPECT_EQ(ErrnoOf(t->client_stream->ShutdownWrite()), ENOTCONN);
}

}  // namespace
}  // namespace faultline::contract
