// Goal: LogChecker accepts what a correct ledger does and names each way to break it.
// Method: real logs, filled and reported as replicas do; each test but the first ones tells one bad
// history and expects its invariant, with the entry and the parties, and no finding before that.
#include "scenarios/ledger/checkers/log_checker.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

namespace faultline::ledger {
namespace {

using ::testing::Test;

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

EntryId Id(uint64_t client, uint64_t number) { return {ClientId{0, client}, number}; }

class LogCheckerTest : public Test {
 protected:
  LogCheckerTest() {
    for (ReplicaId r = 0; r < 3; ++r) Start(r, 1);
    Admit(1, 1);
    Admit(2, 1);
  }

  void Start(ReplicaId r, uint64_t incarnation) {
    logs_[r].emplace();
    checker_.OnReplicaStarted(r, incarnation, &*logs_[r]);
  }
  void Admit(ReplicaId r, uint64_t incarnation) { checker_.OnBackupAdmitted(r, incarnation); }
  void Append(ReplicaId r, const EntryId& id, std::string_view payload = "p") {
    ASSERT_TRUE(logs_[r]->Append(id, Bytes(payload)).ok());
    checker_.OnAppended(r, logs_[r]->last_op());
  }
  // An entry that goes the whole way.
  void Commit(const EntryId& id) {
    for (ReplicaId r = 0; r < 3; ++r) Append(r, id);
    const uint64_t op = logs_[0]->last_op();
    checker_.OnCommitted(0, op);
    checker_.OnAcknowledged(op, id);
    checker_.OnCompleted(id, op);
    checker_.OnCommitted(1, op);
  }
  void ExpectFinding(std::string_view invariant, std::string_view text) {
    const std::string found = findings_.status().ToString();
    EXPECT_NE(found.find("invariant " + std::string(invariant) + ": "), std::string::npos) << found;
    EXPECT_NE(found.find(text), std::string::npos) << found;
  }
  void ExpectNone() { EXPECT_TRUE(findings_.status().ok()) << findings_.status(); }

  Findings findings_;
  LogChecker checker_{3, &findings_};
  std::optional<Log> logs_[3];
};

TEST_F(LogCheckerTest, AcceptsACorrectHistory) {
  Commit(Id(1, 1));
  Commit(Id(2, 1));
  Commit(Id(1, 2));
  checker_.Sweep();
  checker_.CheckConverged();
  ExpectNone();
  EXPECT_EQ(checker_.appended(), 3u);
  EXPECT_EQ(checker_.acknowledged(), 3u);
}

TEST_F(LogCheckerTest, AcceptsABackupThatReturnsEmptyAndCatchesUp) {
  Commit(Id(1, 1));
  checker_.OnReplicaGone(1, 1);
  Start(1, 2);
  Admit(1, 2);
  Append(0, Id(1, 2));
  Append(2, Id(1, 2));
  checker_.OnCommitted(0, 2);
  checker_.OnAcknowledged(2, Id(1, 2));
  Append(1, Id(1, 1));
  Append(1, Id(1, 2));
  checker_.Sweep();
  checker_.CheckConverged();
  ExpectNone();
}

// It acknowledged, crashed, and the primary cannot know yet.
TEST_F(LogCheckerTest, AcceptsABackupThatWasNotMetAgainYet) {
  Append(0, Id(1, 1));
  Append(1, Id(1, 1));
  checker_.OnReplicaGone(1, 1);
  Start(1, 2);
  checker_.OnCommitted(0, 1);
  checker_.OnAcknowledged(1, Id(1, 1));
  ExpectNone();
}

// The entry was committed; its reply was lost, and then a backup that held it came back empty. The
// promise was made: the client's retry is answered.
TEST_F(LogCheckerTest, AcceptsARetryAfterAHolderForgot) {
  Append(0, Id(1, 1));
  Append(1, Id(1, 1));
  checker_.OnCommitted(0, 1);
  checker_.OnAcknowledged(1, Id(1, 1));
  checker_.OnReplicaGone(1, 1);
  Start(1, 2);
  Admit(1, 2);
  checker_.OnAcknowledged(1, Id(1, 1));
  checker_.OnCompleted(Id(1, 1), 1);
  ExpectNone();
}

// Only what was committed before is excused.
TEST_F(LogCheckerTest, FindsAnAcknowledgementBeyondTheCommitPoint) {
  Commit(Id(1, 1));
  Append(0, Id(1, 2));
  checker_.OnAcknowledged(2, Id(1, 2));
  ExpectFinding("majority", "at op 2 is acknowledged, held by {replica 0}, 1 of 3");
}

// A client that hears late of what was committed before is no progress.
TEST_F(LogCheckerTest, AcceptsALateCompletionWithoutAMajority) {
  for (ReplicaId r = 0; r < 3; ++r) Append(r, Id(1, 1));
  checker_.OnCommitted(0, 1);
  const uint64_t limit = checker_.appended();
  Append(0, Id(1, 2));
  checker_.OnCompleted(Id(1, 1), 1);
  checker_.CheckNothingCommittedAfter(limit);
  ExpectNone();
}

TEST_F(LogCheckerTest, FindsACommitPointThatShouldHaveStood) {
  const uint64_t limit = checker_.appended();
  for (ReplicaId r = 0; r < 3; ++r) Append(r, Id(1, 1));
  checker_.OnCommitted(0, 1);
  checker_.CheckNothingCommittedAfter(limit);
  ExpectFinding("majority", "1 entries after op 0 were committed");
}

TEST_F(LogCheckerTest, FindsAnEntryThatIsAppendedTwice) {
  Append(0, Id(1, 1));
  Append(0, Id(1, 1));
  ExpectFinding("appended-once", "entry 1 of client 1 stands at op 1 and at op 2");
}

TEST_F(LogCheckerTest, FindsAGapInAClientsNumbers) {
  Append(0, Id(1, 1));
  Append(0, Id(1, 3));
  ExpectFinding("client-order", "entry 3 of client 1 stands at op 2, right after number 1");
}

TEST_F(LogCheckerTest, FindsABackupWithAnotherEntry) {
  Append(0, Id(1, 1));
  Append(2, Id(2, 1));
  ExpectFinding("same-log", "replica 2 has entry 1 of client 2 at op 1");
}

TEST_F(LogCheckerTest, FindsABackupWithAnotherPayload) {
  Append(0, Id(1, 1), "right");
  Append(1, Id(1, 1), "wrong");
  ExpectFinding("same-log", "replica 1 has entry 1 of client 1 at op 1");
}

TEST_F(LogCheckerTest, FindsABackupThatLeftOneOut) {
  Append(0, Id(1, 1));
  Append(0, Id(2, 1));
  Append(1, Id(2, 1));
  ExpectFinding("same-log", "replica 1 has entry 1 of client 2 at op 1");
}

TEST_F(LogCheckerTest, FindsABackupThatIsAheadOfThePrimary) {
  Append(0, Id(1, 1));
  Append(1, Id(1, 1));
  Append(1, Id(1, 2));
  ExpectFinding("same-log", "the primary's log ends at op 1");
}

TEST_F(LogCheckerTest, FindsAReportThatDoesNotFitTheLog) {
  Append(0, Id(1, 1));
  checker_.OnAppended(0, 1);
  ExpectFinding("same-log", "replica 0 appended op 1 after op 1");
}

TEST_F(LogCheckerTest, FindsACommitWithoutAMajority) {
  Append(0, Id(1, 1));
  checker_.OnCommitted(0, 1);
  ExpectFinding("majority",
                "entry 1 of client 1 at op 1 is committed, held by {replica 0}, 1 of 3");
}

TEST_F(LogCheckerTest, FindsAnAcknowledgementWithoutAMajority) {
  Append(0, Id(1, 1));
  checker_.OnAcknowledged(1, Id(1, 1));
  ExpectFinding("majority", "is acknowledged, held by {replica 0}, 1 of 3");
}

TEST_F(LogCheckerTest, FindsACommitThatThePrimaryDoesNotHold) {
  Append(1, Id(1, 1));
  checker_.OnCommitted(0, 1);
  EXPECT_GE(findings_.count(), 2u);
  EXPECT_NE(findings_.all().back().ToString().find("majority"), std::string::npos);
}

TEST_F(LogCheckerTest, FindsAMajorityOfOlderIncarnations) {
  Append(0, Id(1, 1));
  Append(1, Id(1, 1));
  checker_.OnReplicaGone(1, 1);
  Start(1, 2);
  Admit(1, 2);  // from here on the primary knows
  checker_.OnCommitted(0, 1);
  ExpectFinding("majority", "held by {replica 0}, 1 of 3");
}

TEST_F(LogCheckerTest, FindsABackupThatCommitsWhatItDoesNotHold) {
  Append(0, Id(1, 1));
  checker_.OnCommitted(1, 1);
  ExpectFinding("majority", "replica 1 takes op 1 for committed and holds op 0");
}

TEST_F(LogCheckerTest, FindsAReplyThatNamesAnotherPlace) {
  Commit(Id(1, 1));
  Commit(Id(2, 1));
  checker_.OnCompleted(Id(1, 1), 2);
  ExpectFinding("stands", "entry 1 of client 1 does not stand at op 2");
}

TEST_F(LogCheckerTest, FindsAReplyBeyondTheLog) {
  checker_.OnCompleted(Id(1, 1), 1);
  ExpectFinding("stands", "the log ends before");
}

TEST_F(LogCheckerTest, FindsAPrimaryThatHasForgotten) {
  Commit(Id(1, 1));
  logs_[0].emplace();
  checker_.OnReplicaGone(0, 1);
  checker_.OnReplicaStarted(0, 2, &*logs_[0]);
  checker_.Sweep();
  ExpectFinding("unchanged", "the primary's log had 1 entries and has 0");
}

TEST_F(LogCheckerTest, FindsAPrimaryWhoseEntryHasChanged) {
  Commit(Id(1, 1));
  logs_[0].emplace();  // in the same place
  ASSERT_TRUE(logs_[0]->Append(Id(1, 1), Bytes("other")).ok());
  checker_.Sweep();
  ExpectFinding("unchanged", "replica 0 has entry 1 of client 1 at op 1");
}

// Nobody sweeps: the next event of the primary tells.
TEST_F(LogCheckerTest, FindsACutLogAtTheNextCommit) {
  Commit(Id(1, 1));
  Commit(Id(1, 2));
  logs_[0].emplace();
  ASSERT_TRUE(logs_[0]->Append(Id(1, 1), Bytes("p")).ok());
  checker_.OnCommitted(0, 2);
  ExpectFinding("unchanged", "the primary's log had 2 entries and has 1");
}

TEST_F(LogCheckerTest, FindsAnExchangedEntryAtTheNextAppend) {
  Commit(Id(1, 1));
  logs_[0].emplace();
  ASSERT_TRUE(logs_[0]->Append(Id(1, 1), Bytes("other")).ok());
  Append(0, Id(1, 2));
  ExpectFinding("unchanged", "the primary's log up to op 2 is not what the primary appended");
}

TEST_F(LogCheckerTest, FindsAnExchangedEntryAtItsNextAnswer) {
  Commit(Id(1, 1));
  Commit(Id(2, 1));
  logs_[0].emplace();
  ASSERT_TRUE(logs_[0]->Append(Id(1, 1), Bytes("other")).ok());
  ASSERT_TRUE(logs_[0]->Append(Id(2, 1), Bytes("p")).ok());
  checker_.OnCompleted(Id(1, 1), 1);
  ExpectFinding("unchanged", "the primary's log up to op 1 is not what the primary appended");
}

TEST_F(LogCheckerTest, FindsABackupThatNeverCaughtUp) {
  Append(0, Id(1, 1));
  Append(1, Id(1, 1));
  checker_.CheckConverged();
  ExpectFinding("converged", "replica 2 holds op 0, the primary's log ends at op 1");
}

TEST_F(LogCheckerTest, FindsAReplicaThatIsDown) {
  checker_.OnReplicaGone(2, 1);
  checker_.CheckConverged();
  ExpectFinding("converged", "replica 2 is not running");
}

// A process may begin with a log that it has.
TEST_F(LogCheckerTest, AcceptsABackupThatStartsWithAPrefix) {
  Commit(Id(1, 1));
  Commit(Id(1, 2));
  checker_.OnReplicaGone(1, 1);
  checker_.OnReplicaStarted(1, 2, &*logs_[1]);
  checker_.CheckConverged();
  ExpectNone();
}

// The end of an older life says nothing about the present one.
TEST_F(LogCheckerTest, AcceptsALateEndOfAnOlderIncarnation) {
  Start(1, 2);
  checker_.OnReplicaGone(1, 1);
  checker_.CheckConverged();
  ExpectNone();
}

TEST(FindingsTest, KeepsTheFirstAndTellsItOnce) {
  int told = 0;
  Findings findings([&](const absl::Status& first) {
    ++told;
    EXPECT_EQ(first.message(), "invariant a: one");
  });
  EXPECT_TRUE(findings.status().ok());
  findings.Add("a", "one");
  for (int i = 0; i < 100; ++i) findings.Add("b", "more");
  EXPECT_EQ(told, 1);
  EXPECT_EQ(findings.status().message(), "invariant a: one");
  EXPECT_EQ(findings.count(), 101u);
  EXPECT_EQ(findings.all().size(), 16u) << "bounded";
}

}  // namespace
}  // namespace faultline::ledger
