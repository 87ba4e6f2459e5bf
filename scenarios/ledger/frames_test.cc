// Goal: what is written into a frame is what is read from it, and each connection has one name.
// Method: round trips; names compared over every field that goes into them.
#include "scenarios/ledger/frames.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "scenarios/ledger/testing/protocol_fixture.h"

namespace faultline::ledger {
namespace {

class FramesTest : public ProtocolFixture {
 protected:
  const FrameMaker frames_{&pool_, cluster_, Party::Replica(2), kBackupLife};
};

TEST_F(FramesTest, GreetingsKeepEveryField) {
  const Greeting said{.sequence = 3, .timestamp = 4, .op = 5, .commit = 6};
  for (Frozen frame : {frames_.Ping(said), frames_.Pong(said)}) {
    const Greeting read = ReadGreeting(Parse(std::move(frame)));
    EXPECT_EQ(read.who, Party::Replica(2));
    EXPECT_EQ(read.incarnation, kBackupLife);
    EXPECT_EQ(read.sequence, 3u);
    EXPECT_EQ(read.timestamp, 4u);
    EXPECT_EQ(read.op, 5u);
    EXPECT_EQ(read.commit, 6u);
  }
}

TEST_F(FramesTest, AGreetingSaysWhoItIs) {
  for (const Party& party : {Party::Client({7, 8}), Party::Reader({7, 8}), Party::Replica(4)}) {
    const FrameMaker frames(&pool_, cluster_, party, 0);
    const message::Message ping = Parse(frames.Ping({}));
    EXPECT_EQ(ReadGreeting(ping).who, party);
    EXPECT_EQ(ping.header().cluster, cluster_);
  }
}

TEST_F(FramesTest, ConnectionsDifferInEveryField) {
  const Greeting ping{.who = Party::Client({1, 2}), .incarnation = 3, .sequence = 4};
  std::set<ConnectionId> ids{ConnectionIdOf(ping, 0), ConnectionIdOf(ping, 1)};
  Greeting other = ping;
  other.who = Party::Client({1, 3});
  ids.insert(ConnectionIdOf(other, 0));
  other = ping;
  other.who = Party::Client({2, 2});
  ids.insert(ConnectionIdOf(other, 0));
  other = ping;
  other.who = Party::Replica(1);
  ids.insert(ConnectionIdOf(other, 0));
  other = ping;
  other.incarnation = 9;
  ids.insert(ConnectionIdOf(other, 0));
  other = ping;
  other.sequence = 9;
  ids.insert(ConnectionIdOf(other, 0));
  EXPECT_EQ(ids.size(), 7u);
  other = ping;
  other.op = 9;
  EXPECT_EQ(ConnectionIdOf(other, 0), ConnectionIdOf(ping, 0)) << "both ends agree on the rest";
}

TEST_F(FramesTest, ChunksKeepEntriesAndStayWithinTheirLimits) {
  Log log;
  for (uint64_t n = 1; n <= 6; ++n) {
    ASSERT_TRUE(log.Append({kAlice, n}, Bytes(std::string(n * 10, 'x'))).ok());
  }
  uint64_t end = 0;
  const message::Message data =
      Parse(frames_.CatchUpData(log, 2, 6, 1, 0, {.max_entries = 9, .max_bytes = 130}, &end));
  EXPECT_EQ(end, 3u) << "2 * 32 + 20 + 30 bytes; the next would be too many";
  CatchUpBody body(data.body());
  for (uint64_t op = 2; op <= end; ++op) {
    std::optional<CatchUpBody::Item> item = body.Next();
    ASSERT_TRUE(item.has_value());
    EXPECT_EQ(item->id, log.at(op).id);
    EXPECT_EQ(DigestOfBytes(item->payload), log.at(op).payload_digest);
  }
  EXPECT_FALSE(body.Next().has_value());
  EXPECT_TRUE(body.status().ok());
}

TEST_F(FramesTest, AChunkHoldsAtLeastOneEntry) {
  Log log;
  ASSERT_TRUE(log.Append({kAlice, 1}, Bytes(std::string(1000, 'x'))).ok());
  uint64_t end = 0;
  Parse(frames_.CatchUpData(log, 1, 1, 0, 0, {.max_entries = 9, .max_bytes = 1}, &end));
  EXPECT_EQ(end, 1u);
}

// A body from elsewhere may say anything about its sizes.
TEST_F(FramesTest, ATornBodyIsRefusedWhereverItIsTorn) {
  Log log;
  Fill(&log, 2);
  uint64_t end = 0;
  const message::Message data = Parse(frames_.CatchUpData(log, 1, 2, 0, 0, {}, &end));
  const size_t whole = data.body().size() / 2;
  for (size_t size = 0; size < data.body().size(); ++size) {
    CatchUpBody body(data.body().first(size));
    size_t items = 0;
    while (body.Next().has_value()) ++items;
    EXPECT_EQ(items, size / whole);
    EXPECT_EQ(body.status().ok(), size % whole == 0) << size;
  }
}

TEST(LedgerBugsTest, EachBugHasItsSwitch) {
  std::set<std::string_view> names;
  for (const BugDescription& bug : LedgerBugCatalog()) {
    EXPECT_TRUE(names.insert(bug.name).second) << bug.name;
    EXPECT_FALSE(bug.what.empty() || bug.origin.empty());
    LedgerBugs bugs;
    EXPECT_FALSE(Planted(&bugs, bug.enabled));
    ASSERT_TRUE(EnableBug(bug.name, &bugs).ok());
    int enabled = 0;
    for (const BugDescription& other : LedgerBugCatalog()) enabled += Planted(&bugs, other.enabled);
    EXPECT_EQ(enabled, 1) << bug.name;
    EXPECT_TRUE(Planted(&bugs, bug.enabled));
    EXPECT_FALSE(Planted(nullptr, bug.enabled));
  }
  EXPECT_EQ(names.size(), sizeof(LedgerBugs)) << "each switch is in the catalogue";
  LedgerBugs bugs;
  EXPECT_EQ(EnableBug("no-such-bug", &bugs).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace faultline::ledger
