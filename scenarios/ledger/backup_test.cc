// Goal: a backup's log is a prefix of the primary's, what it acknowledges it holds, and what it
// lacks it asks for, one chunk at a time, again if need be.
// Method: the state machine alone; a log that plays the primary's makes the frames that arrive.
#include "scenarios/ledger/backup.h"

#include <gtest/gtest.h>

#include <optional>

#include "scenarios/ledger/testing/protocol_fixture.h"

namespace faultline::ledger {
namespace {

using message::CatchUpRequestFields;
using message::Command;
using message::CommitFields;
using message::PrepareOkFields;

class BackupTest : public ProtocolFixture {
 protected:
  void Connect(ReplicaId peer, uint64_t op, uint64_t commit = 0) {
    backup_.OnPeerConnected(peer, {.incarnation = kPrimaryLife, .op = op, .commit = commit}, now_);
  }
  absl::Status Prepare(uint64_t op, uint64_t commit = 0) {
    Fill(&primary_log_, op);
    return backup_.OnPrepare(0, Parse(primary_frames_.Prepare(primary_log_, op, commit)), now_);
  }
  // Data for the last request, from the primary's log.
  message::Message Data(uint64_t first, uint64_t max_entries, uint64_t sequence) {
    uint64_t end = 0;
    return Parse(primary_frames_.CatchUpData(primary_log_, first, primary_log_.last_op(), 0,
                                             sequence, {.max_entries = max_entries}, &end));
  }
  // What was asked for since the last call, and of whom.
  std::optional<std::pair<ReplicaId, CatchUpRequestFields>> Asked() {
    for (const Sent& sent : out_.Take()) {
      if (sent.command() != Command::kCatchUpRequest) continue;
      return std::pair(sent.to.replica, sent.frame.Fields<CatchUpRequestFields>());
    }
    return std::nullopt;
  }
  // The op that was acknowledged since the last call.
  std::optional<uint64_t> Acknowledged() {
    std::optional<uint64_t> op;
    for (const Sent& sent : out_.Take()) {
      if (sent.command() != Command::kPrepareOk) continue;
      const auto fields = sent.frame.Fields<PrepareOkFields>();
      EXPECT_EQ(sent.to, Party::Replica(0));
      EXPECT_EQ(fields.incarnation, kBackupLife);
      EXPECT_EQ(fields.primary_incarnation, kPrimaryLife);
      EXPECT_EQ(DigestFromWire(fields.digest), log_.chain(fields.op));
      op = fields.op;
    }
    return op;
  }

  MonotonicTime now_{};
  Log log_;
  Log primary_log_;
  const FrameMaker frames_{&pool_, cluster_, Party::Replica(1), kBackupLife};
  const FrameMaker primary_frames_{&pool_, cluster_, Party::Replica(0), kPrimaryLife};
  Backup backup_{1, 3, 1s, {}, Parts(&log_, &frames_)};
};

TEST_F(BackupTest, AppendsInOrderAndAcknowledgesOnceForAll) {
  Connect(0, 0);
  out_.Take();
  for (uint64_t op = 1; op <= 3; ++op) ASSERT_TRUE(Prepare(op).ok());
  EXPECT_TRUE(out_.sent.empty());
  backup_.OnFramesEnd();
  EXPECT_EQ(out_.sent.size(), 1u);
  EXPECT_EQ(Acknowledged(), 3u);
  EXPECT_EQ(log_.chain(), primary_log_.chain());
  backup_.OnFramesEnd();
  EXPECT_TRUE(out_.sent.empty());
}

TEST_F(BackupTest, SaysWhatItHoldsWhenItConnects) {
  Fill(&log_, 2);
  Fill(&primary_log_, 2);
  Connect(0, 2);
  EXPECT_EQ(Acknowledged(), 2u);
}

TEST_F(BackupTest, SaysItAgainWhenThePrimaryPings) {
  Connect(0, 0);
  out_.Take();
  ASSERT_TRUE(Prepare(1).ok());
  out_.full[0] = true;
  backup_.OnFramesEnd();
  EXPECT_EQ(Acknowledged(), std::nullopt) << "it did not fit into the queue";
  out_.full[0] = false;
  backup_.OnGreeting(0, {.op = 1}, now_);
  backup_.OnFramesEnd();
  EXPECT_EQ(Acknowledged(), 1u);
}

TEST_F(BackupTest, ARepeatedPrepareChangesNothing) {
  Connect(0, 0);
  ASSERT_TRUE(Prepare(1).ok());
  ASSERT_TRUE(Prepare(1).ok());
  EXPECT_EQ(log_.last_op(), 1u);
}

TEST_F(BackupTest, APrepareBehindAGapIsAskedForAndNotAcknowledged) {
  Connect(0, 0);
  ASSERT_TRUE(Prepare(1).ok());
  backup_.OnFramesEnd();
  out_.Take();
  ASSERT_TRUE(Prepare(3).ok());
  EXPECT_EQ(log_.last_op(), 1u);
  backup_.OnFramesEnd();
  const std::vector<Sent> sent = out_.sent;
  EXPECT_EQ(Acknowledged(), std::nullopt);
  out_.sent = sent;
  auto asked = Asked();
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->first, 0);
  EXPECT_EQ(asked->second.first_op, 2u);
  EXPECT_EQ(DigestFromWire(asked->second.digest), log_.chain(1));
}

TEST_F(BackupTest, RefusesAnotherLog) {
  Connect(0, 0);
  ASSERT_TRUE(log_.Append({kBob, 1}, Bytes("mine")).ok());
  EXPECT_EQ(Prepare(2).code(), absl::StatusCode::kDataLoss) << "another parent";
  EXPECT_EQ(Prepare(1).code(), absl::StatusCode::kDataLoss) << "another entry";
  EXPECT_EQ(backup_.OnCatchUpData(0, Data(1, 9, 1), now_).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(backup_.OnCatchUpData(0, Data(2, 9, 1), now_).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(log_.last_op(), 1u);
}

TEST_F(BackupTest, TakesOrdersFromThePrimaryOnly) {
  Connect(2, 0);
  Fill(&primary_log_, 1);
  const message::Message prepare = Parse(primary_frames_.Prepare(primary_log_, 1, 0));
  EXPECT_EQ(backup_.OnPrepare(2, prepare, now_).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(backup_.OnCommit(2, CommitFields{.digest = {}, .commit = 1}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(BackupTest, CommitsWhatItHolds) {
  Connect(0, 0);
  ASSERT_TRUE(Prepare(1).ok());
  ASSERT_TRUE(Prepare(2, 1).ok());
  EXPECT_EQ(backup_.committed(), 1u);
  ASSERT_TRUE(backup_.OnCommit(0, CommitFields{.digest = {}, .commit = 9}).ok());
  EXPECT_EQ(backup_.committed(), 2u) << "not what it does not hold";
}

// --- Digests ---

TEST_F(BackupTest, ACommitOfAnotherLogIsFound) {
  Connect(0, 0);
  ASSERT_TRUE(Prepare(1).ok());
  ASSERT_TRUE(Prepare(2).ok());
  const auto commit = [this](uint64_t op, const Digest& digest) {
    return backup_.OnCommit(0, CommitFields{.digest = ToWire(digest), .commit = op});
  };
  EXPECT_TRUE(commit(1, log_.chain(1)).ok());
  EXPECT_EQ(commit(2, log_.chain(1)).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(backup_.committed(), 1u) << "what is not the same is not committed here";
  EXPECT_TRUE(commit(2, log_.chain(2)).ok());
  EXPECT_EQ(backup_.committed(), 2u);
}

TEST_F(BackupTest, APreparedEntryIsComparedWithTheOneThatIsHeld) {
  Connect(0, 0);
  ASSERT_TRUE(Prepare(1).ok());
  ASSERT_TRUE(Prepare(2).ok());
  Log other;  // the same numbers, another payload at op 2
  ASSERT_TRUE(other.Append({kAlice, 1}, Bytes("payload")).ok());
  ASSERT_TRUE(other.Append({kAlice, 2}, Bytes("another")).ok());
  const message::Message prepare = Parse(primary_frames_.Prepare(other, 2, 0));
  EXPECT_EQ(backup_.OnPrepare(0, prepare, now_).code(), absl::StatusCode::kDataLoss);
}

TEST_F(BackupTest, TheParentOfAHeldEntryIsCompared) {
  Connect(0, 0);
  ASSERT_TRUE(Prepare(1).ok());
  ASSERT_TRUE(Prepare(2).ok());
  Log other;  // the same entry at op 2, behind another one
  ASSERT_TRUE(other.Append({kBob, 1}, Bytes("payload")).ok());
  ASSERT_TRUE(other.Append({kAlice, 2}, Bytes("payload")).ok());
  const message::Message prepare = Parse(primary_frames_.Prepare(other, 2, 0));
  EXPECT_EQ(backup_.OnPrepare(0, prepare, now_).code(), absl::StatusCode::kDataLoss);
}

TEST_F(BackupTest, ANewEntryIsTheOneThatItsClientAskedFor) {
  Connect(0, 0);
  Fill(&primary_log_, 1);
  message::Message prepare = Parse(primary_frames_.Prepare(primary_log_, 1, 0));
  message::Header header = prepare.header();
  auto fields = header.Fields<message::PrepareFields>();
  fields.request_checksum = {1, 2};
  header.SetFields(fields);
  prepare = message::MakeMessage(&pool_, header, prepare.body());
  EXPECT_EQ(backup_.OnPrepare(0, prepare, now_).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(log_.last_op(), 0u);
}

// --- Catching up ---

TEST_F(BackupTest, AsksChunkByChunkOneAtATime) {
  Fill(&primary_log_, 5);
  Connect(0, 5);
  auto asked = Asked();
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->second.first_op, 1u);
  backup_.OnGreeting(0, {.op = 5}, now_);
  EXPECT_FALSE(Asked().has_value()) << "one is under way";
  ASSERT_TRUE(backup_.OnCatchUpData(0, Data(1, 2, asked->second.sequence), now_).ok());
  EXPECT_EQ(log_.last_op(), 2u);
  asked = Asked();
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->second.first_op, 3u);
  ASSERT_TRUE(backup_.OnCatchUpData(0, Data(3, 9, asked->second.sequence), now_).ok());
  EXPECT_EQ(log_.chain(), primary_log_.chain());
  EXPECT_FALSE(backup_.catching_up());
  backup_.OnFramesEnd();
  EXPECT_EQ(Acknowledged(), 5u);
}

TEST_F(BackupTest, AsksAgainAfterTheTimeOut) {
  Fill(&primary_log_, 2);
  Connect(0, 2);
  ASSERT_TRUE(Asked().has_value());
  now_ += 1s - 1ns;
  backup_.OnTick(now_);
  EXPECT_FALSE(Asked().has_value());
  now_ += 1ns;
  backup_.OnTick(now_);
  EXPECT_TRUE(Asked().has_value());
}

// Else a link that is slower than the time-out would never bring anything.
TEST_F(BackupTest, ALateAnswerIsAsGoodAsATimelyOne) {
  Fill(&primary_log_, 2);
  Connect(0, 2);
  const uint64_t sequence = Asked()->second.sequence;
  now_ += 1s;
  backup_.OnTick(now_);
  ASSERT_TRUE(backup_.OnCatchUpData(0, Data(1, 9, sequence), now_).ok());
  ASSERT_TRUE(backup_.OnCatchUpData(0, Data(1, 9, sequence + 1), now_).ok());
  EXPECT_EQ(log_.chain(), primary_log_.chain());
}

TEST_F(BackupTest, AChunkThatOverlapsAddsWhatIsNew) {
  Connect(0, 0);
  ASSERT_TRUE(Prepare(1).ok());
  ASSERT_TRUE(Prepare(2).ok());
  Fill(&primary_log_, 4);
  ASSERT_TRUE(backup_.OnCatchUpData(0, Data(1, 9, 1), now_).ok());
  EXPECT_EQ(log_.chain(), primary_log_.chain());
}

TEST_F(BackupTest, AFullQueueIsTriedAgain) {
  Fill(&primary_log_, 1);
  out_.full[0] = true;
  Connect(0, 1);
  EXPECT_FALSE(backup_.catching_up());
  out_.full[0] = false;
  backup_.OnTick(now_);
  EXPECT_TRUE(Asked().has_value());
}

TEST_F(BackupTest, ALostConnectionEndsTheRequest) {
  Fill(&primary_log_, 1);
  Connect(0, 1);
  ASSERT_TRUE(Asked().has_value());
  backup_.OnPeerLost(0);
  EXPECT_FALSE(backup_.catching_up());
  Connect(0, 1);
  EXPECT_TRUE(Asked().has_value());
}

TEST_F(BackupTest, RefusesATornChunk) {
  Fill(&primary_log_, 2);
  Connect(0, 2);
  const message::Message data = Data(1, 9, 1);
  message::MessageBuilder torn(&pool_, data.body().size() - 1);
  torn.header() = data.header();
  std::memcpy(torn.body().data(), data.body().data(), torn.body().size());
  absl::Status status = backup_.OnCatchUpData(0, std::move(torn).Seal(), now_);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
}

TEST_F(BackupTest, RefusesAChunkThatIsNotAsAnnounced) {
  Fill(&primary_log_, 2);
  Connect(0, 2);
  message::Message data = Data(1, 9, 1);
  message::Header header = data.header();
  auto fields = header.Fields<message::CatchUpDataFields>();
  fields.count = 3;
  header.SetFields(fields);
  data = message::MakeMessage(&pool_, header, data.body());
  EXPECT_EQ(backup_.OnCatchUpData(0, data, now_).code(), absl::StatusCode::kInvalidArgument);
}

// --- Among backups ---

TEST_F(BackupTest, WithoutAPrimaryAnotherBackupGivesWhatIsCommitted) {
  Connect(2, 5, 3);
  auto asked = Asked();
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->first, 2);
  Fill(&primary_log_, 3);
  ASSERT_TRUE(backup_.OnCatchUpData(2, Data(1, 9, asked->second.sequence), now_).ok());
  EXPECT_EQ(log_.last_op(), 3u);
  EXPECT_FALSE(Asked().has_value()) << "the rest is not committed";
}

TEST_F(BackupTest, GivesWhatIsCommittedAndNoMore) {
  Connect(0, 0);
  Connect(2, 0);
  for (uint64_t op = 1; op <= 3; ++op) ASSERT_TRUE(Prepare(op, op - 1).ok());
  out_.Take();
  CatchUpRequestFields request{.digest = {}, .first_op = 1, .sequence = 7};
  ASSERT_TRUE(backup_.OnCatchUpRequest(2, request).ok());
  std::vector<Sent> sent = out_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, Party::Replica(2));
  const auto fields = sent[0].frame.Fields<message::CatchUpDataFields>();
  EXPECT_EQ(fields.count, 2u);
  EXPECT_EQ(fields.last_op, 2u);
  EXPECT_EQ(fields.sequence, 7u);
  request.first_op = 4;
  EXPECT_EQ(backup_.OnCatchUpRequest(2, request).code(), absl::StatusCode::kInvalidArgument);
  request.first_op = 2;
  EXPECT_EQ(backup_.OnCatchUpRequest(2, request).code(), absl::StatusCode::kDataLoss);
}

// --- Planted bugs ---

TEST_F(BackupTest, PlantedAckPastGap) {
  bugs_.ack_past_gap = true;
  Connect(0, 0);
  out_.Take();
  ASSERT_TRUE(Prepare(2).ok());
  ASSERT_FALSE(out_.sent.empty());
  const auto fields = out_.sent[0].frame.Fields<PrepareOkFields>();
  EXPECT_EQ(fields.op, 2u);
  EXPECT_EQ(DigestFromWire(fields.digest), primary_log_.chain(2)) << "the primary believes it";
  EXPECT_EQ(log_.last_op(), 0u);
}

TEST_F(BackupTest, PlantedLiveOvertakesCatchUp) {
  bugs_.live_overtakes_catch_up = true;
  Connect(0, 0);
  ASSERT_TRUE(Prepare(2).ok());
  EXPECT_EQ(log_.last_op(), 1u);
  EXPECT_EQ(log_.at(1).id, (EntryId{kAlice, 2}));
}

TEST_F(BackupTest, PlantedCatchUpSkipsAtChunkEnd) {
  bugs_.catch_up_skips_at_chunk_end = true;
  Fill(&primary_log_, 5);
  Connect(0, 5);
  ASSERT_TRUE(backup_.OnCatchUpData(0, Data(1, 2, Asked()->second.sequence), now_).ok());
  EXPECT_EQ(Asked()->second.first_op, 4u);
}

TEST_F(BackupTest, PlantedDroppedPrepareForgotten) {
  bugs_.dropped_prepare_forgotten = true;
  Connect(0, 0);
  ASSERT_TRUE(Prepare(2).ok());
  backup_.OnGreeting(0, {.op = 2}, now_);
  backup_.OnTick(now_ + 1h);
  EXPECT_FALSE(Asked().has_value());
}

}  // namespace
}  // namespace faultline::ledger
