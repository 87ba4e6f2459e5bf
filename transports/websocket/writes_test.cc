// Goal: a batch is one write, whichever side sends it, and never follows our close frame; one that
// fails takes the reader along.
// Method: connections over streams in memory, which count the writes that they are given, and let a
// test choose the moment at which a write goes on.

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/scope.h"
#include "runtime/testing/manual_clock.h"
#include "transports/testing/memory_stream.h"
#include "transports/testing/samples.h"
#include "transports/testing/task_runner.h"
#include "transports/websocket/testing/end.h"
#include "transports/websocket/testing/frames.h"
#include "transports/websocket/websocket.h"

namespace faultline::websocket::testing {
namespace {

using faultline::testing::ManualClock;
using faultline::testing::MemoryStream;
using faultline::testing::Sample;
using faultline::testing::TagOf;
using faultline::testing::TaskRunner;

constexpr uint64_t kMessages = 300;
constexpr size_t kMax = 4096;

struct Pair {
  ManualClock clock;
  ZeroEntropy entropy;
  BufferPool pool;
  UpgradePolicy policy;
};

Task<absl::StatusOr<size_t>> WritesOfABatch(Pair* pair, bool client_sends) {
  Scope scope(co_await ThisTask());
  const Environment environment{&pair->clock, &pair->entropy, &pair->pool, &scope};
  auto engine = std::make_shared<Engine>(&pair->clock, &pair->entropy, EngineOptions{});
  auto [at_server, at_client] = faultline::testing::MakeMemoryStreams();
  const MemoryStream* counted = client_sends ? at_client.get() : at_server.get();
  auto [served, asked] =
      co_await All(Connection::Serve(environment, engine, std::move(at_server), &pair->policy, {}),
                   Connection::Ask(environment, engine, std::move(at_client), {}, {}));
  FAULTLINE_CHECK(served.ok() && asked.ok()) << served.status() << asked.status();
  const size_t before = counted->writes();
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= kMessages; ++tag) {
    batch.Add(Sample(&pair->pool, tag, tag % 100).frozen());
  }
  absl::Status sent = co_await (client_sends ? *asked : *served).SendBatch(&batch);
  const size_t writes = counted->writes() - before;
  for (uint64_t tag = 1; sent.ok() && tag <= kMessages; ++tag) {
    auto message = co_await (client_sends ? *served : *asked).ReadMessage(kMax);
    sent = message.status();
    if (sent.ok()) EXPECT_EQ(TagOf(*message), tag);
  }
  served->Abort();
  asked->Abort();
  co_await scope.Join();
  if (!sent.ok()) co_return sent;
  co_return writes;
}

TEST(WebSocketWrites, ABatchIsOne) {
  for (bool client_sends : {false, true}) {
    SCOPED_TRACE(client_sends ? "client" : "server");
    Pair pair;
    TaskRunner loop;
    absl::StatusOr<size_t> writes = loop.Await(WritesOfABatch(&pair, client_sends));
    ASSERT_TRUE(writes.ok()) << writes.status();
    EXPECT_EQ(*writes, 1u);
  }
}

// --- The last moment ---

Task<Executor*> ThisExecutor() { co_return (co_await ThisTask()).executor; }

Task<bool> Joined(Scope* scope) {
  co_await scope->Join();
  co_return true;
}

Task<size_t> ReadSome(MemoryStream* stream, std::string* out) {
  std::array<std::byte, 512> buffer{};
  absl::StatusOr<size_t> read = co_await stream->Read(buffer);
  if (!read.ok()) co_return 0;
  out->append(reinterpret_cast<const char*>(buffer.data()), *read);
  co_return *read;
}

void Inject(MemoryStream* stream, const std::string& text) {
  stream->Inject(std::as_bytes(std::span(text.data(), text.size())));
}

// A batch waits until the pongs before it have left. The last of them does, and in the same moment
// the reader meets a wrong frame: its close frame is queued before the batch has its turn.
TEST(WebSocketWrites, NoBatchFollowsOurCloseFrame) {
  Pair pair;
  TaskRunner loop;
  Scope scope(loop.Await(ThisExecutor()));
  const Environment environment{&pair.clock, &pair.entropy, &pair.pool, &scope};
  auto engine = std::make_shared<Engine>(&pair.clock, &pair.entropy, EngineOptions{});
  auto [stream, peer] = faultline::testing::MakeMemoryStreams({.capacity = 200});
  auto serving =
      loop.Start(Connection::Serve(environment, engine, std::move(stream), &pair.policy, {}));
  Inject(peer.get(), UpgradeRequestText());
  loop.Run();
  ASSERT_TRUE(serving.done() && serving.result().ok());
  std::string head;
  EXPECT_GT(loop.Await(ReadSome(peer.get(), &head)), 0u);
  auto [reader, writer] = std::move(*serving.result()).Split();
  auto reading = loop.Start(reader.ReadMessage(kMax));
  const std::string ping = FrameOf(std::string(125, 'p'), {.opcode = 9});
  Inject(peer.get(), ping + ping);
  loop.Run();
  FrozenBatch batch;
  batch.Add(Sample(&pair.pool, 1, 10).frozen());
  auto sending = loop.Start(writer.SendBatch(&batch));
  loop.Run();
  ASSERT_FALSE(sending.done()) << "it waits for the pongs";
  std::string wire;
  auto first = loop.Start(ReadSome(peer.get(), &wire));
  ASSERT_TRUE(loop.Step());  // the last of the pongs leaves, who wrote it does not know yet
  Inject(peer.get(), FrameOf("text", {.opcode = 1}));
  EXPECT_TRUE(peer->ShutdownWrite().ok());
  while (loop.Await(ReadSome(peer.get(), &wire)) > 0) {
  }
  EXPECT_TRUE(first.done());
  ASSERT_TRUE(sending.done() && reading.done());
  EXPECT_TRUE(absl::IsFailedPrecondition(sending.result())) << sending.result();
  EXPECT_TRUE(absl::IsInvalidArgument(reading.result().status())) << reading.result().status();
  const std::vector<ParsedFrame> frames = ParseFrames(wire);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].opcode, 10);
  EXPECT_EQ(frames[1].opcode, 10);
  EXPECT_EQ(CloseCodeIn(wire), CloseReason::kUnsupportedData);
  EXPECT_TRUE(loop.Await(Joined(&scope)));
}

// The peer has finished, and its close frame is here already, behind the message that is read last.
TEST(WebSocketWrites, BesideAFailedWriterThereIsNoCleanEnd) {
  Pair pair;
  TaskRunner loop;
  Scope scope(loop.Await(ThisExecutor()));
  const Environment environment{&pair.clock, &pair.entropy, &pair.pool, &scope};
  auto engine = std::make_shared<Engine>(&pair.clock, &pair.entropy, EngineOptions{});
  auto [stream, peer] = faultline::testing::MakeMemoryStreams({.capacity = 200});
  auto serving =
      loop.Start(Connection::Serve(environment, engine, std::move(stream), &pair.policy, {}));
  Inject(peer.get(), UpgradeRequestText());
  loop.Run();
  ASSERT_TRUE(serving.done() && serving.result().ok());
  auto [reader, writer] = std::move(*serving.result()).Split();
  Inject(peer.get(), MessageFrame(&pair.pool, 1, 10, {}) + CloseFrame(1000, "", true));
  EXPECT_TRUE(loop.Await(reader.ReadMessage(kMax)).ok());
  FrozenBatch batch;
  batch.Add(Sample(&pair.pool, 1, 500).frozen());
  auto sending = loop.Start(writer.SendBatch(&batch));
  loop.Run();
  ASSERT_FALSE(sending.done()) << "there is no room";
  sending.RequestStop();
  loop.Run();
  EXPECT_TRUE(absl::IsCancelled(sending.result())) << sending.result();
  for (int i = 0; i < 2; ++i) {
    const absl::Status end = loop.Await(reader.ReadMessage(kMax)).status();
    EXPECT_EQ(ErrnoOf(end), ECONNABORTED) << end;
  }
  EXPECT_TRUE(loop.Await(Joined(&scope)));
}

}  // namespace
}  // namespace faultline::websocket::testing
