// Goal: messages over TCP behave alike in both worlds: in order, whole, bounded; every end of a
// connection is told from every other.
// Method: each scenario is a server and a client, run on epoll over loopback, and in simulation
// between two hosts whose transfers are cut short, under many seeds and a random order of tasks.

#include "transports/tcp/tcp.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/epoll/loop.h"
#include "runtime/errors.h"
#include "runtime/event.h"
#include "runtime/stream_io.h"
#include "sim/host.h"
#include "sim/world.h"
#include "transports/message/frame_error.h"
#include "transports/testing/samples.h"

namespace faultline::tcp {
namespace {

using message::FrameError;
using message::FrameErrorOf;
using message::IsConnectionClosed;
using message::Message;
using testing::Sample;
using testing::TagOf;

constexpr size_t kMax = size_t{1} << 20;

// What the two sides of a scenario share. Each writes its own part, the test reads all of it.
struct Context {
  Endpoint listen;   // where the server listens
  Endpoint address;  // where the client finds it
  ConnectionOptions options{};
  size_t max_message_size = kMax;
  std::vector<uint64_t> received;  // by the server
  std::vector<uint64_t> answers;   // by the client
  absl::Status server_end;         // the first error of the server's reads
  absl::Status client_end;
  absl::Status sent;  // by the client
};

using Side = Task<void> (*)(Runtime runtime, Context* context);

Task<void> RunSides(Side server, Side client, Runtime runtime, Context* context) {
  Scope scope(co_await ThisTask());
  scope.Spawn(server(runtime, context));
  scope.Spawn(client(runtime, context));
  co_await scope.Join();
}

Context OnEpoll(Side server, Side client, Context context, Endpoint listen) {
  auto loop = epoll::Loop::Create({});
  EXPECT_TRUE(loop.ok()) << loop.status();
  context.listen = listen;
  (*loop)->Run(RunSides(server, client, (*loop)->runtime(), &context));
  return context;
}

Context InSimulation(Side server, Side client, Context context, uint64_t seed) {
  sim::World world({.seed = seed, .scheduling = sim::Scheduling::kRandom});
  sim::SocketFaults cut{.partial_write = {1, 3}, .partial_read = {1, 3}, .yield = {1, 4}};
  sim::Host* first = world.AddHost({.name = "server", .sockets = cut});
  sim::Host* second = world.AddHost({.name = "client", .sockets = cut});
  context.listen = Endpoint::Ipv4Any(7000);
  context.address = first->Address(sim::Plane::kReplica, 7000);
  first->Boot([&](const Runtime& runtime) { return server(runtime, &context); });
  second->Boot([&](const Runtime& runtime) { return client(runtime, &context); });
  sim::Verdict verdict = world.Run({.until = 10min});
  EXPECT_TRUE(verdict.passed()) << "seed " << seed << ": " << verdict.ToString();
  return context;
}

// Runs a scenario in both worlds and checks what came of it.
void InBothWorlds(Side server, Side client, const std::function<void(const Context&)>& check,
                  const Context& start = {}) {
  {
    SCOPED_TRACE("epoll");
    check(OnEpoll(server, client, start, Endpoint::Ipv4Loopback(0)));
  }
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE("simulation, seed " + std::to_string(seed));
    check(InSimulation(server, client, start, seed));
  }
}

Listener ListenAt(Runtime runtime, Context* context) {
  auto listener = Listener::Listen(runtime.network, runtime.buffers, context->listen,
                                   {.connection = context->options});
  FAULTLINE_CHECK(listener.ok()) << listener.status();
  if (context->address == Endpoint()) context->address = listener->local_address();
  return *std::move(listener);
}

Task<Connection> AcceptOne(Runtime runtime, Context* context) {
  Listener listener = ListenAt(runtime, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  co_return *std::move(accepted);
}

Task<Connection> ConnectOne(Runtime runtime, Context* context) {
  Connector connector(runtime.network, runtime.buffers, {.connection = context->options});
  auto connected = co_await connector.Connect(context->address);
  FAULTLINE_CHECK(connected.ok()) << connected.status();
  co_return *std::move(connected);
}

// Reads until the end; the tags go to `tags`, the error is returned.
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

// --- Everything arrives, in order, and both ends are clean ---

constexpr size_t kEchoed = 700;

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

Task<void> EchoServer(Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  FrozenBatch batch;
  while (context->server_end.ok()) {
    context->server_end = co_await EchoOnce(&reader, &writer, context, &batch);
  }
  EXPECT_TRUE(writer.FinishWrites().ok());
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

Task<void> EchoClient(Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(runtime, context);
  EXPECT_EQ(connection.peer_address(), context->address);
  auto [reader, writer] = std::move(connection).Split();
  Scope scope(co_await ThisTask());
  scope.Spawn(SendPipelined(std::move(writer), runtime.buffers, context));
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

TEST(Tcp, EchoesInOrderAndEndsCleanly) { InBothWorlds(EchoServer, EchoClient, CheckEcho); }

TEST(Tcp, TinyReceiveBuffersChangeNothing) {
  Context context;
  context.options.reader.receive_buffer_bytes = 512;
  context.options.reader.receive_buffer_max_bytes = 512;
  InBothWorlds(EchoServer, EchoClient, CheckEcho, context);
}

// Changes hands after each message, with whatever was read ahead.
Task<void> WanderingEchoServer(Runtime runtime, Context* context) {
  std::optional<Connection> connection(co_await AcceptOne(runtime, context));
  while (true) {
    absl::StatusOr<Message> message = co_await connection->ReadMessage(kMax);
    context->server_end = message.status();
    if (!message.ok()) break;
    context->received.push_back(TagOf(*message));
    FrozenBatch batch;
    batch.Add(message->frozen());
    EXPECT_TRUE((co_await connection->SendBatch(&batch)).ok());
    auto detached = connection->Detach();
    FAULTLINE_CHECK(detached.ok()) << detached.status();
    auto adopted = runtime.network->Adopt(*std::move(detached));
    FAULTLINE_CHECK(adopted.ok()) << adopted.status();
    connection.emplace(*std::move(adopted), runtime.buffers, context->options);
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(connection->Detach().status())) << "reading has ended";
  EXPECT_TRUE(std::move(*connection).Split().second.FinishWrites().ok());
}

TEST(Tcp, AConnectionThatChangesHandsGoesOnWhereItWas) {
  InBothWorlds(WanderingEchoServer, EchoClient, CheckEcho);
}

TEST(Tcp, UnixSocketsAreStreamsToo) {
  // Short, because a path of a socket has room for 107 bytes.
  char folder[] = "/tmp/tcp_test.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  std::string path = std::string(folder) + "/socket";
  CheckEcho(OnEpoll(EchoServer, EchoClient, {}, Endpoint::Unix(path)));
  std::filesystem::remove_all(folder);
}

TEST(Tcp, Ipv6IsTcpToo) {
  CheckEcho(OnEpoll(EchoServer, EchoClient, {}, Endpoint::Ipv6Loopback(0)));
}

// --- Ends that are not clean ---

Task<void> ReadingServer(Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  context->server_end = co_await ReadToEnd(&reader, &context->received, context->max_message_size);
}

// One whole frame, then the first bytes of a second one, then a half-close.
Task<void> TearAfter(Runtime runtime, Context* context, size_t bytes) {
  auto stream = co_await runtime.network->Connect(context->address, {});
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  std::vector<Message> messages = {Sample(runtime.buffers, 1, 30), Sample(runtime.buffers, 2, 900)};
  std::vector<std::byte> wire = testing::Wire(messages);
  wire.resize(286 + bytes);
  EXPECT_TRUE((co_await WriteAll(stream->get(), wire)).ok());
  EXPECT_TRUE((*stream)->ShutdownWrite().ok());
  std::array<std::byte, 1> rest;
  (void)co_await (*stream)->Read(rest);
}
Task<void> TearHeader(Runtime runtime, Context* context) { return TearAfter(runtime, context, 40); }
Task<void> TearBody(Runtime runtime, Context* context) { return TearAfter(runtime, context, 400); }

TEST(Tcp, ATornHeaderIsNoCleanEnd) {
  InBothWorlds(ReadingServer, TearHeader, [](const Context& context) {
    EXPECT_EQ(context.received, OneTo(1));
    EXPECT_EQ(FrameErrorOf(context.server_end), FrameError::kTornHeader) << context.server_end;
    EXPECT_EQ(context.server_end.message(), "torn header: 40 of 256 bytes");
  });
}

TEST(Tcp, ATornBodyIsNoCleanEnd) {
  InBothWorlds(ReadingServer, TearBody, [](const Context& context) {
    EXPECT_EQ(context.received, OneTo(1));
    EXPECT_EQ(FrameErrorOf(context.server_end), FrameError::kTornBody) << context.server_end;
    EXPECT_EQ(context.server_end.message(), "torn body: 144 of 900 bytes");
  });
}

// Both halves go out of scope.
Task<void> VanishingClient(Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(runtime, context);
  FrozenBatch batch;
  batch.Add(Sample(runtime.buffers, 1, 10).frozen());
  context->sent = co_await connection.SendBatch(&batch);
  (void)co_await runtime.clock->SleepFor(20ms);
}

TEST(Tcp, AConnectionThatIsDroppedIsReset) {
  InBothWorlds(ReadingServer, VanishingClient, [](const Context& context) {
    EXPECT_TRUE(context.sent.ok()) << context.sent;
    EXPECT_EQ(context.received, OneTo(1));
    EXPECT_EQ(ErrnoOf(context.server_end), ECONNRESET) << context.server_end;
  });
}

// The halves are put together again and closed.
Task<void> ClosingClient(Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  FrozenBatch batch;
  batch.Add(Sample(runtime.buffers, 1, 100'000).frozen());
  context->sent = co_await writer.SendBatch(&batch);
  connection = Connection::Reunite(std::move(reader), std::move(writer));
  context->sent.Update(connection.Close());
}

TEST(Tcp, CloseDeliversWhatWasSent) {
  InBothWorlds(ReadingServer, ClosingClient, [](const Context& context) {
    EXPECT_TRUE(context.sent.ok()) << context.sent;
    EXPECT_EQ(context.received, OneTo(1));
    EXPECT_TRUE(IsConnectionClosed(context.server_end)) << context.server_end;
  });
}

// --- Limits ---

Task<void> OversizeClient(Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(runtime, context);
  FrozenBatch batch;
  batch.Add(Sample(runtime.buffers, 1, 744).frozen());
  batch.Add(Sample(runtime.buffers, 2, 745).frozen());
  batch.Add(Sample(runtime.buffers, 3, 0).frozen());
  context->sent = co_await connection.SendBatch(&batch);
  absl::StatusOr<Message> answer = co_await connection.ReadMessage(kMax);
  context->client_end = answer.status();
}

TEST(Tcp, AMessageAboveTheServersMaximumEndsTheConnection) {
  Context context;
  context.max_message_size = 1000;
  InBothWorlds(
      ReadingServer, OversizeClient,
      [](const Context& context) {
        EXPECT_EQ(context.received, OneTo(1));
        EXPECT_EQ(FrameErrorOf(context.server_end), FrameError::kSizeAboveMaximum);
        EXPECT_FALSE(context.client_end.ok());
        EXPECT_FALSE(IsConnectionClosed(context.client_end)) << context.client_end;
      },
      context);
}

// --- Back-pressure, and deadlines ---

// Accepts, and does not read before the client has given up.
Task<void> MuteServer(Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(runtime, context);
  (void)co_await runtime.clock->SleepFor(300ms);
  auto [reader, writer] = std::move(connection).Split();
  context->server_end = co_await ReadToEnd(&reader, &context->received, kMax * 64);
}

Task<void> StoreEnd(Reader* reader, Context* context) {
  context->client_end = co_await ReadToEnd(reader, &context->answers, kMax);
}

// Sends more than any kernel buffers; gives up; then the whole connection has ended.
Task<void> ImpatientClient(Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  Scope scope(co_await ThisTask());
  scope.Spawn(StoreEnd(&reader, context));
  Message large = Sample(runtime.buffers, 1, kMax * 32);
  FrozenBatch batch;
  batch.Add(large.frozen());
  context->sent =
      co_await Deadline(runtime.clock, runtime.clock->Now() + 50ms, writer.SendBatch(&batch));
  co_await scope.Join();
  FrozenBatch next;
  EXPECT_TRUE(absl::IsFailedPrecondition(co_await writer.SendBatch(&next)));
}

TEST(Tcp, ASendThatTimesOutEndsBothHalves) {
  InBothWorlds(MuteServer, ImpatientClient, [](const Context& context) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(context.sent)) << context.sent;
    EXPECT_TRUE(absl::IsAborted(context.client_end)) << context.client_end;
    EXPECT_TRUE(context.received.empty());
    EXPECT_FALSE(context.server_end.ok());
    EXPECT_FALSE(IsConnectionClosed(context.server_end)) << context.server_end;
  });
}

// Reads with deadlines so short that most of them cut a message in two.
Task<void> NervousServer(Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  while (context->server_end.ok()) {
    absl::StatusOr<Message> message =
        co_await Deadline(runtime.clock, runtime.clock->Now() + 100us, reader.ReadMessage(kMax));
    if (message.ok()) {
      context->received.push_back(TagOf(*message));
    } else if (!absl::IsDeadlineExceeded(message.status())) {
      context->server_end = message.status();
    }
  }
}

// Writes pieces of frames with pauses between them.
Task<void> HaltingClient(Runtime runtime, Context* context) {
  auto stream = co_await runtime.network->Connect(context->address, {});
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  std::vector<Message> messages;
  for (uint64_t tag = 1; tag <= 20; ++tag)
    messages.push_back(Sample(runtime.buffers, tag, tag * 60));
  std::vector<std::byte> wire = testing::Wire(messages);
  for (size_t at = 0; at < wire.size(); at += 333) {
    std::span<const std::byte> piece = std::span(wire).subspan(at);
    (void)co_await WriteAll(stream->get(), piece.first(std::min<size_t>(piece.size(), 333)));
    (void)co_await runtime.clock->SleepFor(300us);
  }
  EXPECT_TRUE((*stream)->Close().ok());
}

TEST(Tcp, ReadsWithDeadlinesLoseNothing) {
  InBothWorlds(NervousServer, HaltingClient, [](const Context& context) {
    EXPECT_EQ(context.received, OneTo(20));
    EXPECT_TRUE(IsConnectionClosed(context.server_end)) << context.server_end;
  });
}

// --- Listener and connector ---

Task<void> StoppedListener(Runtime runtime, Context* context) {
  Listener listener = ListenAt(runtime, context);
  auto accepted = co_await Deadline(runtime.clock, runtime.clock->Now() + 1ms, listener.Accept());
  context->server_end = accepted.status();
  EXPECT_TRUE(listener.Close().ok());
  auto refused = co_await listener.Accept();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
}

Task<void> LateConnector(Runtime runtime, Context* context) {
  (void)co_await runtime.clock->SleepFor(50ms);
  Connector connector(runtime.network, runtime.buffers, {});
  auto connected = co_await connector.Connect(context->address);
  context->client_end = connected.status();
}

TEST(Tcp, AClosedListenerRefuses) {
  InBothWorlds(StoppedListener, LateConnector, [](const Context& context) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(context.server_end)) << context.server_end;
    EXPECT_EQ(ErrnoOf(context.client_end), ECONNREFUSED) << context.client_end;
  });
}

// --- Planted bugs reach the transport ---

TEST(Tcp, BugsAreInjectedThroughTheOptions) {
  message::TransportBugs bugs;
  bugs.torn_header_is_clean_end = true;
  Context context;
  context.options.bugs = &bugs;
  InBothWorlds(
      ReadingServer, TearHeader,
      [](const Context& context) { EXPECT_TRUE(IsConnectionClosed(context.server_end)); }, context);
}

}  // namespace
}  // namespace faultline::tcp
