// Goal: the primary orders, replicates, counts, answers; and does neither too early nor twice.
// Method: the state machine alone, told what arrives, its frames recorded. The last tests show that
// each planted bug of the primary changes what the test before it demands.
#include "scenarios/ledger/primary.h"

#include <gtest/gtest.h>

#include "scenarios/ledger/testing/protocol_fixture.h"

namespace faultline::ledger {
namespace {

using message::CatchUpDataFields;
using message::CatchUpRequestFields;
using message::Command;
using message::PrepareFields;
using message::PrepareOkFields;
using message::ReplyFields;

class PrimaryTest : public ProtocolFixture {
 protected:
  PrimaryTest() {
    EXPECT_TRUE(primary_.OnClientConnected(kAlice, 0, now_).ok());
    EXPECT_TRUE(primary_.OnClientConnected(kBob, 0, now_).ok());
  }

  absl::Status Request(const ClientId& client, uint64_t number, std::string_view text = "p",
                       uint32_t slot = 0) {
    const EntryId id{client, number};
    const Digest digest = DigestOfRequest(id, DigestOfBytes(Bytes(text)));
    return primary_.OnRequest(client, Parse(client_frames_.Request(id, digest, Bytes(text))), slot);
  }
  void Ask(const ClientId& client, uint64_t number) { ASSERT_TRUE(Request(client, number).ok()); }
  absl::Status Acknowledge(ReplicaId from, uint64_t op, uint64_t life = kBackupLife) {
    PrepareOkFields ok{.digest = ToWire(log_.chain(op)),
                       .op = op,
                       .incarnation = life,
                       .primary_incarnation = kPrimaryLife};
    return primary_.OnPrepareOk(from, ok);
  }
  // A backup that holds everything and is sent what is new.
  void Join(ReplicaId backup) {
    primary_.OnBackupConnected(backup, kBackupLife);
    ASSERT_TRUE(Acknowledge(backup, log_.last_op()).ok());
  }
  absl::Status AskForMore(ReplicaId from, uint64_t first) {
    CatchUpRequestFields request{.digest = ToWire(log_.chain(first - 1)), .first_op = first};
    return primary_.OnCatchUpRequest(from, request);
  }
  // The ops of the prepares that went to `replica`.
  std::vector<uint64_t> Prepared(ReplicaId replica) {
    std::vector<uint64_t> ops;
    for (const Sent& sent : out_.Take()) {
      if (sent.to != Party::Replica(replica) || sent.command() != Command::kPrepare) continue;
      ops.push_back(sent.frame.Fields<PrepareFields>().op);
    }
    return ops;
  }
  std::vector<ReplyFields> Replies() {
    std::vector<ReplyFields> replies;
    for (const Sent& sent : out_.Take()) {
      if (sent.command() == Command::kReply) replies.push_back(sent.frame.Fields<ReplyFields>());
    }
    return replies;
  }

  // What was sent last says that this is never done, and nothing else has been said about it.
  void ExpectRefusal(const EntryId& id) {
    const std::vector<Sent> sent = out_.Take();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].to, Party::Client(id.client));
    const auto reply = sent[0].frame.Fields<ReplyFields>();
    EXPECT_EQ(reply.status, message::ReplyStatus::kRefused);
    EXPECT_EQ(ClientFromWire(reply.client), id.client);
    EXPECT_EQ(reply.request, id.number);
    EXPECT_EQ(reply.op, 0u);
  }

  const MonotonicTime now_{};
  Log log_;
  const FrameMaker frames_{&pool_, cluster_, Party::Replica(0), kPrimaryLife};
  const FrameMaker client_frames_{&pool_, cluster_, Party::Client(kAlice), 0};
  Primary primary_{3,
                   {.sessions = {.window = 4}, .chunks = {.max_entries = 3}, .max_payload = 10},
                   Parts(&log_, &frames_)};
};

// --- Requests ---

TEST_F(PrimaryTest, OrdersRequestsAsTheyCome) {
  Ask(kAlice, 1);
  Ask(kBob, 1);
  Ask(kAlice, 2);
  ASSERT_EQ(log_.last_op(), 3u);
  EXPECT_EQ(log_.at(2).id, (EntryId{kBob, 1}));
  EXPECT_EQ(log_.at(3).id, (EntryId{kAlice, 2}));
}

TEST_F(PrimaryTest, AnswersWhenAMajorityHoldsTheEntryAndNotBefore) {
  Join(1);
  Ask(kAlice, 1);
  primary_.Replicate();
  EXPECT_TRUE(Replies().empty());
  EXPECT_EQ(primary_.committed(), 0u);
  ASSERT_TRUE(Acknowledge(1, 1).ok());
  std::vector<ReplyFields> replies = Replies();
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(ClientFromWire(replies[0].client), kAlice);
  EXPECT_EQ(replies[0].request, 1u);
  EXPECT_EQ(replies[0].op, 1u);
  EXPECT_EQ(DigestFromWire(replies[0].request_checksum),
            DigestOfRequest({kAlice, 1}, DigestOfBytes(Bytes("p"))));
  EXPECT_TRUE(primary_.all_committed());
}

TEST_F(PrimaryTest, AnswersInOrderWithOneAcknowledgement) {
  Join(2);
  for (uint64_t n = 1; n <= 4; ++n) Ask(kAlice, n);
  out_.Take();
  ASSERT_TRUE(Acknowledge(2, 4).ok());
  std::vector<ReplyFields> replies = Replies();
  ASSERT_EQ(replies.size(), 4u);
  for (uint64_t n = 1; n <= 4; ++n) EXPECT_EQ(replies[n - 1].request, n);
}

TEST_F(PrimaryTest, ARetryBeforeTheCommitIsAnsweredOnceByTheCommit) {
  Join(1);
  Ask(kAlice, 1);
  Ask(kAlice, 1);
  EXPECT_EQ(log_.last_op(), 1u);
  ASSERT_TRUE(Acknowledge(1, 1).ok());
  EXPECT_EQ(Replies().size(), 1u);
}

TEST_F(PrimaryTest, ARetryAfterTheCommitIsAnsweredAgainWithItsOwnReply) {
  Join(1);
  Ask(kAlice, 1);
  Ask(kAlice, 2);
  ASSERT_TRUE(Acknowledge(1, 2).ok());
  out_.Take();
  Ask(kAlice, 1);
  std::vector<ReplyFields> replies = Replies();
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].request, 1u);
  EXPECT_EQ(replies[0].op, 1u);
  EXPECT_EQ(log_.last_op(), 2u);
}

TEST_F(PrimaryTest, RefusesWhatBreaksTheProtocol) {
  EXPECT_EQ(Request(kAlice, 2).code(), absl::StatusCode::kInvalidArgument) << "a gap";
  EXPECT_EQ(Request(kAlice, 0).code(), absl::StatusCode::kInvalidArgument) << "no number";
  EXPECT_EQ(Request({0, 77}, 1).code(), absl::StatusCode::kInvalidArgument) << "no session";
  Ask(kAlice, 1);
  EXPECT_EQ(Request(kAlice, 1, "other").code(), absl::StatusCode::kInvalidArgument) << "a conflict";
  for (uint64_t n = 2; n <= 4; ++n) Ask(kAlice, n);
  EXPECT_EQ(Request(kAlice, 5).code(), absl::StatusCode::kInvalidArgument) << "over the window";
  EXPECT_EQ(log_.last_op(), 4u);
}

TEST_F(PrimaryTest, RefusesARequestInAnothersName) {
  const EntryId id{kBob, 1};
  const Digest digest = DigestOfRequest(id, DigestOfBytes(Bytes("p")));
  const message::Message request = Parse(client_frames_.Request(id, digest, Bytes("p")));
  EXPECT_EQ(primary_.OnRequest(kAlice, request, 0).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PrimaryTest, RefusesARequestWithAFalseChecksum) {
  const message::Message request = Parse(client_frames_.Request({kAlice, 1}, {1, 2}, Bytes("p")));
  EXPECT_EQ(primary_.OnRequest(kAlice, request, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(log_.last_op(), 0u);
}

TEST_F(PrimaryTest, AFullLogRefuses) {
  Log small({.max_entries = 1});
  Primary primary(3, {}, Parts(&small, &frames_));
  ASSERT_TRUE(primary.OnClientConnected(kAlice, 0, now_).ok());
  for (uint64_t n = 1; n <= 2; ++n) {
    const EntryId id{kAlice, n};
    const Digest digest = DigestOfRequest(id, DigestOfBytes(Bytes("p")));
    absl::Status status =
        primary.OnRequest(kAlice, Parse(client_frames_.Request(id, digest, Bytes("p"))), 0);
    EXPECT_EQ(status.code(), n == 1 ? absl::StatusCode::kOk : absl::StatusCode::kResourceExhausted);
  }
  ExpectRefusal({kAlice, 2});
}

// It would fit into a request, and not into the catch-up data of a backup that needs it.
TEST_F(PrimaryTest, RefusesAPayloadThatIsTooLarge) {
  ASSERT_TRUE(Request(kAlice, 1, "10 bytes !").ok());
  out_.Take();
  EXPECT_EQ(Request(kAlice, 2, "11 bytes !!").code(), absl::StatusCode::kFailedPrecondition);
  ExpectRefusal({kAlice, 2});
  EXPECT_EQ(log_.last_op(), 1u);
  Ask(kAlice, 2);
  EXPECT_EQ(log_.last_op(), 2u) << "a refused number is not used up";
}

TEST_F(PrimaryTest, RefusesWhatIsNotAnAppend) {
  const Digest digest = DigestOfRequest({kAlice, 1}, DigestOfBytes(Bytes("p")));
  message::Message request = Parse(client_frames_.Request({kAlice, 1}, digest, Bytes("p")));
  message::Header header = request.header();
  auto fields = header.Fields<message::RequestFields>();
  fields.operation = message::Operation::kRead;
  header.SetFields(fields);
  request = message::MakeMessage(&pool_, header, Bytes("p"));
  EXPECT_EQ(primary_.OnRequest(kAlice, request, 0).code(), absl::StatusCode::kFailedPrecondition);
  ExpectRefusal({kAlice, 1});
  EXPECT_EQ(log_.last_op(), 0u);
}

TEST_F(PrimaryTest, AClusterOfOneCommitsAtOnce) {
  Log log;
  Primary alone(1, {}, Parts(&log, &frames_));
  ASSERT_TRUE(alone.OnClientConnected(kAlice, 0, now_).ok());
  const Digest digest = DigestOfRequest({kAlice, 1}, DigestOfBytes(Bytes("p")));
  ASSERT_TRUE(
      alone.OnRequest(kAlice, Parse(client_frames_.Request({kAlice, 1}, digest, Bytes("p"))), 0)
          .ok());
  EXPECT_EQ(Replies().size(), 1u);
}

// --- Backups ---

TEST_F(PrimaryTest, SendsEachNewEntryOnceToEachBackupThatHasTheRest) {
  Join(1);
  Join(2);
  Ask(kAlice, 1);
  Ask(kAlice, 2);
  EXPECT_TRUE(primary_.work()->is_set());
  primary_.Replicate();
  EXPECT_FALSE(primary_.work()->is_set());
  const std::vector<Sent> sent = out_.sent;
  EXPECT_EQ(Prepared(1), (std::vector<uint64_t>{1, 2}));
  out_.sent = sent;
  EXPECT_EQ(Prepared(2), (std::vector<uint64_t>{1, 2}));
  primary_.Replicate();
  EXPECT_TRUE(out_.Take().empty());
}

TEST_F(PrimaryTest, APrepareSaysWhereItBelongs) {
  Join(1);
  Ask(kAlice, 1);
  Ask(kBob, 1);
  primary_.Replicate();
  std::vector<Sent> sent = out_.Take();
  ASSERT_EQ(sent.size(), 2u);
  const auto fields = sent[1].frame.Fields<PrepareFields>();
  EXPECT_EQ(fields.op, 2u);
  EXPECT_EQ(DigestFromWire(fields.parent), log_.chain(1));
  EXPECT_EQ(ClientFromWire(fields.client), kBob);
  EXPECT_EQ(sent[1].frame.body().size(), 1u);
}

TEST_F(PrimaryTest, ABackupThatIsBehindAsksFirst) {
  Fill(&log_, 5);
  primary_.OnBackupConnected(1, kBackupLife);
  ASSERT_TRUE(Acknowledge(1, 0).ok());
  primary_.Replicate();
  EXPECT_TRUE(Prepared(1).empty());
  ASSERT_TRUE(AskForMore(1, 1).ok());
  std::vector<Sent> sent = out_.Take();
  ASSERT_EQ(sent.size(), 1u);
  auto data = sent[0].frame.Fields<CatchUpDataFields>();
  EXPECT_EQ(data.first_op, 1u);
  EXPECT_EQ(data.count, 3u) << "a chunk";
  EXPECT_EQ(data.last_op, 5u);
  primary_.Replicate();
  EXPECT_TRUE(Prepared(1).empty()) << "it is not at the end yet";
  ASSERT_TRUE(AskForMore(1, 4).ok());
  EXPECT_EQ(out_.Take()[0].frame.Fields<CatchUpDataFields>().count, 2u);
  Fill(&log_, 6);
  primary_.Replicate();
  EXPECT_EQ(Prepared(1), (std::vector<uint64_t>{6}));
}

// What it lacks may have been appended while it shook hands.
TEST_F(PrimaryTest, ABackupThatIsALittleBehindIsSentTheRest) {
  Fill(&log_, 3);
  primary_.OnBackupConnected(1, kBackupLife);
  ASSERT_TRUE(Acknowledge(1, 1).ok());
  EXPECT_TRUE(primary_.work()->is_set());
  primary_.Replicate();
  EXPECT_EQ(Prepared(1), (std::vector<uint64_t>{2, 3}));
}

// What is not sent is not lost: the log is the longer queue.
TEST_F(PrimaryTest, ABackupWithoutRoomIsServedLaterWithoutAGap) {
  Join(1);
  Join(2);
  out_.full[1] = true;
  for (uint64_t n = 1; n <= 3; ++n) Ask(kAlice, n);
  primary_.Replicate();
  const std::vector<Sent> sent = out_.sent;
  EXPECT_TRUE(Prepared(1).empty());
  out_.sent = sent;
  EXPECT_EQ(Prepared(2), (std::vector<uint64_t>{1, 2, 3})) << "the other one is not held up";
  out_.full[1] = false;
  ASSERT_TRUE(Acknowledge(1, 0).ok());
  EXPECT_TRUE(primary_.work()->is_set()) << "it has taken something: there may be room";
  primary_.Replicate();
  EXPECT_EQ(Prepared(1), (std::vector<uint64_t>{1, 2, 3}));
}

TEST_F(PrimaryTest, TellsWhatIsCommittedWhenNothingElseDoes) {
  Join(1);
  Ask(kAlice, 1);
  primary_.Replicate();
  ASSERT_TRUE(Acknowledge(1, 1).ok());
  out_.Take();
  primary_.Replicate();
  std::vector<Sent> sent = out_.Take();
  ASSERT_EQ(sent.size(), 1u);
  ASSERT_EQ(sent[0].command(), Command::kCommit);
  EXPECT_EQ(sent[0].frame.Fields<message::CommitFields>().commit, 1u);
  primary_.Replicate();
  EXPECT_TRUE(out_.Take().empty());
}

TEST_F(PrimaryTest, RefusesABackupWithAnotherLog) {
  Fill(&log_, 2);
  primary_.OnBackupConnected(1, kBackupLife);
  PrepareOkFields other{
      .digest = {1, 2}, .op = 2, .incarnation = kBackupLife, .primary_incarnation = kPrimaryLife};
  EXPECT_EQ(primary_.OnPrepareOk(1, other).code(), absl::StatusCode::kDataLoss);
  PrepareOkFields longer = other;
  longer.op = 3;
  EXPECT_EQ(primary_.OnPrepareOk(1, longer).code(), absl::StatusCode::kDataLoss);
  CatchUpRequestFields request{.digest = {1, 2}, .first_op = 2};
  EXPECT_EQ(primary_.OnCatchUpRequest(1, request).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(AskForMore(1, 3).code(), absl::StatusCode::kOk);
  request.first_op = 4;
  EXPECT_EQ(primary_.OnCatchUpRequest(1, request).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(primary_.committed(), 0u);
}

TEST_F(PrimaryTest, RefusesAcknowledgementsOfOtherIncarnations) {
  Fill(&log_, 1);
  primary_.OnBackupConnected(1, kBackupLife);
  EXPECT_EQ(Acknowledge(1, 1, kBackupLife + 1).code(), absl::StatusCode::kInvalidArgument);
  PrepareOkFields to_another{.digest = ToWire(log_.chain(1)),
                             .op = 1,
                             .incarnation = kBackupLife,
                             .primary_incarnation = kPrimaryLife - 1};
  EXPECT_EQ(primary_.OnPrepareOk(1, to_another).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(primary_.committed(), 0u);
}

TEST_F(PrimaryTest, ALostBackupIsSentNothing) {
  Join(1);
  primary_.OnBackupLost(1);
  Ask(kAlice, 1);
  primary_.Replicate();
  EXPECT_TRUE(out_.Take().empty());
}

// --- Planted bugs ---

TEST_F(PrimaryTest, PlantedReplyBeforeMajority) {
  bugs_.reply_before_majority = true;
  Ask(kAlice, 1);
  EXPECT_EQ(Replies().size(), 1u);
}

TEST_F(PrimaryTest, PlantedRetryAppendedAgain) {
  bugs_.retry_appended_again = true;
  Ask(kAlice, 1);
  Ask(kAlice, 1);
  EXPECT_EQ(log_.last_op(), 2u);
}

TEST_F(PrimaryTest, PlantedExpiredReplySwallowsRetry) {
  bugs_.expired_reply_swallows_retry = true;
  Join(1);
  Ask(kAlice, 1);
  ASSERT_TRUE(Acknowledge(1, 1).ok());
  out_.Take();
  Ask(kAlice, 1);
  EXPECT_TRUE(Replies().empty());
}

TEST_F(PrimaryTest, PlantedRetryGetsLatestReply) {
  bugs_.retry_gets_latest_reply = true;
  Join(1);
  Ask(kAlice, 1);
  Ask(kAlice, 2);
  ASSERT_TRUE(Acknowledge(1, 2).ok());
  out_.Take();
  Ask(kAlice, 1);
  EXPECT_EQ(Replies().at(0).op, 2u);
}

TEST_F(PrimaryTest, PlantedReplyToReusedSlot) {
  bugs_.reply_to_reused_slot = true;
  Join(1);
  ASSERT_TRUE(Request(kAlice, 1, "p", 5).ok());
  out_.Take();
  ASSERT_TRUE(Acknowledge(1, 1).ok());
  EXPECT_EQ(out_.Take().at(0).to, Party::Client({99, 5}));
}

TEST_F(PrimaryTest, PlantedDroppedPrepareForgotten) {
  bugs_.dropped_prepare_forgotten = true;
  Join(1);
  out_.full[1] = true;
  Ask(kAlice, 1);
  primary_.Replicate();
  out_.full[1] = false;
  Ask(kAlice, 2);
  primary_.Replicate();
  EXPECT_EQ(Prepared(1), (std::vector<uint64_t>{2}));
  EXPECT_EQ(primary_.head_for(1), 2u);
}

TEST_F(PrimaryTest, PlantedSlowPeerStallsAll) {
  bugs_.slow_peer_stalls_all = true;
  Join(1);
  Join(2);
  out_.full[1] = true;
  Ask(kAlice, 1);
  primary_.Replicate();
  EXPECT_EQ(primary_.stalled_by(), 1);
  EXPECT_TRUE(Prepared(2).empty());
}

TEST_F(PrimaryTest, PlantedLiveOvertakesCatchUp) {
  bugs_.live_overtakes_catch_up = true;
  Fill(&log_, 5);
  primary_.OnBackupConnected(1, kBackupLife);
  ASSERT_TRUE(AskForMore(1, 1).ok());
  Fill(&log_, 6);
  primary_.Replicate();
  EXPECT_EQ(Prepared(1), (std::vector<uint64_t>{6}));
}

}  // namespace
}  // namespace faultline::ledger
