// Goal: the ledger keeps its promises through whatever it is made for: backups that crash and
// return empty, cut and slow links, pauses, clients that come back, more of everything than fits.
// Method: a simulated world, real TCP transports, every checker; one story a test. Each run ends
// with the check that all replicas hold the same log, and that nothing is left open.
#include <gtest/gtest.h>

#include "scenarios/ledger/testing/sim_cluster.h"

namespace faultline::ledger {
namespace {

MonotonicTime At(Duration since_start) { return MonotonicTime(since_start); }

// Everything was acknowledged; the checkers have seen it happen.
void ExpectComplete(SimCluster* cluster, const absl::Status& status, uint64_t entries) {
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(cluster->checkers()->log()->acknowledged(), entries);
  EXPECT_EQ(cluster->checkers()->log()->appended(), entries);
  EXPECT_EQ(cluster->checkers()->liveness()->completed(), entries);
  EXPECT_GE(cluster->checkers()->replies().replies(), entries);
  EXPECT_GT(cluster->checkers()->fifo().received(), entries);
}

TEST(LedgerTest, CompletesWithoutFaults) {
  SimCluster cluster({.seed = 1});
  ExpectComplete(&cluster, cluster.Run(), 300);
  EXPECT_LT(cluster.checkers()->liveness()->slowest(), 50ms);
  EXPECT_EQ(cluster.client_report(0)->acknowledged, 100u);
  EXPECT_EQ(cluster.client_report(0)->connections, 1u);
}

TEST(LedgerTest, SurvivesShortTransfers) {
  SimCluster cluster({.seed = 2, .sockets = {.partial_write = {1, 2}, .partial_read = {1, 2}}});
  ExpectComplete(&cluster, cluster.Run(), 300);
}

TEST(LedgerTest, FiveReplicasAreACluster) {
  SimCluster cluster({.seed = 3, .replicas = 5});
  cluster.world()->At(At(100ms), [&] { cluster.replica(4)->Crash(); });
  cluster.world()->At(At(100ms), [&] { cluster.replica(2)->Crash(); });
  cluster.world()->At(At(2s), [&] { cluster.replica(2)->Restart(); });
  cluster.world()->At(At(2s), [&] { cluster.replica(4)->Restart(); });
  ExpectComplete(&cluster, cluster.Run(2s, Health::kQuorum), 300);
}

// --- Backups ---

// The others go on without it, and it gets everything back.
TEST(LedgerTest, ABackupThatRestartsEmptyCatchesUp) {
  SimCluster cluster({.seed = 4, .workload = {.entries = 2000}});
  cluster.world()->At(At(1s), [&] { cluster.replica(2)->Crash(); });
  cluster.world()->At(At(3s), [&] { cluster.replica(2)->Restart(); });
  ExpectComplete(&cluster, cluster.Run(3s, Health::kQuorum), 6000);
  EXPECT_EQ(cluster.last_op(2), 6000u);
}

TEST(LedgerTest, BackupsMayCrashInTurn) {
  SimCluster cluster({.seed = 5, .workload = {.entries = 3000}});
  for (int i = 0; i < 6; ++i) {
    const ReplicaId backup = i % 2 == 0 ? 1 : 2;
    cluster.world()->At(At(i * 3s + 1s), [&, backup] { cluster.replica(backup)->Crash(); });
    cluster.world()->At(At(i * 3s + 2s), [&, backup] { cluster.replica(backup)->Restart(); });
  }
  ExpectComplete(&cluster, cluster.Run(18s), 9000);
}

TEST(LedgerTest, ABackupMayStartLate) {
  SimCluster cluster({.seed = 6, .workload = {.entries = 500}});
  cluster.world()->At(MonotonicTime(), [&] { cluster.replica(1)->Crash(); });
  cluster.world()->At(MonotonicTime(), [&] { cluster.replica(2)->Crash(); });
  cluster.world()->At(At(5s), [&] { cluster.replica(1)->Restart(); });
  cluster.world()->At(At(10s), [&] { cluster.replica(2)->Restart(); });
  ExpectComplete(&cluster, cluster.Run(10s), 1500);
}

// Nothing is acknowledged meanwhile, and everything afterwards.
TEST(LedgerTest, APrimaryWithoutBackupsWaits) {
  SimCluster cluster({.seed = 7});
  const uint32_t cut = cluster.world()->Partition(
      {.from = {0}, .to = {1, 2}, .planes = {true, false, false}, .symmetric = true});
  cluster.world()->At(At(20s - 1ns), [&] {
    EXPECT_EQ(cluster.checkers()->log()->acknowledged(), 0u);
    EXPECT_GT(cluster.last_op(0), 0u);
  });
  cluster.world()->At(At(20s), [&] { cluster.world()->Heal(cut); });
  ExpectComplete(&cluster, cluster.Run(20s), 300);
}

// A cut backup is asked for by nobody, but it knows one who has what it lacks.
TEST(LedgerTest, ABackupCatchesUpFromAnotherOne) {
  SimCluster cluster({.seed = 8, .workload = {.entries = 1000}});
  const uint32_t cut = cluster.world()->Partition(
      {.from = {0}, .to = {2}, .planes = {true, false, false}, .symmetric = true});
  cluster.world()->At(At(30s - 1ns), [&] { EXPECT_EQ(cluster.last_op(2), 3000u); });
  cluster.world()->At(At(30s), [&] { cluster.world()->Heal(cut); });
  ExpectComplete(&cluster, cluster.Run(30s, Health::kQuorum), 3000);
}

// A backup whose packets are held does not hold up anybody else.
TEST(LedgerTest, AMuteBackupStallsNobody) {
  SimCluster cluster({.seed = 9, .workload = {.entries = 3000, .think_max = 2ms}});
  cluster.world()->At(At(1s), [&] {
    const uint32_t cut = cluster.world()->Partition(
        {.from = {0}, .to = {2}, .planes = {true, false, false}, .how = sim::Passage::kHold});
    cluster.world()->After(10s, [&, cut] { cluster.world()->Heal(cut); });
  });
  ExpectComplete(&cluster, cluster.Run(11s, Health::kQuorum), 9000);
  EXPECT_LT(cluster.checkers()->liveness()->slowest(), 100ms);
}

TEST(LedgerTest, TheSmallestQueuesAreEnough) {
  SimClusterConfig config{.seed = 10,
                          .workload = {.entries = 2000, .pipeline = 16, .think_max = 1ms}};
  config.replica.replicas.pipe.queue_frames = 1;
  config.replica.replicas.pipe.max_batch = 1;
  config.replica.catch_up = {.max_entries = 1, .max_bytes = 1};
  SimCluster cluster(config);
  ExpectComplete(&cluster, cluster.Run(), 6000);
}

// --- The primary ---

TEST(LedgerTest, APausedPrimaryGoesOnWhereItWas) {
  SimCluster cluster({.seed = 11});
  cluster.world()->At(At(100ms), [&] { cluster.replica(0)->Pause(); });
  cluster.world()->At(At(20s), [&] { cluster.replica(0)->Resume(); });
  ExpectComplete(&cluster, cluster.Run(20s), 300);
}

TEST(LedgerTest, APrimaryOutOfDescriptorsRecovers) {
  SimCluster cluster({.seed = 12, .workload = {.clients = 6}});
  cluster.world()->At(MonotonicTime(), [&] { cluster.replica(0)->SetLimits({.descriptors = 8}); });
  cluster.world()->At(At(5s), [&] { cluster.replica(0)->SetLimits({}); });
  ExpectComplete(&cluster, cluster.Run(5s), 600);
  EXPECT_GT(cluster.world()->effects()->bites(sim::Fault::kDescriptors), 0u);
}

// --- Clients ---

TEST(LedgerTest, ClientsReturnAfterTheirConnectionsWereReset) {
  SimCluster cluster({.seed = 13, .workload = {.entries = 1000}});
  for (int i = 1; i <= 20; ++i) {
    cluster.world()->At(At(i * 100ms), [&, i] {
      const uint32_t client = cluster.client(static_cast<uint32_t>(i) % 3)->id();
      cluster.world()->ResetConnections(0, client, sim::Plane::kClient);
    });
  }
  ExpectComplete(&cluster, cluster.Run(2s), 3000);
  EXPECT_GT(cluster.client_report(0)->connections, 2u);
}

// Its own half says goodbye to nobody: the primary finds out by the newer connection.
TEST(LedgerTest, ACutClientReturnsBeforeItsOldConnectionIsGone) {
  SimCluster cluster({.seed = 14});
  cluster.world()->At(At(50ms), [&] {
    const uint32_t cut =
        cluster.world()->Partition({.from = {0}, .to = {3}, .planes = {false, true, false}});
    cluster.world()->After(4s, [&, cut] { cluster.world()->Heal(cut); });
  });
  ExpectComplete(&cluster, cluster.Run(4050ms), 300);
  EXPECT_EQ(cluster.client_report(0)->connections, 2u);
}

TEST(LedgerTest, ClientsFindThePrimary) {
  SimClusterConfig config{.seed = 15};
  {
    SimCluster addresses(config);
    config.client.servers = {addresses.ClientAddress(2), addresses.ClientAddress(1),
                             addresses.ClientAddress(0)};
  }
  SimCluster cluster(config);
  ExpectComplete(&cluster, cluster.Run(), 300);
}

TEST(LedgerTest, AnOpenLoopKeepsItsPace) {
  SimCluster cluster({.seed = 16, .workload = {.entries = 500, .pipeline = 16, .period = 10ms}});
  ExpectComplete(&cluster, cluster.Run(), 1500);
}

// --- Faults of every family at once ---

class SwarmTest : public testing::TestWithParam<uint64_t> {};

TEST_P(SwarmTest, KeepsItsPromises) {
  SimClusterConfig config{.seed = GetParam(), .workload = {.entries = 400, .think_max = 500ms}};
  config.replica.replicas.pipe.queue_frames = size_t{1} << (GetParam() % 9);
  SimCluster cluster(config);
  const Duration end = cluster.InstallSwarm();
  ExpectComplete(&cluster, cluster.Run(end), 1200);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SwarmTest, testing::Range<uint64_t>(1, 41));

}  // namespace
}  // namespace faultline::ledger
