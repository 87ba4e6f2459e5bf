// Goal: ReplyChecker, FifoChecker, ConnectionChecker and LivenessChecker accept what is right and
// name what is wrong.
// Method: events as replicas and clients report them; one bad history a test.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "scenarios/ledger/checkers/checkers.h"

namespace faultline::ledger {
namespace {

constexpr ConnectionId kOlder{1, 1};
constexpr ConnectionId kNewer{2, 2};
const Party kPrimary = Party::Replica(0);
const Party kBackup = Party::Replica(1);
const Party kClient = Party::Client({0, 7});

EntryId Id(uint64_t client, uint64_t number) { return {ClientId{0, client}, number}; }
Digest D(uint64_t n) { return {n, n}; }

class CheckerTest : public testing::Test {
 protected:
  void ExpectFinding(std::string_view invariant, std::string_view text) {
    const std::string found = findings_.status().ToString();
    EXPECT_NE(found.find("invariant " + std::string(invariant) + ": "), std::string::npos) << found;
    EXPECT_NE(found.find(text), std::string::npos) << found;
  }
  void ExpectNone() { EXPECT_TRUE(findings_.status().ok()) << findings_.status(); }

  Findings findings_;
};

// --- Replies ---

class ReplyCheckerTest : public CheckerTest {
 protected:
  ReplyCheckerTest() {
    checker_.OnIssued(Id(7, 1), D(71));
    checker_.OnIssued(Id(7, 2), D(72));
  }
  void Reply(uint64_t to, const EntryId& id, uint64_t op, const Digest& request) {
    checker_.OnReply({0, to}, {id, op, request});
  }
  ReplyChecker checker_{&findings_};
};

TEST_F(ReplyCheckerTest, AcceptsRepliesAndTheirRepetitions) {
  Reply(7, Id(7, 2), 9, D(72));
  Reply(7, Id(7, 1), 8, D(71));
  Reply(7, Id(7, 1), 8, D(71));
  ExpectNone();
  EXPECT_EQ(checker_.replies(), 3u);
}

TEST_F(ReplyCheckerTest, FindsAReplyToSomebodyElse) {
  Reply(8, Id(7, 1), 8, D(71));
  ExpectFinding("reply-matches", "the reply to entry 1 of client 7 (op 8) arrived at client 8");
}

TEST_F(ReplyCheckerTest, FindsAReplyToNothing) {
  Reply(7, Id(7, 3), 8, D(73));
  ExpectFinding("reply-matches", "answers nothing that was asked");
}

TEST_F(ReplyCheckerTest, FindsAReplyToAnotherRequest) {
  Reply(7, Id(7, 1), 8, D(72));
  ExpectFinding("reply-matches", "answers another request");
}

TEST_F(ReplyCheckerTest, FindsRepliesThatDisagree) {
  Reply(7, Id(7, 1), 8, D(71));
  Reply(7, Id(7, 1), 9, D(71));
  ExpectFinding("reply-matches", "named op 8 before");
}

TEST_F(ReplyCheckerTest, FindsANumberThatIsGivenTwice) {
  checker_.OnIssued(Id(7, 2), D(99));
  ExpectFinding("reply-matches", "entry 2 of client 7 was issued twice");
}

// --- Order ---

class FifoCheckerTest : public CheckerTest {
 protected:
  FifoCheckerTest() {
    checker_.OnConnected(kPrimary, kClient, kOlder);
    checker_.OnConnected(kClient, kPrimary, kOlder);
    for (uint64_t n = 1; n <= 3; ++n) checker_.OnFrameQueued(kClient, kOlder, D(n));
  }
  void Receive(uint64_t n) { checker_.OnFrameReceived(kPrimary, kOlder, D(n)); }
  FifoChecker checker_{&findings_};
};

TEST_F(FifoCheckerTest, AcceptsOrderAndATailThatBreaksOff) {
  Receive(1);
  Receive(2);
  checker_.OnLost(kPrimary, kClient, kOlder, absl::UnavailableError("reset"));
  checker_.OnFrameQueued(kClient, kOlder, D(4));
  checker_.OnLost(kClient, kPrimary, kOlder, absl::OkStatus());
  ExpectNone();
  EXPECT_EQ(checker_.received(), 2u);
}

TEST_F(FifoCheckerTest, AcceptsAGoodEndBehindEverything) {
  for (uint64_t n = 1; n <= 3; ++n) Receive(n);
  checker_.OnLost(kPrimary, kClient, kOlder, absl::OkStatus());
  checker_.OnLost(kClient, kPrimary, kOlder, absl::OkStatus());
  ExpectNone();
}

TEST_F(FifoCheckerTest, FindsATailThatIsLostInGoodOrder) {
  Receive(1);
  checker_.OnLost(kPrimary, kClient, kOlder, absl::OkStatus());
  ExpectFinding("fifo", "from client 7 to replica 0 ended in good order and lost 2 frames");
}

TEST_F(FifoCheckerTest, AcceptsTwoDirectionsAndEqualFrames) {
  checker_.OnFrameQueued(kPrimary, kOlder, D(9));
  checker_.OnFrameQueued(kPrimary, kOlder, D(9));
  checker_.OnFrameReceived(kClient, kOlder, D(9));
  Receive(1);
  checker_.OnFrameReceived(kClient, kOlder, D(9));
  ExpectNone();
}

TEST_F(FifoCheckerTest, FindsAFrameThatIsLeftOut) {
  Receive(1);
  Receive(3);
  ExpectFinding("fifo", "frame 2 from client 7 to replica 0");
  ExpectFinding("fifo", "overtook 1 others");
}

TEST_F(FifoCheckerTest, FindsAFrameThatComesTwice) {
  Receive(1);
  Receive(1);
  ExpectFinding("fifo", "is not one that is under way");
}

TEST_F(FifoCheckerTest, FindsAFrameThatNobodySent) {
  Receive(8);
  ExpectFinding("fifo", "is not one that is under way");
}

TEST_F(FifoCheckerTest, FindsAFrameOnAConnectionThatIsOver) {
  checker_.OnLost(kPrimary, kClient, kOlder, absl::UnavailableError("reset"));
  Receive(1);
  ExpectFinding("fifo", "which it does not have");
}

// --- Connections ---

class ConnectionCheckerTest : public CheckerTest {
 protected:
  ConnectionChecker checker_{&findings_};
};

TEST_F(ConnectionCheckerTest, AcceptsAReplacedConnection) {
  checker_.OnConnected(kBackup, kPrimary, kOlder);
  checker_.OnConnected(kBackup, kPrimary, kNewer);
  checker_.OnLost(kBackup, kPrimary, kOlder, absl::AbortedError("replaced"));
  checker_.OnUnregistered(kBackup, kPrimary, kNewer, kNewer);
  checker_.OnLost(kBackup, kPrimary, kNewer, absl::OkStatus());
  checker_.OnWriterIdle(kBackup, kNewer, 0);
  ExpectNone();
}

TEST_F(ConnectionCheckerTest, FindsAnOlderOneThatRemovesTheNewer) {
  checker_.OnUnregistered(kBackup, kPrimary, kNewer, kOlder);
  ExpectFinding("registry", "at replica 1 the end of connection");
  ExpectFinding("registry", "to replica 0 removed connection");
}

TEST_F(ConnectionCheckerTest, FindsASecondLossNotice) {
  checker_.OnConnected(kBackup, kPrimary, kOlder);
  checker_.OnLost(kBackup, kPrimary, kOlder, absl::OkStatus());
  checker_.OnLost(kBackup, kPrimary, kOlder, absl::DataLossError("again"));
  ExpectFinding("one-loss-notice", "replica 1 lost connection");
}

TEST_F(ConnectionCheckerTest, FindsASleepingWriter) {
  checker_.OnWriterIdle(kPrimary, kOlder, 3);
  ExpectFinding("writer-awake", "sleeps over 3 frames");
}

TEST_F(ConnectionCheckerTest, FindsAConnectionThatIsMadeTwice) {
  checker_.OnConnected(kBackup, kPrimary, kOlder);
  checker_.OnConnected(kBackup, kPrimary, kOlder);
  ExpectFinding("one-connection", "twice");
}

TEST_F(ConnectionCheckerTest, SettledPairsShareOneConnection) {
  checker_.OnConnected(kPrimary, kBackup, kOlder);
  checker_.OnConnected(kBackup, kPrimary, kOlder);
  checker_.CheckSettled(2);
  ExpectNone();
  checker_.OnConnected(kBackup, kPrimary, kNewer);
  checker_.CheckSettled(2);
  ExpectFinding("one-connection", "replica 1 has 2 connections to replica 0");
}

TEST_F(ConnectionCheckerTest, FindsAPairThatMeansDifferentConnections) {
  checker_.OnConnected(kPrimary, kBackup, kOlder);
  checker_.OnConnected(kBackup, kPrimary, kNewer);
  checker_.CheckSettled(2);
  ExpectFinding("one-connection", "which has 0 of them");
}

// Whoever crashed could not say goodbye.
TEST_F(ConnectionCheckerTest, ANewLifeHasNoConnections) {
  checker_.OnConnected(kBackup, kPrimary, kOlder);
  checker_.OnReplicaStarted(1, 2, nullptr);
  checker_.OnConnected(kBackup, kPrimary, kNewer);
  checker_.OnConnected(kPrimary, kBackup, kNewer);
  checker_.CheckSettled(2);
  ExpectNone();
}

// --- Time ---

class LivenessCheckerTest : public CheckerTest {
 protected:
  void Advance(Duration duration) { now_ += duration; }
  void Lose(absl::Status status) { checker_.OnLost(kPrimary, kBackup, kOlder, status); }

  MonotonicTime now_;
  LivenessChecker checker_{
      {.quorum_bound = 10s, .settle = 5s, .calm_bound = 1s}, [this] { return now_; }, &findings_};
};

TEST_F(LivenessCheckerTest, AcceptsWhatIsInTime) {
  checker_.OnIssued(Id(1, 1), D(1));
  Advance(1s);
  checker_.OnCompleted(Id(1, 1), 1);
  checker_.Check();
  ExpectNone();
  EXPECT_EQ(checker_.slowest(), 1s);
  EXPECT_EQ(checker_.completed(), 1u);
  EXPECT_EQ(checker_.open(), 0u);
}

TEST_F(LivenessCheckerTest, FindsASlowRequestInACalmWorld) {
  checker_.OnIssued(Id(1, 1), D(1));
  Advance(1001ms);
  checker_.OnCompleted(Id(1, 1), 1);
  ExpectFinding("calm", "entry 1 of client 1 completed after 1001 ms");
}

TEST_F(LivenessCheckerTest, FindsAStallBesideAFaultyMinority) {
  checker_.SetHealth(Health::kQuorum);
  checker_.OnIssued(Id(1, 1), D(1));
  Advance(2s);
  checker_.Check();
  ExpectFinding("calm", "entry 1 of client 1 is open after 2000 ms");
}

TEST_F(LivenessCheckerTest, PromisesNothingDuringFaults) {
  checker_.SetHealth(Health::kNone);
  checker_.OnIssued(Id(1, 1), D(1));
  Lose(absl::UnavailableError("reset"));
  Advance(1h);
  checker_.Check();
  checker_.OnCompleted(Id(1, 1), 1);
  ExpectNone();
}

TEST_F(LivenessCheckerTest, CountsFromTheEndOfTheFaults) {
  checker_.SetHealth(Health::kNone);
  checker_.OnIssued(Id(1, 1), D(1));
  Advance(1h);
  checker_.SetHealth(Health::kQuorum);
  Advance(5s);
  checker_.Check();
  ExpectNone();
  Advance(1001ms);  // settled, and the calm bound is over
  checker_.Check();
  ExpectFinding("calm", "1001 ms");
}

TEST_F(LivenessCheckerTest, FindsWhatNeverCompletes) {
  LivenessChecker checker(
      {.quorum_bound = 10s, .settle = 1h, .calm_bound = 1s}, [this] { return now_; }, &findings_);
  checker.SetHealth(Health::kNone);
  checker.OnIssued(Id(1, 1), D(1));
  Advance(1min);
  checker.SetHealth(Health::kAll);
  Advance(10s);
  checker.Check();
  ExpectNone();
  Advance(1ms);
  checker.Check();
  ExpectFinding("completes", "entry 1 of client 1 is open after 10001 ms with a majority at work");
}

TEST_F(LivenessCheckerTest, JudgesByThePromiseThatHeldUntilNow) {
  checker_.OnIssued(Id(1, 1), D(1));
  Advance(2s);
  checker_.SetHealth(Health::kNone);
  ExpectFinding("calm", "is open after 2000 ms");
}

TEST_F(LivenessCheckerTest, FindsALostConnectionInACalmWorld) {
  Lose(absl::OkStatus());
  ExpectNone();
  Lose(absl::UnavailableError("reset"));
  ExpectFinding("calm", "replica 0 lost connection");
}

TEST_F(LivenessCheckerTest, AcceptsALostConnectionUntilAllHasSettled) {
  checker_.SetHealth(Health::kQuorum);
  Advance(1h);
  Lose(absl::UnavailableError("reset"));
  checker_.SetHealth(Health::kAll);
  Advance(5s - 1ns);
  Lose(absl::UnavailableError("reset"));
  ExpectNone();
  Advance(1ns);
  Lose(absl::UnavailableError("reset"));
  ExpectFinding("calm", "without any fault");
}

// --- All of them ---

// What is told to the set reaches the checker that looks for it, and the first finding ends a run.
TEST(LedgerCheckersTest, EachCheckerIsConnected) {
  MonotonicTime now;
  const auto first_finding = [&](auto&& tell) {
    absl::Status first;
    Findings findings([&](const absl::Status& status) { first = status; });
    LedgerCheckers checkers({.replica_count = 3, .liveness = {}}, [&] { return now; }, &findings);
    tell(&checkers, checkers.observers());
    return first.ToString();
  };
  using Set = LedgerCheckers;
  EXPECT_NE(first_finding([](Set*, Observers o) {
              o.replicas->OnCommitted(0, 1);
            }).find("invariant majority"),
            std::string::npos);
  EXPECT_NE(first_finding([](Set*, Observers o) {
              o.clients->OnReply({0, 1}, {Id(1, 1), 1, D(1)});
            }).find("invariant reply-matches"),
            std::string::npos);
  EXPECT_NE(first_finding([](Set*, Observers o) {
              o.connections->OnFrameReceived(kPrimary, kOlder, D(1));
            }).find("invariant fifo"),
            std::string::npos);
  EXPECT_NE(first_finding([](Set*, Observers o) {
              o.connections->OnUnregistered(kPrimary, kBackup, kNewer, kOlder);
            }).find("invariant registry"),
            std::string::npos);
  EXPECT_NE(first_finding([&](Set* set, Observers o) {
              o.clients->OnIssued(Id(1, 1), D(1));
              now += 1h;
              set->CheckNow();
            }).find("invariant completes"),
            std::string::npos);
  EXPECT_NE(
      first_finding([](Set* set, Observers) { set->CheckSettled(); }).find("invariant converged"),
      std::string::npos);
}

}  // namespace
}  // namespace faultline::ledger
