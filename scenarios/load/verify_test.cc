// Goal: what a replica's log lacks, has twice, has elsewhere or has changed is found from outside,
// whichever replica it is; replicas that come late are waited for; those that cannot be read are
// named.
// Method: real replicas in simulation, on their own (none of them finds another), each with a log
// that was written beforehand; and clients that were told what a good ledger would have told them.

#include "scenarios/load/verify.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/tcp.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::load {
namespace {

using ledger::ClientId;
using ledger::DigestOfBytes;
using ledger::DigestOfRequest;
using ledger::EntryId;
using ledger::Log;
using ledger::ReplicaId;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr ClientId kAlice{0, 1};
constexpr ClientId kStranger{0, 9};
constexpr uint16_t kPort = 8000;
constexpr uint64_t kEntries = 1000;  // several chunks

std::string PayloadOf(const EntryId& id) { return absl::StrCat("payload ", id.number); }

void Append(Log* log, const EntryId& id, const std::string& payload) {
  ASSERT_TRUE(log->Append(id, std::as_bytes(std::span(payload))).ok());
}

// Entries of a stranger stand between those of Alice.
void Fill(Log* log, uint64_t from, uint64_t to) {
  for (uint64_t op = from; op <= to; ++op) {
    const EntryId id{op % 2 == 1 ? kAlice : kStranger, (op + 1) / 2};
    Append(log, id, PayloadOf(id));
  }
}

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() {
    for (ReplicaId id = 0; id < 3; ++id) {
      hosts_[id] = world_.AddHost({.name = absl::StrCat("replica-", int{id})});
      logs_[id] = std::make_unique<Log>();
    }
    reader_ = world_.AddHost({.name = "reader"});
  }

  void FillAll() {
    for (auto& log : logs_) Fill(log.get(), 1, kEntries);
  }

  // Alice was told of her entries up to `ops`, each at its place.
  void AcknowledgeUpTo(uint64_t ops) {
    for (uint64_t op = 1; op <= ops; op += 2) {
      const EntryId id{kAlice, (op + 1) / 2};
      const std::string payload = PayloadOf(id);
      checker_.OnIssued(id, DigestOfRequest(id, DigestOfBytes(std::as_bytes(std::span(payload)))));
      checker_.OnCompleted(id, op);
    }
  }

  void BootReplica(ReplicaId id) {
    hosts_[id]->Boot([this, id](const Runtime& runtime) { return Replica(runtime, id); });
  }

  Task<void> Replica(Runtime runtime, ReplicaId id) {
    ledger::ReplicaConfig config;
    config.replica = id;
    // Each is alone: nobody listens where it looks for the others.
    config.peers.assign(3, hosts_[id]->Address(sim::Plane::kReplica, 1));
    const ledger::ReplicaAddresses listen{hosts_[id]->Address(sim::Plane::kReplica, 7000),
                                          hosts_[id]->Address(sim::Plane::kClient, kPort)};
    (void)co_await ledger::RunTcpReplica(config, listen, runtime, {.log = logs_[id].get()});
  }

  Task<void> Read(Runtime runtime) {
    result_ = co_await VerifyReplicas(config_, runtime, &checker_, &findings_);
    world_.Stop();
  }

  // What is found.
  std::vector<std::string> Verify() {
    for (ReplicaId id = 0; id < 3; ++id) {
      if (!hosts_[id]->up() && !stays_down_[id]) BootReplica(id);
      if (config_.replicas.size() < 3) {
        config_.replicas.push_back(hosts_[id]->Address(sim::Plane::kClient, kPort));
      }
    }
    reader_->Boot([this](const Runtime& runtime) { return Read(runtime); });
    sim::Verdict verdict = world_.Run({.until = 10min});
    EXPECT_TRUE(verdict.passed()) << verdict.ToString();
    EXPECT_TRUE(result_.has_value());
    std::vector<std::string> found;
    for (const absl::Status& finding : findings_.all()) found.emplace_back(finding.message());
    return found;
  }

  sim::World world_{{.seed = 3, .scheduling = sim::Scheduling::kRandom}};
  std::array<sim::Host*, 3> hosts_{};
  std::array<std::unique_ptr<Log>, 3> logs_;
  std::array<bool, 3> stays_down_{};
  sim::Host* reader_ = nullptr;
  ledger::Findings findings_;
  OutsideChecker checker_{&findings_};
  VerifyConfig config_;
  std::optional<Verification> result_;
};

TEST_F(VerifyTest, AGoodLedgerIsGood) {
  FillAll();
  AcknowledgeUpTo(kEntries);
  EXPECT_THAT(Verify(), IsEmpty());
  EXPECT_EQ(result_->replicas, 3u);
  EXPECT_EQ(result_->entries, kEntries);
  EXPECT_EQ(result_->acknowledged, kEntries / 2);
  EXPECT_EQ(result_->log, logs_[0]->chain());
}

TEST_F(VerifyTest, AnEmptyLedgerIsGood) { EXPECT_THAT(Verify(), IsEmpty()); }

TEST_F(VerifyTest, TheOrderOfAddressesDoesNotMatter) {
  FillAll();
  AcknowledgeUpTo(kEntries);
  for (ReplicaId id : {2, 0, 1}) {
    config_.replicas.push_back(hosts_[id]->Address(sim::Plane::kClient, kPort));
  }
  EXPECT_THAT(Verify(), IsEmpty());
  EXPECT_EQ(result_->replicas, 3u);
}

TEST_F(VerifyTest, AcknowledgedAndNowhere) {
  for (auto& log : logs_) Fill(log.get(), 1, kEntries - 2);
  AcknowledgeUpTo(kEntries);
  EXPECT_THAT(Verify(), Contains(HasSubstr("invariant stands: entry 500 of client 1 does not stand "
                                           "at op 999")));
}

TEST_F(VerifyTest, AcknowledgedAndElsewhere) {
  for (auto& log : logs_) {
    Append(log.get(), {{0, 5}, 1}, "in front of all others");
    Fill(log.get(), 1, kEntries);
  }
  AcknowledgeUpTo(1);
  EXPECT_THAT(Verify(), Contains(HasSubstr("invariant stands: entry 1 of client 1")));
}

TEST_F(VerifyTest, AcknowledgedAndChanged) {
  for (auto& log : logs_) {
    Append(log.get(), {kAlice, 1}, "not what Alice sent");
    Fill(log.get(), 2, kEntries);
  }
  AcknowledgeUpTo(kEntries);
  EXPECT_THAT(Verify(),
              ::testing::ElementsAre(HasSubstr("invariant unchanged: entry 1 of client 1")));
}

TEST_F(VerifyTest, TwiceInTheLog) {
  for (auto& log : logs_) {
    Fill(log.get(), 1, kEntries);
    Append(log.get(), {kAlice, 1}, PayloadOf({kAlice, 1}));
  }
  AcknowledgeUpTo(kEntries);
  EXPECT_THAT(Verify(), Contains(HasSubstr("invariant appended-once: entry 1 of client 1")));
}

TEST_F(VerifyTest, OneBackupHasAnotherLog) {
  FillAll();
  logs_[2] = std::make_unique<Log>();
  Fill(logs_[2].get(), 1, 700);
  Append(logs_[2].get(), {kStranger, 351}, "something else");
  Fill(logs_[2].get(), 702, kEntries);
  AcknowledgeUpTo(kEntries);
  EXPECT_THAT(Verify(), Contains(HasSubstr("invariant same-log: replica 2")));
}

TEST_F(VerifyTest, OneBackupStaysBehind) {
  FillAll();
  logs_[1] = std::make_unique<Log>();
  Fill(logs_[1].get(), 1, 998);
  AcknowledgeUpTo(kEntries);
  EXPECT_THAT(Verify(),
              ::testing::ElementsAre(HasSubstr(
                  "invariant converged: replica 1 holds op 998, the primary's log ends at "
                  "op 1000")));
  EXPECT_EQ(result_->replicas, 2u);
}

TEST_F(VerifyTest, ABackupThatCatchesUpIsWaitedFor) {
  FillAll();
  logs_[1] = std::make_unique<Log>();
  for (uint64_t op = 1; op <= kEntries; op += 100) {
    world_.At(MonotonicTime(op * Duration(200ms)),
              [this, op] { Fill(logs_[1].get(), op, op + 99); });
  }
  AcknowledgeUpTo(kEntries);
  EXPECT_THAT(Verify(), IsEmpty());
  EXPECT_EQ(result_->replicas, 3u);
}

TEST_F(VerifyTest, ABackupThatRestartsEmptyAndCatchesUpIsWaitedFor) {
  FillAll();
  AcknowledgeUpTo(kEntries);
  BootReplica(1);
  BootReplica(2);
  world_.At(MonotonicTime(2ms), [this] {
    hosts_[1]->Crash();
    logs_[1] = std::make_unique<Log>();
  });
  world_.At(MonotonicTime(5s), [this] { hosts_[1]->Restart(); });
  world_.At(MonotonicTime(9s), [this] { Fill(logs_[1].get(), 1, kEntries); });
  EXPECT_THAT(Verify(), IsEmpty());
  EXPECT_EQ(result_->replicas, 3u);
}

TEST_F(VerifyTest, AReplicaThatIsNotThereIsNamed) {
  FillAll();
  AcknowledgeUpTo(kEntries);
  stays_down_[2] = true;
  const std::vector<std::string> found = Verify();
  EXPECT_THAT(found, Contains(HasSubstr("invariant readable: no replica was met at")));
  EXPECT_THAT(found, Contains(HasSubstr("invariant converged: replica 2 is not running")));
  EXPECT_EQ(result_->replicas, 2u);
}

TEST_F(VerifyTest, WithoutThePrimaryNothingIsVerified) {
  FillAll();
  stays_down_[0] = true;
  EXPECT_THAT(Verify(), Contains(HasSubstr("none of the addresses is that of the primary")));
  EXPECT_EQ(result_->replicas, 0u);
}

TEST_F(VerifyTest, OneReplicaTwiceIsNotTwoReplicas) {
  FillAll();
  for (ReplicaId id : {0, 1, 1}) {
    config_.replicas.push_back(hosts_[id]->Address(sim::Plane::kClient, kPort));
  }
  EXPECT_THAT(Verify(), Contains(HasSubstr("are both replica 1")));
  EXPECT_EQ(result_->replicas, 2u);
}

TEST_F(VerifyTest, AnotherClusterIsRefused) {
  FillAll();
  config_.cluster = {2, 0};
  EXPECT_THAT(Verify(), Contains(HasSubstr("another cluster")));
  EXPECT_EQ(result_->replicas, 0u);
}

}  // namespace
}  // namespace faultline::load
