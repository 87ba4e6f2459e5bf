// Goal: messages over WebSocket behave alike in both worlds: in order, whole, bounded; every end of
// a connection is told from every other; the same seed gives the same bytes.
// Method: each scenario is a server and a client, run on epoll over loopback, and in simulation
// between two hosts whose transfers are cut short, under many seeds and a random order of tasks.

#include "transports/websocket/websocket.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "runtime/combine.h"
#include "runtime/errors.h"
#include "transports/message/frame_error.h"
#include "transports/testing/samples.h"
#include "transports/websocket/testing/worlds.h"

namespace faultline::websocket::testing {
namespace {

using faultline::testing::Sample;
using faultline::testing::TagOf;
using message::FrameError;
using message::FrameErrorOf;
using message::IsConnectionClosed;
using message::Message;

// --- Everything arrives, in order, and both ends are clean ---

constexpr size_t kEchoed = 400;

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

Task<void> EchoServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
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
    if (batch.size() < 50 && tag < kEchoed) continue;
    context->sent = co_await writer.SendBatch(&batch);
    if (!context->sent.ok()) co_return;
  }
  // As much as has been sent comes back before the end.
  context->sent = writer.FinishWrites();
}

Task<void> EchoClient(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(environment, runtime, context);
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

TEST(WebSocket, EchoesInOrderAndEndsCleanly) { InBothWorlds(EchoServer, EchoClient, CheckEcho); }

TEST(WebSocket, TinyReceiveBuffersChangeNothing) {
  Context context;
  for (ConnectionOptions* options : {&context.server.connection, &context.client.connection}) {
    options->input.receive_buffer_bytes = 1024;
    options->input.receive_buffer_max_bytes = 1024;
  }
  InBothWorlds(EchoServer, EchoClient, CheckEcho, context);
}

// --- Determinism ---

TEST(WebSocket, TheSameSeedGivesTheSameBytes) {
  sim::TraceHash first, second, other;
  CheckEcho(InSimulation(EchoServer, EchoClient, {}, 7, &first));
  // Other addresses of everything that the engine allocates.
  auto unrelated = std::make_unique<std::array<char, 1 << 20>>();
  CheckEcho(InSimulation(EchoServer, EchoClient, {}, 7, &second));
  CheckEcho(InSimulation(EchoServer, EchoClient, {}, 8, &other));
  EXPECT_EQ(first, second);
  EXPECT_NE(first, other);
}

// --- Ends ---

// Both halves go out of scope.
Task<void> VanishingClient(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(environment, runtime, context);
  FrozenBatch batch;
  batch.Add(Sample(runtime.buffers, 1, 10).frozen());
  context->sent = co_await connection.SendBatch(&batch);
  (void)co_await runtime.clock->SleepFor(20ms);
}

TEST(WebSocket, AConnectionThatIsDroppedIsReset) {
  InBothWorlds(ReadingServer, VanishingClient, [](const Context& context) {
    EXPECT_TRUE(context.sent.ok()) << context.sent;
    EXPECT_EQ(context.received, OneTo(1));
    EXPECT_EQ(ErrnoOf(context.server_end), ECONNRESET) << context.server_end;
  });
}

Task<void> ClosingClient(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(environment, runtime, context);
  FrozenBatch batch;
  batch.Add(Sample(runtime.buffers, 1, 100'000).frozen());
  context->sent = co_await connection.SendBatch(&batch);
  context->sent.Update(connection.Close());
}

TEST(WebSocket, CloseDeliversWhatWasSent) {
  InBothWorlds(ReadingServer, ClosingClient, [](const Context& context) {
    EXPECT_TRUE(context.sent.ok()) << context.sent;
    EXPECT_EQ(context.received, OneTo(1));
    EXPECT_TRUE(IsConnectionClosed(context.server_end)) << context.server_end;
    ASSERT_TRUE(context.reason.has_value());
    EXPECT_EQ(context.reason->code, CloseReason::kNormal);
  });
}

// --- Crashes ---

// Dials again and again, and echoes with whoever is there.
Task<void> PersistentClient(Environment environment, Runtime runtime, Context* context) {
  Connector connector(environment, runtime.network, context->client);
  for (int dial = 0; dial < 20; ++dial) {
    auto connected = co_await Deadline(runtime.clock, runtime.clock->Now() + 20ms,
                                       connector.Connect(context->address));
    if (!connected.ok()) continue;
    FrozenBatch batch;
    batch.Add(Sample(runtime.buffers, 1, 3000).frozen());
    absl::Status sent = co_await connected->SendBatch(&batch);
    if (!sent.ok()) continue;
    auto answer =
        co_await Deadline(runtime.clock, runtime.clock->Now() + 20ms, connected->ReadMessage(kMax));
    if (answer.ok()) context->answers.push_back(TagOf(*answer));
    (void)connected->Close();
  }
}

Task<void> EchoAll(Connection connection, Context* context) {
  auto [reader, writer] = std::move(connection).Split();
  FrozenBatch batch;
  absl::Status status;
  while (status.ok()) status = co_await EchoOnce(&reader, &writer, context, &batch);
  (void)writer.FinishWrites();
}

Task<void> ServingServer(Environment environment, Runtime runtime, Context* context) {
  Listener listener = ListenAt(environment, runtime, context);
  for (;;) {
    auto accepted = co_await listener.Accept();
    if (!accepted.ok()) co_return;
    environment.scope->Spawn(EchoAll(*std::move(accepted), context));
  }
}

// Wherever connections are (upgrading, open, closing): their memory goes with the process, and the
// next process serves.
TEST(WebSocket, CrashesLeaveNothingBehind) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Context context;
    context.client.connection.close_grace = 5ms;
    RunWithCrashes(ServingServer, PersistentClient, &context, seed);
    EXPECT_FALSE(context.answers.empty()) << seed;
  }
}

}  // namespace
}  // namespace faultline::websocket::testing
