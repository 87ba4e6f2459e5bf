// Goal: a client moves to another port whenever it likes, and nothing is lost on the way; the
// server follows it when the new path has been proven. Method: a client that echoes a stream
// before, while and after its socket is replaced; what both ends say of the path, in both worlds
// and in bad weather.

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "transports/quic/quic.h"
#include "transports/quic/testing/fixture.h"
#include "transports/testing/samples.h"

namespace faultline::quic {
namespace {

using faultline::testing::Sample;
using testing::Context;
using testing::EchoServer;
using testing::InBothWorlds;
using testing::kMax;
using testing::ListenAt;
using testing::NewContext;
using testing::OneTo;
using testing::Place;

constexpr uint64_t kEach = 40;  // messages from each port

// Sends each message back; keeps the ports that they came from, each once.
Task<void> FollowingServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  for (;;) {
    auto read = co_await accepted->ReadMessage(kMax);
    context->server_end = read.status();
    if (!read.ok()) break;
    uint64_t port = accepted->peer_address().port();
    if (context->received.empty() || context->received.back() != port) {
      context->received.push_back(port);
    }
    FrozenBatch batch;
    batch.Add(read->frozen());
    EXPECT_TRUE((co_await accepted->SendBatch(&batch)).ok());
  }
}

Task<void> EchoSome(Connection* connection, BufferPool* pool, Context* context) {
  for (uint64_t i = 0; i < kEach; ++i) {
    FrozenBatch batch;
    batch.Add(Sample(pool, context->answers.size() + 1, 3000).frozen());
    EXPECT_TRUE((co_await connection->SendBatch(&batch)).ok());
    auto read = co_await connection->ReadMessage(kMax);
    FAULTLINE_CHECK(read.ok()) << read.status();
    context->answers.push_back(faultline::testing::TagOf(*read));
  }
}

Task<void> MovingClient(Place place, Context* context) {
  while (context->address == Endpoint()) (void)co_await place.runtime.clock->SleepFor(1ms);
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(context->address);
  FAULTLINE_CHECK(connected.ok()) << connected.status();
  co_await EchoSome(&*connected, place.runtime.buffers, context);
  for (uint64_t moves = 1; moves <= 2; ++moves) {
    Endpoint before = connected->local_address();
    absl::Status moved = connector.Rebind();
    EXPECT_TRUE(moved.ok()) << moved;
    EXPECT_NE(connected->local_address().port(), before.port());
    co_await EchoSome(&*connected, place.runtime.buffers, context);
    EXPECT_EQ(connected->details().paths_validated, moves);
  }
  EXPECT_TRUE(connected->Close().ok());
}

void CheckMoved(const Context& context) {
  EXPECT_EQ(context.answers, OneTo(3 * kEach));
  EXPECT_EQ(context.received.size(), 3u);  // ports
}

TEST(QuicMigration, AClientMovesAndItsServerFollows) {
  InBothWorlds(FollowingServer, MovingClient, CheckMoved);
}

TEST(QuicMigration, SurvivesLoss) {
  testing::Weather weather;
  weather.link.loss = {1, 20};
  testing::UnderWeather(
      FollowingServer, MovingClient,
      [](const Context& context) { EXPECT_EQ(context.answers, OneTo(3 * kEach)); }, NewContext(),
      weather, 25);
}

// RFC 9000, section 9: not before the handshake is confirmed.
Task<void> HastyClient(Place place, Context* context) {
  while (context->address == Endpoint()) (void)co_await place.runtime.clock->SleepFor(1ms);
  auto hub =
      Hub::Start(place.surroundings, Hub::Role::kClient, Endpoint::Ipv4Any(0), context->client);
  FAULTLINE_CHECK(hub.ok()) << hub.status();
  EXPECT_TRUE(absl::IsFailedPrecondition((*hub)->Rebind(Endpoint::Ipv4Any(0))));  // not begun yet
  SessionHandle session(hub->Again(), *(*hub)->Connect(context->address));
  (void)co_await place.runtime.clock->SleepFor(Duration(1));
  Endpoint before = (*hub)->local_address();
  EXPECT_TRUE(absl::IsFailedPrecondition((*hub)->Rebind(Endpoint::Ipv4Any(0))));
  EXPECT_EQ((*hub)->local_address(), before);
  EXPECT_TRUE((co_await session.Settled()).ok());
  auto stream = session.OpenStream();
  EXPECT_TRUE(stream.ok()) << stream.status();
  (void)co_await place.runtime.clock->SleepFor(100ms);
  EXPECT_TRUE((*hub)->Rebind(Endpoint::Ipv4Any(0)).ok());
  EXPECT_EQ((*hub)->counters().migrations, 1u);
  session.Close();
}

Task<void> WaitingServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  context->server_end = (co_await accepted->ReadMessage(kMax)).status();
}

TEST(QuicMigration, NobodyMovesInAHandshake) {
  InBothWorlds(WaitingServer, HastyClient,
               [](const Context& context) { EXPECT_FALSE(context.server_end.ok()); });
}

}  // namespace
}  // namespace faultline::quic
