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
  sim::Host* server = world.AddHost({.name = "server"});
  sim::Host* client = world.AddHost({.name = "client"});
  Context context = NewContext();
  context.listen = Endpoint::Ipv4Any(7000);
  context.address = server->Address(sim::Plane::kReplica, 7000);
  server->Boot([&](const Runtime& run) { return InScope(MirrorServer, run, &context); });
  client->Boot([&](const Runtime& run) { return InScope(MirrorClient, run, &context); });
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
