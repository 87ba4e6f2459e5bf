// Goal: packets of a turn leave together and come in together, and carry what routers have to say
// of congestion; a path that forgets it costs nothing but that.
// Method: a server that sends much, in both worlds; what it and its client have counted, and what
// the client's congestion window came to, over links that mark, or bleach.

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "runtime/check.h"
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
using testing::ConnectOne;
using testing::Context;
using testing::InBothWorlds;
using testing::InSimulation;
using testing::kMax;
using testing::ListenAt;
using testing::NewContext;
using testing::OneTo;
using testing::Place;

constexpr uint64_t kMessages = 20;

// Reads everything, then answers with as much.
Task<void> MirrorServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  auto [reader, writer] = std::move(*accepted).Split();
  context->server_end = co_await testing::ReadToEnd(&reader, &context->received, kMax);
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= kMessages; ++tag) {
    batch.Add(Sample(place.runtime.buffers, tag, 50'000).frozen());
  }
  EXPECT_TRUE((co_await writer.SendBatch(&batch)).ok());
  EXPECT_TRUE(writer.FinishWrites().ok());
  auto whole = message::StreamConnection::Reunite(std::move(reader), std::move(writer));
  (void)co_await place.runtime.clock->SleepFor(100ms);
  context->counters = listener.counters();
  EXPECT_TRUE(whole.Close().ok());
}

Task<void> MirrorClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= kMessages; ++tag) {
    batch.Add(Sample(place.runtime.buffers, tag, 50'000).frozen());
  }
  EXPECT_TRUE((co_await connection.SendBatch(&batch)).ok());
  (void)co_await place.runtime.clock->SleepFor(200ms);
  context->count = connection.details().congestion_window_bytes;
  auto [reader, writer] = std::move(connection).Split();
  EXPECT_TRUE(writer.FinishWrites().ok());
  context->client_end = co_await testing::ReadToEnd(&reader, &context->answers, kMax);
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

// In a calm world, first in, first out. Returns the server's host.
sim::Host* Boot(sim::World* world, testing::Side server, testing::Side client, Context* context) {
  sim::Host* first = world->AddHost({.name = "server"});
  sim::Host* second = world->AddHost({.name = "client"});
  context->listen = Endpoint::Ipv4Any(7000);
  context->address = first->Address(sim::Plane::kReplica, 7000);
  first->Boot([=](const Runtime& run) { return InScope(server, run, context); });
  second->Boot([=](const Runtime& run) { return InScope(client, run, context); });
  return first;
}

void CheckMirrored(const Context& context) {
  EXPECT_EQ(context.received, OneTo(kMessages));
  EXPECT_EQ(context.answers, OneTo(kMessages));
}

TEST(QuicDatagrams, PacketsOfATurnLeaveTogether) {
  InBothWorlds(MirrorServer, MirrorClient, [](const Context& context) {
    CheckMirrored(context);
    EXPECT_GT(context.counters.sent, 500u);
    EXPECT_LT(context.counters.sends * 3, context.counters.sent * 2);  // acknowledgements are alone
    EXPECT_EQ(context.counters.send_errors, 0u);
  });
}

// In simulation alone: whether a kernel joins them is its own affair. The server sleeps now and
// then, so that datagrams wait for it.
TEST(QuicDatagrams, WhatHasComeMeanwhileIsReceivedTogether) {
  sim::World world({.seed = 1});
  Context context = NewContext();
  sim::Host* server = Boot(&world, MirrorServer, MirrorClient, &context);
  for (int i = 0; i < 10; ++i) {
    world.After(i * 10ms, [server] { server->Pause(); });
    world.After(i * 10ms + 8ms, [server] { server->Resume(); });
  }
  sim::Verdict verdict = world.Run({.until = 60s});
  EXPECT_TRUE(verdict.passed()) << verdict.ToString();
  CheckMirrored(context);
  EXPECT_GT(context.counters.received, 500u);
  EXPECT_LT(context.counters.receives + 50, context.counters.received);
}

// --- Round trips ---

constexpr uint64_t kRoundTrips = 200;

Task<void> EchoServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  Connection connection = *std::move(accepted);
  FrozenBatch batch;
  for (;;) {
    auto message = co_await connection.ReadMessage(kMax);
    if (!message.ok()) break;
    ++context->count;
    batch.Add(message->frozen());
    if (!(co_await connection.SendBatch(&batch)).ok()) break;
  }
  context->counters = listener.counters();
  (void)connection.Close();
}

Task<void> CallingClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= kRoundTrips; ++tag) {
    batch.Add(Sample(place.runtime.buffers, tag, 100).frozen());
    EXPECT_TRUE((co_await connection.SendBatch(&batch)).ok());
    EXPECT_TRUE((co_await connection.ReadMessage(kMax)).ok());
  }
  EXPECT_TRUE(connection.Close().ok());
}

// In simulation alone: how late a kernel is with a timer is its own affair. A turn for each
// datagram that comes and each acknowledgement that is due (of every second answer, by itself:
// ngtcp2 adds none to a packet before its delay is over); none to look whether something might
// leave by now.
TEST(QuicDatagrams, NobodyWakesUpToSendNothing) {
  sim::World world({.seed = 1});
  Context context = NewContext();
  Boot(&world, EchoServer, CallingClient, &context);
  sim::Verdict verdict = world.Run({.until = 60s});
  EXPECT_TRUE(verdict.passed()) << verdict.ToString();
  EXPECT_EQ(context.count, kRoundTrips);
  constexpr uint64_t kBeside = 30;  // the handshake, the path's MTU, the end
  EXPECT_LT(context.counters.turns, context.counters.received + kRoundTrips + kBeside);
}

// --- Congestion that is told (RFC 9000, section 13.4) ---

Context Over(const sim::LinkConfig& link) {
  testing::Weather weather;
  weather.link = link;
  Context context = InSimulation(MirrorServer, MirrorClient, NewContext(), weather).context;
  CheckMirrored(context);
  return context;
}

TEST(QuicDatagrams, PeersSayThatTheyUnderstandMarks) {
  InBothWorlds(MirrorServer, MirrorClient, [](const Context& context) {
    CheckMirrored(context);
    EXPECT_GT(context.counters.received_ect, 100u);
    EXPECT_EQ(context.counters.received_ce, 0u);
  });
}

TEST(QuicDatagrams, AMarkSlowsTheSenderDown) {
  Context calm = Over({});
  Context marked = Over({.mark_ce = {1, 20}});
  EXPECT_GT(marked.counters.received_ce, 5u);
  EXPECT_LT(marked.counters.received_ce, marked.counters.received_ect);
  EXPECT_LT(marked.count * 2, calm.count);
}

// Nobody believes in marks that get lost on the way: the path is used without.
TEST(QuicDatagrams, APathThatBleachesIsUsedWithout) {
  Context calm = Over({});
  Context bleached = Over({.bleach_ecn = true});
  EXPECT_EQ(bleached.counters.received_ect, 0u);
  EXPECT_GT(bleached.count * 10, calm.count * 9);  // marks make acknowledgements a little longer
}

}  // namespace
}  // namespace faultline::quic
