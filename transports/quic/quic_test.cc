// Goal: messages over QUIC behave alike in both worlds: in order, whole, bounded; every end of a
// connection is told from every other; a run in simulation is a function of its seed.
// Method: each scenario is a server and a client, run on epoll over loopback, and in simulation
// between two hosts, under several seeds and a random order of tasks.

#include "transports/quic/quic.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

#include "runtime/combine.h"
#include "runtime/errors.h"
#include "transports/message/frame_error.h"
#include "transports/quic/testing/certificates.h"
#include "transports/quic/testing/fixture.h"
#include "transports/testing/samples.h"

namespace faultline::quic {
namespace {

using faultline::testing::Sample;
using faultline::testing::TagOf;
using message::FrameError;
using message::FrameErrorOf;
using message::IsConnectionClosed;
using message::Message;
using testing::AcceptOne;
using testing::CheckEcho;
using testing::ConnectOne;
using testing::Context;
using testing::EchoClient;
using testing::EchoServer;
using testing::InBothWorlds;
using testing::InSimulation;
using testing::kMax;
using testing::ListenAt;
using testing::NewContext;
using testing::OneTo;
using testing::Place;
using testing::ReadingServer;
using testing::ReadToEnd;

// --- Everything arrives, in order, and both ends are clean ---

TEST(Quic, EchoesInOrderAndEndsCleanly) { InBothWorlds(EchoServer, EchoClient, CheckEcho); }

TEST(Quic, BbrIsQuicToo) {
  Context context = NewContext();
  context.server.transport.congestion_control = CongestionControl::kBbr;
  context.client.transport.congestion_control = CongestionControl::kBbr;
  InBothWorlds(EchoServer, EchoClient, CheckEcho, context);
}

TEST(Quic, TinyBuffersAndWindowsChangeNothing) {
  Context context = NewContext();
  for (Options* options : {&context.server, &context.client}) {
    options->transport.send_buffer_bytes = 700;
    options->transport.stream_window_bytes = 3000;
    options->transport.session_window_bytes = 2000;
  }
  InBothWorlds(EchoServer, EchoClient, CheckEcho, context);
}

TEST(Quic, Ipv6IsQuicToo) {
  CheckEcho(testing::OnEpoll(EchoServer, EchoClient, NewContext(), Endpoint::Ipv6Loopback(0)));
}

TEST(Quic, EqualSeedsAreEqualRuns) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    auto first = InSimulation(EchoServer, EchoClient, NewContext(), {.seed = seed});
    auto again = InSimulation(EchoServer, EchoClient, NewContext(), {.seed = seed});
    auto other = InSimulation(EchoServer, EchoClient, NewContext(), {.seed = seed + 100});
    EXPECT_EQ(first.hash, again.hash);
    EXPECT_NE(first.hash, other.hash);
  }
}

// --- Ends that are not clean ---

// Both halves go out of scope.
Task<void> VanishingClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  FrozenBatch batch;
  batch.Add(Sample(place.runtime.buffers, 1, 10).frozen());
  context->sent = co_await connection.SendBatch(&batch);
  (void)co_await place.runtime.clock->SleepFor(20ms);
}

TEST(Quic, AConnectionThatIsDroppedIsReset) {
  InBothWorlds(ReadingServer, VanishingClient, [](const Context& context) {
    EXPECT_TRUE(context.sent.ok()) << context.sent;
    EXPECT_EQ(context.received, OneTo(1));
    EXPECT_EQ(ErrnoOf(context.server_end), ECONNRESET) << context.server_end;
    EXPECT_EQ(CloseCodeOf(context.server_end), CloseCode::kAborted) << context.server_end;
  });
}

// The halves are put together again and closed.
Task<void> ClosingClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  auto [reader, writer] = std::move(connection).Split();
  FrozenBatch batch;
  batch.Add(Sample(place.runtime.buffers, 1, 300'000).frozen());
  context->sent = co_await writer.SendBatch(&batch);
  auto whole = message::StreamConnection::Reunite(std::move(reader), std::move(writer));
  context->sent.Update(whole.Close());
}

TEST(Quic, CloseDeliversWhatWasSent) {
  InBothWorlds(ReadingServer, ClosingClient, [](const Context& context) {
    EXPECT_TRUE(context.sent.ok()) << context.sent;
    EXPECT_EQ(context.received, OneTo(1));
    EXPECT_TRUE(IsConnectionClosed(context.server_end)) << context.server_end;
  });
}

// --- Limits of messages, and back-pressure ---

Task<void> OversizeClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  FrozenBatch batch;
  batch.Add(Sample(place.runtime.buffers, 1, 744).frozen());
  batch.Add(Sample(place.runtime.buffers, 2, 745).frozen());
  batch.Add(Sample(place.runtime.buffers, 3, 0).frozen());
  context->sent = co_await connection.SendBatch(&batch);
  absl::StatusOr<Message> answer = co_await connection.ReadMessage(kMax);
  context->client_end = answer.status();
}

TEST(Quic, AMessageAboveTheServersMaximumEndsTheConnection) {
  Context context = NewContext();
  context.max_message_size = 1000;
  InBothWorlds(
      ReadingServer, OversizeClient,
      [](const Context& context) {
        EXPECT_EQ(context.received, OneTo(1));
        EXPECT_EQ(FrameErrorOf(context.server_end), FrameError::kSizeAboveMaximum);
        EXPECT_EQ(CloseCodeOf(context.client_end), CloseCode::kAborted) << context.client_end;
      },
      context);
}

// Accepts, and does not read before the client has given up.
Task<void> MuteServer(Place place, Context* context) {
  Connection connection = co_await AcceptOne(place, context);
  (void)co_await place.runtime.clock->SleepFor(300ms);
  auto [reader, writer] = std::move(connection).Split();
  context->server_end = co_await ReadToEnd(&reader, &context->received, kMax * 64);
}

Task<void> StoreEnd(Reader* reader, Context* context) {
  context->client_end = co_await ReadToEnd(reader, &context->answers, kMax);
}

// Sends more than the windows and buffers hold; gives up; then the whole connection has ended.
Task<void> ImpatientClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  auto [reader, writer] = std::move(connection).Split();
  Scope scope(co_await ThisTask());
  scope.Spawn(StoreEnd(&reader, context));
  Message large = Sample(place.runtime.buffers, 1, kMax * 32);
  FrozenBatch batch;
  batch.Add(large.frozen());
  Clock* clock = place.runtime.clock;
  context->sent = co_await Deadline(clock, clock->Now() + 50ms, writer.SendBatch(&batch));
  co_await scope.Join();
  FrozenBatch next;
  EXPECT_TRUE(absl::IsFailedPrecondition(co_await writer.SendBatch(&next)));
}

TEST(Quic, ASendThatTimesOutEndsBothHalves) {
  InBothWorlds(MuteServer, ImpatientClient, [](const Context& context) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(context.sent)) << context.sent;
    EXPECT_TRUE(absl::IsAborted(context.client_end)) << context.client_end;
    EXPECT_TRUE(context.received.empty());
    EXPECT_FALSE(context.server_end.ok());
    EXPECT_FALSE(IsConnectionClosed(context.server_end)) << context.server_end;
  });
}

}  // namespace
}  // namespace faultline::quic
