// Goal: a fault plan leaves exactly the promises that its faults cannot have touched.
// Method: a table: one or a few faults of a cluster of three replicas and two clients, and the
// health at chosen moments.
#include "scenarios/catalogue/health.h"

#include <gtest/gtest.h>

#include <vector>

namespace faultline::catalogue {
namespace {

using ledger::Health;
using sim::Fault;
using sim::kEveryHost;
using sim::Plane;
using sim::PlannedFault;

constexpr ClusterShape kThree{.replicas = 3, .recovery = 10s};

Health HealthAt(const std::vector<PlannedFault>& faults, Duration when) {
  sim::FaultPlan plan;
  for (const PlannedFault& fault : faults) plan.Add(fault);
  Health health = Health::kAll;
  for (const HealthChange& change : HealthDuring(plan, kThree)) {
    if (change.at <= MonotonicTime(when)) health = change.health;
  }
  return health;
}

PlannedFault Between(Fault family, uint32_t a, uint32_t b, Plane plane) {
  return {.family = family, .at = 10s, .lasts = 5s, .a = a, .b = b, .plane = plane};
}

PlannedFault OnHost(Fault family, uint32_t host) { return Between(family, host, kEveryHost, {}); }

TEST(Health, NothingPlannedIsAllWell) {
  EXPECT_TRUE(HealthDuring(sim::FaultPlan(), kThree).empty());
}

struct Row {
  const char* what;
  std::vector<PlannedFault> faults;
  Health during;
};

TEST(Health, DuringTheFaults) {
  const Row kRows[] = {
      {"one backup cut off", {Between(Fault::kPartition, 0, 1, Plane::kReplica)}, Health::kQuorum},
      {"both backups cut off, one by one",
       {Between(Fault::kPartition, 0, 1, Plane::kReplica),
        Between(Fault::kLoss, 0, 2, Plane::kReplica)},
       Health::kNone},
      {"the primary cut off from everybody",
       {Between(Fault::kPartition, 0, kEveryHost, Plane::kReplica)},
       Health::kNone},
      {"a backup against everybody",
       {Between(Fault::kClog, 2, kEveryHost, Plane::kReplica)},
       Health::kQuorum},
      {"between the backups", {Between(Fault::kHold, 1, 2, Plane::kReplica)}, Health::kQuorum},
      {"everybody",
       {Between(Fault::kLoss, kEveryHost, kEveryHost, Plane::kReplica)},
       Health::kNone},
      {"a client's way to the primary",
       {Between(Fault::kOneWayPartition, 3, 0, Plane::kClient)},
       Health::kNone},
      {"a client's way to a backup", {Between(Fault::kReset, 1, 4, Plane::kClient)}, Health::kNone},
      {"a backup crashes", {OnHost(Fault::kCrash, 1)}, Health::kQuorum},
      {"both backups", {OnHost(Fault::kCrash, 1), OnHost(Fault::kPause, 2)}, Health::kNone},
      {"the primary stands still", {OnHost(Fault::kPause, 0)}, Health::kNone},
      {"a client is slow", {OnHost(Fault::kSlow, 4)}, Health::kNone},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(HealthAt(row.faults, 9s), Health::kAll) << row.what;
    EXPECT_EQ(HealthAt(row.faults, 12s), row.during) << row.what;
    EXPECT_EQ(HealthAt(row.faults, 16s), Health::kAll) << row.what << ": nothing disturbs any more";
  }
}

// While something else goes on, whoever has just recovered does not count yet.
TEST(Health, RecoveryTakesItsTime) {
  const std::vector<PlannedFault> faults = {
      OnHost(Fault::kCrash, 1),
      {.family = Fault::kPause, .at = 12s, .lasts = 30s, .a = 2},
  };
  EXPECT_EQ(HealthAt(faults, 11s), Health::kQuorum);
  EXPECT_EQ(HealthAt(faults, 14s), Health::kNone);
  EXPECT_EQ(HealthAt(faults, 20s), Health::kNone) << "back for 5 s of 10";
  EXPECT_EQ(HealthAt(faults, 26s), Health::kQuorum);
  EXPECT_EQ(HealthAt(faults, 43s), Health::kAll);
}

}  // namespace
}  // namespace faultline::catalogue
