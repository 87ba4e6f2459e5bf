// Goal: QUIC ends when it is told to, when its process dies, and when the world around it does; and
// a client of a server that has died learns of it.
// Method: stop requests in both worlds; crashes and restarts of simulated hosts in mid-transfer, at
// many moments; worlds that are given up while everything is under way.

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/scope.h"
#include "sim/host.h"
#include "sim/world.h"
#include "transports/message/frame_error.h"
#include "transports/quic/quic.h"
#include "transports/quic/testing/fixture.h"
#include "transports/testing/samples.h"

namespace faultline::quic {
namespace {

using faultline::testing::Sample;
using testing::AcceptOne;
using testing::ConnectOne;
using testing::Context;
using testing::InBothWorlds;
using testing::kMax;
using testing::ListenAt;
using testing::NewContext;
using testing::Place;
using testing::ReadingServer;

// --- Stop requests ---

// Holds a connection and its listener in tasks that do not end by themselves.
Task<void> HoldUntilStopped(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  ++context->count;
  auto read = co_await accepted->ReadMessage(kMax);
  context->server_end = read.status();
  auto next = co_await listener.Accept();
  EXPECT_TRUE(absl::IsCancelled(next.status())) << next.status();
}

Task<void> StoppedServer(Place place, Context* context) {
  place.surroundings.scope->Spawn(HoldUntilStopped(place, context));
  while (context->count == 0) (void)co_await place.runtime.clock->SleepFor(1ms);
  place.surroundings.scope->RequestStop();
}

Task<void> WaitingClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  auto read = co_await connection.ReadMessage(kMax);
  context->client_end = read.status();
}

TEST(QuicLifetime, AStopRequestOfTheScopeEndsIt) {
  InBothWorlds(StoppedServer, WaitingClient, [](const Context& context) {
    EXPECT_TRUE(absl::IsCancelled(context.server_end)) << context.server_end;
    EXPECT_EQ(CloseCodeOf(context.client_end), CloseCode::kAborted) << context.client_end;
  });
}

// The connection is kept by somebody who hears of no stop: its end is not awaited for ever.
Task<void> DeafServer(Place place, Context* context) {
  Connection connection = co_await AcceptOne(place, context);
  place.surroundings.scope->RequestStop();
  (void)co_await place.runtime.clock->SleepFor(3s);
  auto read = co_await connection.ReadMessage(kMax);
  context->server_end = read.status();
}

TEST(QuicLifetime, AStopIsBoundedByTheGrace) {
  Context context = NewContext();
  context.server.transport.close_grace = 100ms;
  InBothWorlds(
      DeafServer, WaitingClient,
      [](const Context& context) {
        EXPECT_EQ(CloseCodeOf(context.client_end), CloseCode::kShutdown) << context.client_end;
        EXPECT_EQ(ErrnoOf(context.server_end), ECONNABORTED) << context.server_end;
      },
      context);
}

// --- Giving up ---

Task<void> SilentServer(Place place, Context* context) {
  std::unique_ptr<DatagramSocket> socket = *place.runtime.network->Bind(context->listen, {});
  if (context->address == Endpoint()) context->address = socket->local_address();
  (void)co_await place.runtime.clock->SleepFor(100ms);
}

Task<void> ImpatientClient(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  Clock* clock = place.runtime.clock;
  auto connected =
      co_await Deadline(clock, clock->Now() + 50ms, connector.Connect(context->address));
  context->client_end = connected.status();
}

TEST(QuicLifetime, AConnectCanBeGivenUp) {
  InBothWorlds(SilentServer, ImpatientClient, [](const Context& context) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(context.client_end)) << context.client_end;
  });
}

// Accepts are given up between connections; a closed listener says so, and refuses.
Task<void> ClosingServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  Clock* clock = place.runtime.clock;
  auto nobody = co_await Deadline(clock, clock->Now() + 1ms, listener.Accept());
  EXPECT_TRUE(absl::IsDeadlineExceeded(nobody.status())) << nobody.status();
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  EXPECT_TRUE(listener.Close().ok());
  auto refused = co_await listener.Accept();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  auto read = co_await accepted->ReadMessage(kMax);  // the first connection goes on
  context->server_end = read.status();
}

Task<void> SecondClient(Place place, Context* context) {
  (void)co_await place.runtime.clock->SleepFor(20ms);
  Connection first = co_await ConnectOne(place, context);
  (void)co_await place.runtime.clock->SleepFor(20ms);
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto second = co_await connector.Connect(context->address);
  context->client_end = second.status();
  FrozenBatch batch;
  batch.Add(Sample(place.runtime.buffers, 1, 10).frozen());
  EXPECT_TRUE((co_await first.SendBatch(&batch)).ok());
  EXPECT_TRUE(first.Close().ok());
}

TEST(QuicLifetime, AClosedListenerRefuses) {
  InBothWorlds(ClosingServer, SecondClient, [](const Context& context) {
    EXPECT_TRUE(context.server_end.ok()) << context.server_end;
    EXPECT_EQ(ErrnoOf(context.client_end), ECONNREFUSED) << context.client_end;
    EXPECT_NE(context.client_end.message().find("listener was closed"), std::string::npos)
        << context.client_end;
  });
}

// --- Crashes ---

Task<void> EndlessServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  for (;;) {
    auto accepted = co_await listener.Accept();
    if (!accepted.ok()) co_return;
    for (;;) {
      auto read = co_await accepted->ReadMessage(kMax);
      if (!read.ok()) break;
      ++context->count;
      FrozenBatch batch;
      batch.Add(read->frozen());
      if (!(co_await accepted->SendBatch(&batch)).ok()) break;
    }
  }
}

// Sends and reads until something ends it.
Task<void> EndlessClient(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(context->address);
  context->client_end = connected.status();
  for (uint64_t tag = 1; context->client_end.ok(); ++tag) {
    FrozenBatch batch;
    batch.Add(Sample(place.runtime.buffers, tag, tag % 7 * 1000).frozen());
    context->client_end = co_await connected->SendBatch(&batch);
    if (!context->client_end.ok()) break;
    context->client_end = (co_await connected->ReadMessage(kMax)).status();
  }
}

Task<void> InScope(testing::Side side, Runtime runtime, Context* context) {
  Scope scope(co_await ThisTask());
  Surroundings surroundings{.scope = &scope,
                            .clock = runtime.clock,
                            .network = runtime.network,
                            .entropy = runtime.entropy};
  co_await side(Place{runtime, surroundings}, context);
  co_await scope.Join();
}

struct Crashing {
  explicit Crashing(uint64_t seed, testing::Side talk = EndlessClient) : world({.seed = seed}) {
    context.listen = Endpoint::Ipv4Any(7000);
    context.server.stateless_reset_key = "a key that outlives the process";
    server = world.AddHost({.name = "server"});
    client = world.AddHost({.name = "client"});
    context.address = server->Address(sim::Plane::kReplica, 7000);
    server->Boot([this](const Runtime& run) { return InScope(EndlessServer, run, &context); });
    client->Boot([this, talk](const Runtime& run) { return InScope(talk, run, &context); });
  }
  Context context = NewContext();
  sim::World world;
  sim::Host* server;
  sim::Host* client;
};

TEST(QuicLifetime, AServerThatCameBackResetsItsOldClients) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Crashing run(seed);
    run.world.After(20ms + std::chrono::microseconds(137 * seed), [&] {
      run.server->Crash();
      run.server->Restart();
    });
    (void)run.world.Run({.until = 20s});
    EXPECT_GT(run.context.count, 0u);
    EXPECT_EQ(ErrnoOf(run.context.client_end), ECONNRESET) << run.context.client_end;
    EXPECT_NE(run.context.client_end.message().find("stateless reset"), std::string::npos)
        << run.context.client_end;
  }
}

// Three connections by one socket, of which the last alone speaks to a server that is another one
// by now.
Task<void> ThreeClients(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  std::vector<Connection> connections;
  for (int i = 0; i < 3; ++i) {
    auto connected = co_await connector.Connect(context->address);
    FAULTLINE_CHECK(connected.ok()) << connected.status();
    connections.push_back(*std::move(connected));
  }
  (void)co_await place.runtime.clock->SleepFor(500ms);
  FrozenBatch batch;
  batch.Add(Sample(place.runtime.buffers, 1, 10).frozen());
  EXPECT_TRUE((co_await connections.back().SendBatch(&batch)).ok());
  auto read = co_await connections.back().ReadMessage(kMax);
  context->client_end = read.status();
  context->client_done = true;
}

// Not only to the first.
TEST(QuicLifetime, AResetIsForTheSessionThatHasItsToken) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Crashing run(seed, ThreeClients);
    run.world.After(100ms, [&] {
      run.server->Crash();
      run.server->Restart();
    });
    run.world.After(2s, [&] { EXPECT_TRUE(run.context.client_done); });  // before any keepalive
    (void)run.world.Run({.until = 60s});
    EXPECT_EQ(ErrnoOf(run.context.client_end), ECONNRESET) << run.context.client_end;
  }
}

TEST(QuicLifetime, AServerThatStaysAwayIsSilence) {
  Crashing run(1);
  run.world.After(20ms, [&] { run.server->Crash(); });
  (void)run.world.Run({.until = 2min});
  EXPECT_EQ(ErrnoOf(run.context.client_end), ETIMEDOUT) << run.context.client_end;
}

// Frames die wherever they stand: in the handshake, in a read, in a send, in the closing period.
TEST(QuicLifetime, ACrashAtAnyMomentIsClean) {
  for (uint64_t step = 0; step < 60; ++step) {
    Crashing run(step);
    run.world.After(std::chrono::microseconds(250 * step), [&] { run.client->Crash(); });
    run.world.After(std::chrono::microseconds(250 * step + 3000), [&] { run.server->Crash(); });
    (void)run.world.Run({.until = 100ms});
    EXPECT_FALSE(run.client->up());
  }
}

TEST(QuicLifetime, AWorldCanEndAtAnyMoment) {
  for (uint64_t step = 0; step < 30; ++step) {
    Crashing run(step);
    sim::Verdict verdict = run.world.Run({.until = std::chrono::microseconds(500 * step)});
    EXPECT_FALSE(verdict.passed());
    EXPECT_TRUE(run.client->up());
  }
}

}  // namespace
}  // namespace faultline::quic
