#include "transports/websocket/testing/worlds.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>

#include "runtime/check.h"
#include "runtime/epoll/loop.h"
#include "runtime/stream_io.h"
#include "sim/host.h"
#include "sim/world.h"
#include "transports/testing/samples.h"

namespace faultline::websocket::testing {
namespace {

constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

Task<void> RunSide(Side side, Runtime runtime, Context* context) {
  Scope scope(co_await ThisTask());
  Environment environment{runtime.clock, runtime.entropy, runtime.buffers, &scope};
  co_await side(environment, runtime, context);
  co_await scope.Join();
}

Task<void> RunThenStop(Side side, Runtime runtime, Context* context, sim::World* world) {
  co_await RunSide(side, runtime, context);
  world->Stop();
}

Task<void> RunSides(Side server, Side client, Runtime runtime, Context* context) {
  Scope scope(co_await ThisTask());
  scope.Spawn(RunSide(server, runtime, context));
  scope.Spawn(RunSide(client, runtime, context));
  co_await scope.Join();
}

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Up to and with the empty line; what came behind it is returned.
Task<std::string> ReadHead(Stream* stream, std::string* head) {
  std::array<std::byte, 512> buffer{};
  for (;;) {
    size_t end = head->find(kHeadEnd);
    if (end != std::string::npos) {
      std::string rest = head->substr(end + kHeadEnd.size());
      head->resize(end + kHeadEnd.size());
      co_return rest;
    }
    absl::StatusOr<size_t> read = co_await stream->Read(buffer);
    if (!read.ok() || *read == 0) co_return std::string();
    head->append(reinterpret_cast<const char*>(buffer.data()), *read);
  }
}

Task<void> ReadRest(Stream* stream, Context* context) {
  std::array<std::byte, 512> buffer{};
  for (;;) {
    absl::StatusOr<size_t> read = co_await stream->Read(buffer);
    context->raw_end = read.status();
    if (!read.ok() || *read == 0) co_return;
    context->raw.append(reinterpret_cast<const char*>(buffer.data()), *read);
  }
}

// In pieces, so that frames are cut at many places.
Task<void> SendInPieces(Stream* stream, std::string wire) {
  size_t size = 1;
  for (size_t at = 0; at < wire.size(); at += size) {
    size = size * 3 % 1000 + 1;
    std::string_view piece = std::string_view(wire).substr(at, size);
    if (!(co_await WriteAll(stream, Bytes(piece))).ok()) co_return;
  }
}

}  // namespace

Context OnEpoll(Side server, Side client, Context context) {
  auto loop = epoll::Loop::Create({});
  EXPECT_TRUE(loop.ok()) << loop.status();
  context.listen = Endpoint::Ipv4Loopback(0);
  (*loop)->Run(RunSides(server, client, (*loop)->runtime(), &context));
  return context;
}

Context InSimulation(Side server, Side client, Context context, uint64_t seed,
                     sim::TraceHash* hash) {
  sim::World world({.seed = seed, .scheduling = sim::Scheduling::kRandom});
  sim::SocketFaults cut{.partial_write = {1, 3}, .partial_read = {1, 3}, .yield = {1, 4}};
  sim::Host* first = world.AddHost({.name = "server", .sockets = cut});
  sim::Host* second = world.AddHost({.name = "client", .sockets = cut});
  context.listen = Endpoint::Ipv4Any(7000);
  context.address = first->Address(sim::Plane::kReplica, 7000);
  first->Boot([&](const Runtime& runtime) { return RunSide(server, runtime, &context); });
  second->Boot([&](const Runtime& runtime) { return RunSide(client, runtime, &context); });
  sim::Verdict verdict = world.Run({.until = 10min});
  EXPECT_TRUE(verdict.passed()) << "seed " << seed << ": " << verdict.ToString();
  if (hash != nullptr) *hash = world.trace()->hash();
  return context;
}

void RunWithCrashes(Side server, Side client, Context* context, uint64_t seed) {
  constexpr int kCrashes = 30;
  sim::World world({.seed = seed, .scheduling = sim::Scheduling::kRandom});
  sim::SocketFaults cut{.partial_write = {1, 3}, .partial_read = {1, 3}, .yield = {1, 4}};
  sim::Host* first = world.AddHost({.name = "server", .sockets = cut});
  sim::Host* second = world.AddHost({.name = "client", .sockets = cut});
  context->listen = Endpoint::Ipv4Any(7000);
  context->address = first->Address(sim::Plane::kReplica, 7000);
  first->Boot([=](const Runtime& runtime) { return RunSide(server, runtime, context); });
  second->Boot([=, &world](const Runtime& runtime) {
    return RunThenStop(client, runtime, context, &world);
  });
  for (int i = 1; i <= kCrashes; ++i) {
    const Duration at = i * (3ms + seed % 7 * 211us);
    world.After(at, [first] { first->Crash(); });
    world.After(at + 300us, [first] { first->Restart(); });
  }
  sim::Verdict verdict = world.Run({.until = 10min});
  EXPECT_TRUE(verdict.passed()) << "seed " << seed << ": " << verdict.ToString();
}

void InBothWorlds(Side server, Side client, const std::function<void(const Context&)>& check,
                  const Context& start, uint64_t seeds) {
  {
    SCOPED_TRACE("epoll");
    check(OnEpoll(server, client, start));
  }
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("simulation, seed " + std::to_string(seed));
    check(InSimulation(server, client, start, seed));
  }
}

Listener ListenAt(Environment environment, Runtime runtime, Context* context) {
  context->server.observer = &context->failures;
  auto listener = Listener::Listen(environment, runtime.network, context->listen, context->server);
  FAULTLINE_CHECK(listener.ok()) << listener.status();
  if (context->address == Endpoint()) context->address = listener->local_address();
  return *std::move(listener);
}

Task<Connection> AcceptOne(Environment environment, Runtime runtime, Context* context) {
  Listener listener = ListenAt(environment, runtime, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  context->failed_upgrades = listener.failed_upgrades();
  co_return *std::move(accepted);
}

Task<Connection> ConnectOne(Environment environment, Runtime runtime, Context* context) {
  Connector connector(environment, runtime.network, context->client);
  auto connected = co_await connector.Connect(context->address);
  FAULTLINE_CHECK(connected.ok()) << connected.status();
  co_return *std::move(connected);
}

Task<absl::Status> ReadToEnd(Reader* reader, std::vector<uint64_t>* tags, size_t max) {
  for (;;) {
    absl::StatusOr<message::Message> message = co_await reader->ReadMessage(max);
    if (!message.ok()) co_return message.status();
    tags->push_back(faultline::testing::TagOf(*message));
  }
}

Task<void> ReadingServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  context->server_end = co_await ReadToEnd(&reader, &context->received, context->max_message_size);
  context->reason = reader.peer_reason();
  (void)writer.FinishWrites();
}

Task<void> ReadingClient(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  context->client_end = co_await ReadToEnd(&reader, &context->answers, context->max_message_size);
  context->reason = reader.peer_reason();
  (void)writer.FinishWrites();
}

Task<void> RawClient(Environment, Runtime runtime, Context* context) {
  auto stream = co_await runtime.network->Connect(context->address, {});
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  EXPECT_TRUE((co_await WriteAll(stream->get(), Bytes(kRequest))).ok());
  std::string head;
  context->raw = co_await ReadHead(stream->get(), &head);
  EXPECT_NE(head.find("HTTP/1.1 101"), std::string::npos) << head;
  // The sample of RFC 6455, section 1.3.
  EXPECT_NE(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << head;
  Scope scope(co_await ThisTask());
  scope.Spawn(SendInPieces(stream->get(), context->wire));
  scope.Spawn(ReadRest(stream->get(), context));
  co_await scope.Join();
  (void)(*stream)->Close();
}

Task<void> RawServer(Environment environment, Runtime runtime, Context* context) {
  auto listener = runtime.network->Listen(context->listen, {});
  FAULTLINE_CHECK(listener.ok()) << listener.status();
  if (context->address == Endpoint()) context->address = (*listener)->local_address();
  auto stream = co_await (*listener)->Accept();
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  std::string head;
  context->raw = co_await ReadHead(stream->get(), &head);
  Engine engine(environment.clock, environment.entropy, {});
  Session session(&engine);
  UpgradePolicy policy;
  session.BeginServer(&policy);
  EXPECT_TRUE(session.Upgrade(Bytes(head)).ok()) << head;
  std::string answer = *session.output();
  EXPECT_TRUE((co_await WriteAll(stream->get(), Bytes(answer))).ok());
  Scope scope(co_await ThisTask());
  scope.Spawn(SendInPieces(stream->get(), context->wire));
  scope.Spawn(ReadRest(stream->get(), context));
  co_await scope.Join();
  (void)(*stream)->Close();
}

std::vector<uint64_t> OneTo(uint64_t last) {
  std::vector<uint64_t> tags;
  for (uint64_t tag = 1; tag <= last; ++tag) tags.push_back(tag);
  return tags;
}

}  // namespace faultline::websocket::testing
