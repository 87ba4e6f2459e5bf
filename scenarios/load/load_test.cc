// Goal: a run keeps its rate and its length, measures from when entries were due, passes over a
// service that works, through the crash of a backup too, and fails over one that does not.
// Method: the whole of the load program but for its main, against replicas, in simulation.

#include "scenarios/load/load.h"

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scenarios/ledger/bugs.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/tcp.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::load {
namespace {

using ledger::ReplicaId;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

class LoadTest : public ::testing::Test {
 protected:
  explicit LoadTest(uint64_t seed = 5)
      : world_({.seed = seed, .scheduling = sim::Scheduling::kRandom}) {
    for (ReplicaId id = 0; id < 3; ++id) {
      replicas_.push_back(world_.AddHost({.name = absl::StrCat("replica-", int{id})}));
    }
    clients_ = world_.AddHost({.name = "load"});
    for (sim::Host* host : replicas_) {
      flags_.connect.push_back(host->Address(sim::Plane::kClient, 8000));
    }
    listen_ = flags_.connect;
    flags_.clients = 4;
    flags_.rate = 400;
    flags_.duration = 5s;
    flags_.verify = true;
  }

  Task<void> ReplicaMain(Runtime runtime, ReplicaId id) {
    ledger::ReplicaConfig config;
    config.replica = id;
    for (sim::Host* host : replicas_) {
      config.peers.push_back(host->Address(sim::Plane::kReplica, 7000));
    }
    ledger::Log log;
    (void)co_await ledger::RunTcpReplica(config, {config.peers[id], listen_[id]}, runtime,
                                         {.log = &log, .bugs = &bugs_});
  }

  Task<void> LoadMain(Runtime runtime) {
    summary_ = co_await RunLoad(flags_, nullptr, runtime, &progress_);
    world_.Stop();
  }

  const Summary& Run() {
    for (ReplicaId id = 0; id < 3; ++id) {
      replicas_[id]->Boot([this, id](const Runtime& runtime) { return ReplicaMain(runtime, id); });
    }
    clients_->Boot([this](const Runtime& runtime) { return LoadMain(runtime); });
    sim::Verdict verdict = world_.Run({.until = 1h});
    EXPECT_TRUE(verdict.passed()) << verdict.ToString();
    EXPECT_TRUE(summary_.has_value());
    return *summary_;
  }

  std::vector<std::string> ProgressLines() const {
    std::vector<std::string> lines;
    std::istringstream in(progress_.str());
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  sim::World world_;
  std::vector<sim::Host*> replicas_;
  sim::Host* clients_ = nullptr;
  ledger::LedgerBugs bugs_;
  std::vector<Endpoint> listen_;
  LoadFlags flags_;
  std::ostringstream progress_;
  std::optional<Summary> summary_;
};

TEST_F(LoadTest, AnOpenLoopKeepsItsRate) {
  const Summary& summary = Run();
  EXPECT_TRUE(summary.passed()) << SummaryText(summary);
  EXPECT_THAT(summary.acknowledged, AllOf(Ge(1990u), Le(2005u)));
  EXPECT_THAT(summary.elapsed, AllOf(Ge(Duration(5s)), Le(Duration(6s))));
  EXPECT_EQ(summary.verification->replicas, 3u);
  EXPECT_EQ(summary.verification->acknowledged, summary.acknowledged);
  EXPECT_GT(summary.latency.p50, Duration::zero());
  EXPECT_GE(summary.latency.max, summary.latency.p50);
}

TEST_F(LoadTest, AClosedLoopTakesWhatItGets) {
  flags_.rate = 0;
  flags_.duration = 1s;
  const Summary& summary = Run();
  EXPECT_TRUE(summary.passed()) << SummaryText(summary);
  EXPECT_GT(summary.acknowledged, 2000u);
}

TEST_F(LoadTest, ALineASecond) {
  Run();
  EXPECT_THAT(ProgressLines(),
              AllOf(SizeIs(AllOf(Ge(5u), Le(6u))), Contains(HasSubstr("/s  p50 "))));
}

TEST_F(LoadTest, ABackupCrashesAndComesBackEmpty) {
  world_.At(MonotonicTime(2s), [this] { replicas_[1]->Crash(); });
  world_.At(MonotonicTime(4s), [this] { replicas_[1]->Restart(); });
  const Summary& summary = Run();
  EXPECT_TRUE(summary.passed()) << SummaryText(summary);
  EXPECT_EQ(summary.verification->replicas, 3u);
}

TEST_F(LoadTest, AStallIsMeasuredFromWhenEntriesWereDue) {
  flags_.pipeline = 1;
  world_.At(MonotonicTime(2s), [this] { replicas_[0]->Pause(); });
  world_.At(MonotonicTime(3s), [this] { replicas_[0]->Resume(); });
  const Summary& summary = Run();
  EXPECT_TRUE(summary.passed()) << SummaryText(summary);
  // A fifth of all entries fell due while nobody answered.
  EXPECT_GT(summary.latency.p90, Duration(300ms));
}

// Nobody answers when the end comes; everything is answered behind it, too late.
TEST_F(LoadTest, AStallAcrossTheEndIsMeasured) {
  flags_.rate = 40;
  flags_.duration = 4s;
  flags_.timeout = 2s;
  world_.At(MonotonicTime(3s), [this] { replicas_[0]->Pause(); });
  world_.At(MonotonicTime(5500ms), [this] { replicas_[0]->Resume(); });
  const Summary& summary = Run();
  EXPECT_EQ(summary.not_issued, 0u) << "the pipeline holds a second of this";
  EXPECT_EQ(summary.unanswered(), 0u);
  EXPECT_GT(summary.latency.max, Duration(2400ms));
  // What was due between 3 s and 3.5 s waited for more than 2 s.
  EXPECT_THAT(summary.overdue, AllOf(Ge(16u), Le(24u)));
  EXPECT_FALSE(summary.passed());
}

// The same at a rate at which the pipeline is full when the end comes.
TEST_F(LoadTest, WhatWasDueAndNotIssuedIsCounted) {
  flags_.duration = 4s;
  world_.At(MonotonicTime(3s), [this] { replicas_[0]->Pause(); });
  world_.At(MonotonicTime(5500ms), [this] { replicas_[0]->Resume(); });
  const Summary& summary = Run();
  EXPECT_EQ(summary.overdue, 0u);
  EXPECT_EQ(summary.unanswered(), 0u);
  EXPECT_THAT(summary.due(), AllOf(Ge(1590u), Le(1600u)));
  // 4 clients with 16 entries each under way, of 400 that fell due in the last second.
  EXPECT_THAT(summary.not_issued, AllOf(Ge(320u), Le(340u)));
  EXPECT_FALSE(summary.passed());
}

TEST_F(LoadTest, ARateThatCannotBeReachedIsAFailure) {
  flags_.rate = 1'000'000;
  flags_.duration = 1s;
  const Summary& summary = Run();
  EXPECT_GT(summary.not_issued, 900'000u);
  EXPECT_FALSE(summary.passed());
  EXPECT_THAT(SummaryText(summary), HasSubstr("rate  1000000 a second asked for, "));
}

TEST_F(LoadTest, WhyNobodyIsReachedIsSaidOnce) {
  flags_.connect = {clients_->Address(sim::Plane::kClient, 9)};  // nobody listens there
  flags_.verify = false;
  flags_.quiet = true;
  const Summary& summary = Run();
  EXPECT_FALSE(summary.passed());
  EXPECT_THAT(ProgressLines(),
              ElementsAre(AllOf(HasSubstr("cannot reach "), HasSubstr("ECONNREFUSED"))));
}

TEST_F(LoadTest, LateIsAFailure) {
  flags_.timeout = 500ms;
  world_.At(MonotonicTime(2s), [this] { replicas_[0]->Pause(); });
  world_.At(MonotonicTime(3s), [this] { replicas_[0]->Resume(); });
  const Summary& summary = Run();
  EXPECT_GT(summary.overdue, 0u);
  EXPECT_FALSE(summary.passed());
  EXPECT_THAT(summary.findings, IsEmpty());
}

TEST_F(LoadTest, UnansweredIsAFailure) {
  flags_.verify = false;
  world_.At(MonotonicTime(2s), [this] {
    replicas_[1]->Crash();
    replicas_[2]->Crash();
  });
  const Summary& summary = Run();
  EXPECT_GT(summary.acknowledged, 0u);
  EXPECT_GT(summary.unanswered(), 0u);
  EXPECT_FALSE(summary.passed());
}

TEST_F(LoadTest, AnotherClusterIsAFinding) {
  flags_.cluster = 2;
  flags_.verify = false;
  const Summary& summary = Run();
  EXPECT_EQ(summary.acknowledged, 0u);
  EXPECT_FALSE(summary.passed());
  EXPECT_THAT(summary.findings, Contains(HasSubstr("another cluster")));
  EXPECT_LT(summary.elapsed, Duration(5s)) << "nobody is left to wait for";
}

// A primary that loses what it has acknowledged: it crashes, which it must not, and comes back
// empty.
TEST_F(LoadTest, WhatWasAcknowledgedAndIsLostIsFound) {
  world_.At(MonotonicTime(6s), [this] {
    for (sim::Host* host : replicas_) host->Crash();
    for (sim::Host* host : replicas_) host->Restart();
  });
  flags_.duration = 5999ms;
  const Summary& summary = Run();
  EXPECT_FALSE(summary.passed());
  EXPECT_THAT(summary.findings, Contains(HasSubstr("invariant stands")));
}

// Replicas with a bug, and connections that are reset while replies are under way: the retries get
// the latest reply of all.
class BuggyReplicas : public LoadTest {
 public:
  BuggyReplicas(uint64_t seed, bool planted) : LoadTest(seed) {
    bugs_.retry_gets_latest_reply = planted;
    flags_.verify = false;
    flags_.duration = 10s;
    for (int i = 1; i < 90; ++i) {
      world_.At(MonotonicTime(i * 101ms), [this] {
        world_.ResetConnections(clients_->id(), replicas_[0]->id(), sim::Plane::kClient);
      });
    }
  }
  void TestBody() override {}
  std::vector<std::string> Findings() { return Run().findings; }
};

TEST(BuggyReplicasTest, AreSeenFromOutside) {
  int seen = 0;
  for (uint64_t seed = 1; seed <= 20 && seen == 0; ++seed) {
    std::vector<std::string> findings = BuggyReplicas(seed, true).Findings();
    seen += !findings.empty() && findings[0].find("invariant client-order") != std::string::npos
                ? 1
                : 0;
    EXPECT_THAT(BuggyReplicas(seed, false).Findings(), IsEmpty()) << "seed " << seed;
  }
  EXPECT_EQ(seen, 1) << "not within 20 seeds";
}

}  // namespace
}  // namespace faultline::load
