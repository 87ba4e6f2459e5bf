#include "transports/quic/testing/fixture.h"

#include <gtest/gtest.h>

#include <memory>
#include <tuple>
#include <utility>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/epoll/loop.h"
#include "runtime/scope.h"
#include "sim/host.h"
#include "sim/world.h"
#include "transports/message/frame_error.h"
#include "transports/quic/testing/certificates.h"
#include "transports/testing/samples.h"

namespace faultline::quic::testing {

using faultline::testing::Sample;
using faultline::testing::TagOf;
using message::IsConnectionClosed;
using message::Message;

Context NewContext() {
  Context context;
  context.server.tls.certificate_chain_pem = kCertificate;
  context.server.tls.private_key_pem = kPrivateKey;
  context.client.tls.trust_anchors_pem = kCertificate;
  context.client.tls.server_name = "quic.test";
  return context;
}

namespace {

Task<void> RunSide(Side side, Runtime runtime, Context* context) {
  Scope scope(co_await ThisTask());
  Surroundings surroundings{.scope = &scope,
                            .clock = runtime.clock,
                            .network = runtime.network,
                            .entropy = runtime.entropy};
  co_await side(Place{runtime, surroundings}, context);
  co_await scope.Join();
}

Task<void> RunSides(Side server, Side client, Runtime runtime, Context* context) {
  Scope scope(co_await ThisTask());
  scope.Spawn(RunSide(server, runtime, context));
  scope.Spawn(RunSide(client, runtime, context));
  co_await scope.Join();
}

}  // namespace

Context OnEpoll(Side server, Side client, Context context, Endpoint listen) {
  auto loop = epoll::Loop::Create({});
  EXPECT_TRUE(loop.ok()) << loop.status();
  context.listen = std::move(listen);
  (*loop)->Run(RunSides(server, client, (*loop)->runtime(), &context));
  return context;
}

SimResult InSimulation(Side server, Side client, Context context, const Weather& weather) {
  sim::World world({.seed = weather.seed,
                    .scheduling = weather.scheduling,
                    .links = {weather.link, weather.link, sim::WorldConfig::LoopbackLink()}});
  sim::SocketFaults faults{.yield = {1, 4}};
  sim::Host* first = world.AddHost({.name = "server", .sockets = faults});
  sim::Host* second = world.AddHost({.name = "client", .sockets = faults});
  context.listen = Endpoint::Ipv4Any(7000);
  context.address = first->Address(sim::Plane::kReplica, 7000);
  first->Boot([&](const Runtime& runtime) { return RunSide(server, runtime, &context); });
  second->Boot([&](const Runtime& runtime) { return RunSide(client, runtime, &context); });
  sim::Verdict verdict = world.Run({.until = weather.until});
  EXPECT_TRUE(verdict.passed()) << "seed " << weather.seed << ": " << verdict.ToString();
  return {std::move(context), world.trace()->hash(), world.now().time_since_epoch()};
}

void InBothWorlds(Side server, Side client, const std::function<void(const Context&)>& check,
                  const Context& start) {
  {
    SCOPED_TRACE("epoll");
    check(OnEpoll(server, client, start, Endpoint::Ipv4Loopback(0)));
  }
  UnderWeather(server, client, check, start, {}, 5);
}

void UnderWeather(Side server, Side client, const std::function<void(const Context&)>& check,
                  const Context& start, Weather weather, uint64_t seeds) {
  for (weather.seed = 1; weather.seed <= seeds; ++weather.seed) {
    SCOPED_TRACE("simulation, seed " + std::to_string(weather.seed));
    check(InSimulation(server, client, start, weather).context);
  }
}

Listener ListenAt(const Place& place, Context* context) {
  auto listener = Listener::Listen(place.surroundings, place.runtime.buffers, context->listen,
                                   context->server, context->connection);
  FAULTLINE_CHECK(listener.ok()) << listener.status();
  if (context->address == Endpoint()) context->address = listener->local_address();
  return *std::move(listener);
}

Task<Connection> AcceptOne(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  context->counters = listener.counters();
  co_return *std::move(accepted);
}

Task<Connection> ConnectOne(Place place, Context* context) {
  // On epoll nobody knows the port before the server listens.
  while (context->address == Endpoint()) (void)co_await place.runtime.clock->SleepFor(1ms);
  Connector connector(place.surroundings, place.runtime.buffers, context->client,
                      context->connection);
  auto connected = co_await connector.Connect(context->address);
  FAULTLINE_CHECK(connected.ok()) << connected.status();
  co_return *std::move(connected);
}

Task<void> UntilClientDone(Clock* clock, Context* context) {
  while (!context->client_done && (co_await clock->SleepFor(1ms)).ok()) {
  }
}

Task<absl::StatusOr<Connection>> AcceptUntilDone(Place place, Context* context,
                                                 Listener* listener) {
  auto raced = co_await Race(listener->Accept(), UntilClientDone(place.runtime.clock, context));
  co_return std::move(std::get<0>(raced.results));
}

Task<absl::Status> ReadToEnd(Reader* reader, std::vector<uint64_t>* tags, size_t max) {
  for (;;) {
    absl::StatusOr<Message> message = co_await reader->ReadMessage(max);
    if (!message.ok()) co_return message.status();
    tags->push_back(TagOf(*message));
  }
}

std::vector<uint64_t> OneTo(uint64_t last) {
  std::vector<uint64_t> tags;
  for (uint64_t tag = 1; tag <= last; ++tag) tags.push_back(tag);
  return tags;
}

// --- Echo ---

namespace {

size_t BodyOf(uint64_t tag) {
  return tag % 97 == 0 ? 70'000 : tag % 13 == 0 ? 5'000 : tag % 3 * 40;
}

// Echoes what one read brought with one write.
Task<absl::Status> EchoOnce(Reader* reader, Writer* writer, Context* context, FrozenBatch* batch) {
  absl::StatusOr<Message> message = co_await reader->ReadMessage(kMax);
  if (!message.ok()) co_return message.status();
  context->received.push_back(TagOf(*message));
  batch->Add(message->frozen());
  while (!batch->full()) {
    auto next = reader->TryNext(kMax);
    if (!next.has_value()) break;
    if (!next->ok()) co_return next->status();
    context->received.push_back(TagOf(**next));
    batch->Add((*next)->frozen());
  }
  co_return co_await writer->SendBatch(batch);
}

Task<void> SendPipelined(Writer writer, BufferPool* pool, Context* context) {
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= kEchoed; ++tag) {
    batch.Add(Sample(pool, tag, BodyOf(tag)).frozen());
    if (!batch.full() && tag < kEchoed) continue;
    context->sent = co_await writer.SendBatch(&batch);
    if (!context->sent.ok()) co_return;
  }
  context->sent = writer.FinishWrites();
}

}  // namespace

Task<void> EchoServer(Place place, Context* context) {
  Connection connection = co_await AcceptOne(place, context);
  auto [reader, writer] = std::move(connection).Split();
  FrozenBatch batch;
  while (context->server_end.ok()) {
    context->server_end = co_await EchoOnce(&reader, &writer, context, &batch);
  }
  EXPECT_TRUE(writer.FinishWrites().ok());
}

Task<void> EchoClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  EXPECT_EQ(connection.peer_address(), context->address);
  auto [reader, writer] = std::move(connection).Split();
  Scope scope(co_await ThisTask());
  scope.Spawn(SendPipelined(std::move(writer), place.runtime.buffers, context));
  context->client_end = co_await ReadToEnd(&reader, &context->answers, kMax);
  co_await scope.Join();
}

void CheckEcho(const Context& context) {
  EXPECT_EQ(context.received, OneTo(kEchoed));
  EXPECT_EQ(context.answers, OneTo(kEchoed));
  EXPECT_TRUE(context.sent.ok()) << context.sent;
  EXPECT_TRUE(IsConnectionClosed(context.server_end)) << context.server_end;
  EXPECT_TRUE(IsConnectionClosed(context.client_end)) << context.client_end;
}

Task<void> ReadingServer(Place place, Context* context) {
  Connection connection = co_await AcceptOne(place, context);
  auto [reader, writer] = std::move(connection).Split();
  context->server_end = co_await ReadToEnd(&reader, &context->received, context->max_message_size);
}

}  // namespace faultline::quic::testing
