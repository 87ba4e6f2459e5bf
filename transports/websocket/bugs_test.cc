// Goal: each planted bug that there is over WebSocket does here what its catalogue says, and
// nothing without its switch. Method: for each a small run in which the right code and the bug
// differ, over streams in memory that cut where they are told; once without bugs, once with all
// switches off, once with the one switch on.

#include "transports/message/bugs.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/check.h"
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

using faultline::testing::kNever;
using faultline::testing::ManualClock;
using faultline::testing::MemoryPipeOptions;
using faultline::testing::MemoryStream;
using faultline::testing::Sample;
using faultline::testing::TagOf;
using faultline::testing::TaskRunner;
using message::TransportBugs;

constexpr size_t kMax = 4096;

Task<Executor*> ThisExecutor() { co_return (co_await ThisTask()).executor; }

// A server with bugs. Its peer is bytes.
struct Fixture {
  // `forth`: from the server to its peer. Limits count from the answer to the upgrade on.
  explicit Fixture(const TransportBugs* bugs, MemoryPipeOptions forth = {})
      : scope(loop.Await(ThisExecutor())),
        streams(faultline::testing::MakeMemoryStreams(std::move(forth))),
        peer(streams.second.get()) {
    stream = streams.first.get();
    auto serving = loop.Start(Connection::Serve(
        {&clock, &entropy, &pool, &scope},
        std::make_shared<Engine>(&clock, &entropy, EngineOptions{}), std::move(streams.first),
        &policy,
        {.input = {.receive_buffer_bytes = 1024, .receive_buffer_max_bytes = 1024}, .bugs = bugs}));
    Inject(UpgradeRequestText());
    loop.Run();
    FAULTLINE_CHECK(serving.done() && serving.result().ok());
    auto [read, write] = std::move(*serving.result()).Split();
    reader.emplace(std::move(read));
    writer.emplace(std::move(write));
  }
  ~Fixture() { loop.Crash(); }

  void Inject(std::string_view bytes) {
    peer->Inject(std::as_bytes(std::span(bytes.data(), bytes.size())));
  }
  FrozenBatch BatchOf(const std::vector<size_t>& bodies) {
    FrozenBatch batch;
    uint64_t tag = 0;
    for (size_t body : bodies) batch.Add(Sample(&pool, ++tag, body).frozen());
    return batch;
  }
  // "1 2 3 <error>": what the server reads.
  std::string Received() {
    std::string text;
    for (;;) {
      auto read = loop.Start(reader->ReadMessage(kMax));
      loop.Run();
      if (!read.done()) {
        read.RequestStop();
        loop.Run();
        return text + "waits";
      }
      if (!read.result().ok()) return text + std::string(read.result().status().message());
      text += std::to_string(TagOf(*read.result())) + " ";
    }
  }

  ManualClock clock;
  ZeroEntropy entropy;
  BufferPool pool;
  UpgradePolicy policy;
  TaskRunner loop;
  Scope scope;
  std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> streams;
  MemoryStream* peer;
  MemoryStream* stream;
  std::optional<Reader> reader;
  std::optional<Writer> writer;
};

Task<std::string> ReadAll(MemoryStream* stream, size_t bytes) {
  std::string all(bytes, '\0');
  absl::StatusOr<size_t> read = co_await stream->Read(std::as_writable_bytes(std::span(all)));
  all.resize(read.ok() ? *read : 0);
  co_return all;
}

// The lengths of the messages that the peer gets, and what is wrong behind them.
std::string Frames(const std::string& wire) {
  std::string text;
  std::string_view rest = wire;
  rest.remove_prefix(rest.find("\r\n\r\n") + 4);
  while (!rest.empty()) {
    auto header = ReadFrameHeader(std::as_bytes(std::span(rest.data(), rest.size())));
    const bool whole = header.has_value() && header->opcode == Opcode::kBinary &&
                       rest.size() - header->header_size >= header->payload_size;
    if (!whole) return text + "and " + std::to_string(rest.size()) + " bytes";
    text += std::to_string(header->payload_size) + " ";
    rest.remove_prefix(header->header_size + header->payload_size);
  }
  return text;
}

// Three messages of 4 bytes of header and 300 each; the first write takes 450 bytes.
std::string PartialWrite(const TransportBugs* bugs) {
  Fixture f(bugs, {.write_sizes = {kNever, 450, kNever}});
  FrozenBatch batch = f.BatchOf({44, 45, 46});
  absl::Status sent = f.loop.Await(f.writer->SendBatch(&batch));
  return sent.ok() ? Frames(f.loop.Await(ReadAll(f.peer, 8192))) : sent.ToString();
}

std::string CancelledSend(const TransportBugs* bugs) {
  Fixture f(bugs, {.capacity = 300});
  FrozenBatch batch = f.BatchOf({500});
  auto send = f.loop.Start(f.writer->SendBatch(&batch));
  f.loop.Run();
  send.RequestStop();
  f.loop.Run();
  return f.stream->aborted() ? "aborted" : "goes on";
}

std::string ReaderOfADeadWriter(const TransportBugs* bugs) {
  Fixture f(bugs, {.write_fault_after = 200});
  auto read = f.loop.Start(f.reader->ReadMessage(kMax));
  f.loop.Run();
  FrozenBatch batch = f.BatchOf({500});
  EXPECT_FALSE(f.loop.Await(f.writer->SendBatch(&batch)).ok());
  return read.done() ? "ends" : "waits";
}

// A message, and of another so many bytes.
std::string TornAfter(const TransportBugs* bugs, size_t bytes) {
  Fixture f(bugs);
  f.Inject(MessageFrame(&f.pool, 1, 10, {}) + MessageFrame(&f.pool, 2, 900, {}).substr(0, bytes));
  EXPECT_TRUE(f.peer->ShutdownWrite().ok());
  return f.Received();
}
std::string TornHeader(const TransportBugs* bugs) { return TornAfter(bugs, 100); }
std::string TornBody(const TransportBugs* bugs) { return TornAfter(bugs, 600); }

std::string CancelledRead(const TransportBugs* bugs) {
  Fixture f(bugs);
  const std::string frame = MessageFrame(&f.pool, 1, 10, {});
  f.Inject(frame.substr(0, 100));
  const std::string before = f.Received();
  f.Inject(frame.substr(100));
  const std::string after = f.Received();
  return before + ", " + (after == "1 waits" ? after : "lost");
}

std::string Compaction(const TransportBugs* bugs) {
  Fixture f(bugs);
  f.Inject(MessageFrame(&f.pool, 1, 200, {}) + MessageFrame(&f.pool, 2, 20, {}).substr(0, 100));
  const std::string before = f.Received();
  f.Inject(MessageFrame(&f.pool, 2, 20, {}).substr(100));
  const std::string after = f.Received();
  return before + ", " + (after == "2 waits" ? after : "wrong");
}

std::string Oversize(const TransportBugs* bugs) {
  Fixture f(bugs);
  f.Inject(MessageFrame(&f.pool, 1, kMax, {}));
  return f.Received();
}

struct Case {
  std::function<std::string(const TransportBugs*)> run;
  std::string right;
  std::string wrong;
};

const std::map<std::string, Case> kCases = {
    {"partial-write-is-complete", {PartialWrite, "300 301 302 ", "300 and 146 bytes"}},
    {"partial-write-starts-over", {PartialWrite, "300 301 302 ", "300 301 and 448 bytes"}},
    {"failed-writer-goes-on", {CancelledSend, "aborted", "goes on"}},
    {"dead-writer-parks-reader", {ReaderOfADeadWriter, "ends", "waits"}},
    {"torn-header-is-clean-end",
     {TornHeader, "1 websocket: the stream ended within a frame", "1 connection closed"}},
    {"torn-body-is-clean-end", {TornBody, "1 torn body: 336 of 900 bytes", "1 connection closed"}},
    {"cancelled-read-loses-bytes", {CancelledRead, "waits, 1 waits", "waits, lost"}},
    {"compaction-off-by-one", {Compaction, "1 waits, 2 waits", "1 waits, wrong"}},
    {"maximum-size-ignored",
     {Oversize, "websocket: a message of 0 + 4352 bytes, at most 4096 are accepted", "1 waits"}},
};

TEST(WebSocketBugs, EachDoesWhatItSaysAndOnlyWithItsSwitch) {
  const TransportBugs none;
  size_t tried = 0;
  for (const message::TransportBugDescription& bug : message::TransportBugCatalog()) {
    SCOPED_TRACE(std::string(bug.name));
    auto found = kCases.find(std::string(bug.name));
    ASSERT_EQ(found != kCases.end(), bug.over_websocket);
    if (!bug.over_websocket) continue;
    ++tried;
    const Case& c = found->second;
    EXPECT_EQ(c.run(nullptr), c.right);
    EXPECT_EQ(c.run(&none), c.right);
    TransportBugs one;
    ASSERT_TRUE(message::EnableBug(bug.name, &one).ok());
    EXPECT_EQ(c.run(&one), c.wrong);
  }
  EXPECT_EQ(tried, kCases.size());
}

}  // namespace
}  // namespace faultline::websocket::testing
