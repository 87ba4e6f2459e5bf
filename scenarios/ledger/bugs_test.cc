// Goal: the checkers find each planted bug, by the invariant that it breaks, within a stated number
// of seeds; and without its switch the same runs find nothing.
// Method: each bug in the kind of trouble in which it bites (a swarm of faults, or a story), with
// and without its switch, seed after seed.
#include "scenarios/ledger/bugs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "scenarios/ledger/testing/sim_cluster.h"

namespace faultline::ledger {
namespace {

using Trouble = absl::Status (*)(uint64_t seed, const LedgerBugs& bugs);

MonotonicTime At(Duration since_start) { return MonotonicTime(since_start); }

// Faults of all families; small queues, chunks and bursts of work.
absl::Status InASwarm(uint64_t seed, const LedgerBugs& bugs, uint8_t replicas) {
  SimClusterConfig config{.seed = seed,
                          .replicas = replicas,
                          .workload = {.entries = 1500, .pipeline = 8, .think_max = 200ms}};
  config.replica.replicas.pipe.queue_frames = size_t{1} << (seed % 7);
  config.replica.catch_up.max_entries = 32;
  SimCluster cluster(config);
  *cluster.bugs() = bugs;
  const Duration end = cluster.InstallSwarm();
  return cluster.Run(end);
}

absl::Status AmongThree(uint64_t seed, const LedgerBugs& bugs) { return InASwarm(seed, bugs, 3); }
absl::Status AmongFive(uint64_t seed, const LedgerBugs& bugs) { return InASwarm(seed, bugs, 5); }

// The packets to one backup are held for a while; nothing else is wrong.
absl::Status BesideAMuteBackup(uint64_t seed, const LedgerBugs& bugs) {
  SimClusterConfig config{.seed = seed, .workload = {.entries = 3000, .think_max = 4ms}};
  config.replica.replicas.pipe.queue_frames = 16;
  SimCluster cluster(config);
  *cluster.bugs() = bugs;
  cluster.world()->At(At(1s), [&cluster] {
    const uint32_t cut = cluster.world()->Partition(
        {.from = {0}, .to = {1}, .planes = {true, false, false}, .how = sim::Passage::kHold});
    cluster.world()->After(4s, [&cluster, cut] { cluster.world()->Heal(cut); });
  });
  return cluster.Run(5s, Health::kQuorum);
}

// Of five: entries reach one backup alone, which loses them in a crash; then another one gets them
// while the first is still catching up.
absl::Status AfterAmnesia(uint64_t seed, const LedgerBugs& bugs) {
  SimClusterConfig config{.seed = seed, .replicas = 5, .workload = {.entries = 4000}};
  config.workload.think_max = 4ms;
  config.replica.catch_up.max_entries = 16;
  SimCluster cluster(config);
  *cluster.bugs() = bugs;
  sim::World* world = cluster.world();
  world->At(At(3s), [&cluster, world] {
    const auto hold = [world](uint32_t backup) {
      return world->Partition({.from = {0},
                               .to = {backup},
                               .planes = {true, false, false},
                               .how = sim::Passage::kHold});
    };
    const uint32_t second = hold(2), third = hold(3), fourth = hold(4);
    world->After(200ms, [&cluster] { cluster.replica(1)->Crash(); });
    world->After(300ms, [&cluster] { cluster.replica(1)->Restart(); });
    world->After(600ms, [world, second] { world->Heal(second); });
    world->After(2s, [world, third, fourth] { world->Heal(third), world->Heal(fourth); });
  });
  return cluster.Run(6s);
}

struct Case {
  std::string_view bug;
  std::string_view invariant;
  Trouble trouble;
  uint64_t seeds;
};

constexpr Case kCases[] = {
    {"stale-close-evicts-newer", "registry", AmongThree, 10},
    {"reply-before-majority", "majority", AmongThree, 1},
    {"retry-appended-again", "appended-once", AmongThree, 10},
    {"expired-reply-swallows-retry", "completes", AmongThree, 20},
    {"retry-gets-latest-reply", "stands", AmongThree, 20},
    {"ack-past-gap", "majority", AmongThree, 20},
    {"ack-counted-twice", "majority", AmongFive, 10},
    {"ack-of-older-incarnation", "majority", AfterAmnesia, 5},
    {"catch-up-skips-at-chunk-end", "same-log", AmongThree, 10},
    {"live-overtakes-catch-up", "same-log", AmongThree, 10},
    {"dropped-prepare-forgotten", "converged", AmongThree, 20},
    {"reply-to-reused-slot", "reply-matches", AmongThree, 20},
    {"slow-peer-stalls-all", "calm", BesideAMuteBackup, 3},
    {"lost-wake-up", "writer-awake", AmongThree, 10},
    {"loss-noticed-twice", "one-loss-notice", AmongThree, 5},
};

class BugTest : public testing::TestWithParam<Case> {};

TEST_P(BugTest, IsFoundByItsInvariant) {
  const Case& planted = GetParam();
  LedgerBugs bugs;
  ASSERT_TRUE(EnableBug(planted.bug, &bugs).ok());
  for (uint64_t seed = 1; seed <= planted.seeds; ++seed) {
    const absl::Status status = planted.trouble(seed, bugs);
    if (status.ok()) continue;
    const std::string found = status.ToString();
    EXPECT_NE(found.find("invariant " + std::string(planted.invariant) + ": "), std::string::npos)
        << found;
    RecordProperty("seed", static_cast<int>(seed));
    return;
  }
  FAIL() << planted.bug << " was not found in " << planted.seeds << " seeds";
}

TEST_P(BugTest, NothingIsFoundWithoutIt) {
  const Case& planted = GetParam();
  for (uint64_t seed = 1; seed <= std::min<uint64_t>(planted.seeds, 5); ++seed) {
    const absl::Status status = planted.trouble(seed, {});
    EXPECT_TRUE(status.ok()) << "seed " << seed << ": " << status;
  }
}

std::string NameOf(const testing::TestParamInfo<Case>& info) {
  std::string name(info.param.bug);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Catalogue, BugTest, testing::ValuesIn(kCases), NameOf);

TEST(BugCatalogueTest, EachBugIsTried) {
  for (const BugDescription& bug : LedgerBugCatalog()) {
    const bool tried = std::any_of(std::begin(kCases), std::end(kCases),
                                   [&](const Case& planted) { return planted.bug == bug.name; });
    EXPECT_TRUE(tried) << bug.name;
  }
}

}  // namespace
}  // namespace faultline::ledger
