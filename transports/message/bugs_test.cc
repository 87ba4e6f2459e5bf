// Goal: each planted bug does what its catalogue says, and nothing without its switch.
// Method: for each bug a small run in which the right code and the bug differ, once with null, once
// with all switches off, once with the one switch on.

#include "transports/message/bugs.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "transports/message/frame_error.h"
#include "transports/message/frame_reader.h"
#include "transports/message/frame_writer.h"
#include "transports/testing/memory_stream.h"
#include "transports/testing/samples.h"
#include "transports/testing/task_runner.h"

namespace faultline::message {
namespace {

using testing::MakeMemoryStreams;
using testing::MemoryPipeOptions;
using testing::MemoryStream;
using testing::Sample;
using testing::TagOf;
using testing::TaskRunner;

constexpr size_t kMax = 4096;

// A connection with bugs on both sides.
struct Fixture {
  Fixture(const TransportBugs* bugs, MemoryPipeOptions forth)
      : streams(MakeMemoryStreams(std::move(forth))),
        stream(*streams.first),
        peer(*streams.second),
        writer(&stream, bugs),
        own_reader(&stream, &pool, {}, bugs),
        reader(&peer, &pool, {}, bugs) {}

  void Fill(FrozenBatch* batch, const std::vector<size_t>& bodies) {
    for (size_t body : bodies) batch->Add(Sample(&pool, ++last_tag, body).frozen());
  }
  absl::Status Send(const std::vector<size_t>& bodies) {
    FrozenBatch batch;
    Fill(&batch, bodies);
    return loop.Await(writer.SendBatch(&batch));
  }

  // "1 2 3 <error>": what arrives.
  std::string Received() {
    std::string text;
    for (;;) {
      auto read = loop.Start(reader.ReadMessage(kMax));
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

  BufferPool pool;
  TaskRunner loop;
  std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> streams;
  MemoryStream& stream;
  MemoryStream& peer;
  FrameWriter<Stream> writer;
  FrameReader<Stream> own_reader;
  FrameReader<Stream> reader;
  uint64_t last_tag = 0;
};

std::string PartialWrite(const TransportBugs* bugs) {
  Fixture f(bugs, {.write_sizes = {300, testing::kNever}});
  (void)f.Send({10, 20, 30, 40, 50});
  (void)f.writer.FinishWrites();
  return f.Received();
}

std::string CancelledSend(const TransportBugs* bugs) {
  Fixture f(bugs, {.capacity = 300});
  FrozenBatch batch;
  f.Fill(&batch, {500});
  auto send = f.loop.Start(f.writer.SendBatch(&batch));
  f.loop.Run();
  send.RequestStop();
  f.loop.Run();
  return f.stream.aborted() ? "aborted" : "goes on";
}

std::string ReaderOfADeadWriter(const TransportBugs* bugs) {
  Fixture f(bugs, {.write_fault_after = 0});
  auto read = f.loop.Start(f.own_reader.ReadMessage(kMax));
  f.loop.Run();
  (void)f.Send({1});
  std::string outcome = read.done() ? "ends" : "waits";
  f.loop.Crash();
  return outcome;
}

std::string TornAfter(const TransportBugs* bugs, size_t bytes) {
  Fixture f(bugs, {.end_after = bytes});
  (void)f.Send({10, 500});
  return f.Received();
}
std::string TornHeader(const TransportBugs* bugs) { return TornAfter(bugs, 266 + 100); }
std::string TornBody(const TransportBugs* bugs) { return TornAfter(bugs, 266 + 300); }

std::string CancelledRead(const TransportBugs* bugs) {
  Fixture f(bugs, {});
  std::vector<std::byte> wire = testing::Wire(std::vector<Message>{Sample(&f.pool, 1, 10)});
  f.stream.Inject(std::span(wire).first(100));
  std::string before = f.Received();
  f.stream.Inject(std::span(wire).subspan(100));
  return before + ", " + f.Received();
}

std::string Compaction(const TransportBugs* bugs) {
  Fixture f(bugs, {.read_sizes = {266 + 100, testing::kNever}});
  (void)f.Send({10, 20});
  return f.Received();
}

std::string Oversize(const TransportBugs* bugs) {
  Fixture f(bugs, {});
  (void)f.Send({kMax});
  return f.Received();
}

struct Case {
  std::function<std::string(const TransportBugs*)> run;
  std::string right;
  std::string wrong;
};

const std::map<std::string, Case> kCases = {
    {"partial-write-is-complete",
     {PartialWrite, "1 2 3 4 5 connection closed", "1 torn header: 34 of 256 bytes"}},
    {"partial-write-starts-over",
     {PartialWrite, "1 2 3 4 5 connection closed",
      "1 frame size 3243966464 is above the maximum of 4096 bytes"}},
    {"partial-write-swaps-order",
     {PartialWrite, "1 2 3 4 5 connection closed", "1 2 4 3 5 connection closed"}},
    {"failed-writer-goes-on", {CancelledSend, "aborted", "goes on"}},
    {"dead-writer-parks-reader", {ReaderOfADeadWriter, "ends", "waits"}},
    {"torn-header-is-clean-end",
     {TornHeader, "1 torn header: 100 of 256 bytes", "1 connection closed"}},
    {"torn-body-is-clean-end", {TornBody, "1 torn body: 44 of 500 bytes", "1 connection closed"}},
    {"cancelled-read-loses-bytes", {CancelledRead, "waits, 1 waits", "waits, waits"}},
    {"compaction-off-by-one",
     {Compaction, "1 2 waits", "1 frame size 70656 is above the maximum of 4096 bytes"}},
    {"maximum-size-ignored",
     {Oversize, "frame size 4352 is above the maximum of 4096 bytes", "1 waits"}},
};

TEST(TransportBugs, EachDoesWhatItSaysAndOnlyWithItsSwitch) {
  ASSERT_EQ(kCases.size(), TransportBugCatalog().size());
  const TransportBugs none;
  for (const TransportBugDescription& bug : TransportBugCatalog()) {
    SCOPED_TRACE(std::string(bug.name));
    auto found = kCases.find(std::string(bug.name));
    ASSERT_NE(found, kCases.end());
    const Case& c = found->second;
    EXPECT_EQ(c.run(nullptr), c.right);
    EXPECT_EQ(c.run(&none), c.right);
    TransportBugs one;
    ASSERT_TRUE(EnableBug(bug.name, &one).ok());
    EXPECT_EQ(c.run(&one), c.wrong);
  }
}

TEST(TransportBugs, TheCatalogueIsInOrder) {
  std::set<std::string_view> names;
  for (const TransportBugDescription& bug : TransportBugCatalog()) {
    names.insert(bug.name);
    EXPECT_FALSE(bug.what.empty());
    EXPECT_FALSE(bug.origin.empty());
    TransportBugs bugs;
    EXPECT_FALSE(bugs.*bug.enabled) << "off by default";
  }
  EXPECT_EQ(names.size(), TransportBugCatalog().size());
  EXPECT_EQ(sizeof(TransportBugs), TransportBugCatalog().size()) << "each switch has its entry";
}

TEST(TransportBugs, AnUnknownNameIsRefused) {
  TransportBugs bugs;
  absl::Status status = EnableBug("no-such-bug", &bugs);
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), "no transport bug is called 'no-such-bug'");
}

}  // namespace
}  // namespace faultline::message
