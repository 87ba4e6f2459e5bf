// Goal: every scenario that the project ships runs, passes, and does what its story says; the
// canary fails with every seed, and each of the checkers that it lies to is the one that notices.
// Method: a few seeds of each; the invariants that the canary's runs name, over many seeds.
#include "scenarios/catalogue/catalogue.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/harness/registry.h"
#include "scenarios/harness/scenario.h"

namespace faultline::catalogue {
namespace {

constexpr std::string_view kCanary = "canary";

const harness::Registry& AllScenarios() {
  static const harness::Registry* const registry = [] {
    auto* all = new harness::Registry;
    AddAllScenarios(all);
    return all;
  }();
  return *registry;
}

harness::RunReport RunSeed(const harness::Scenario& scenario, uint64_t seed) {
  return scenario.Run(harness::DefaultOptions(scenario.info(), seed), {});
}

const harness::Scenario& Named(std::string_view name) {
  const harness::Scenario* found = AllScenarios().Find(name);
  EXPECT_NE(found, nullptr) << name;
  return *found;
}

// "invariant fifo: ..." names fifo.
std::string BrokenInvariant(const sim::Verdict& verdict) {
  constexpr std::string_view kPrefix = "invariant ";
  const std::string text(verdict.status.message());
  const size_t begin = text.find(kPrefix);
  if (begin == std::string::npos) return text;
  const size_t name = begin + kPrefix.size();
  return text.substr(name, text.find(':', name) - name);
}

TEST(Catalogue, TheLedgerPassesOnEveryTransport) {
  const harness::Scenario& ledger = Named("ledger");
  EXPECT_EQ(ledger.info().transports.size(), 5u);
  for (const std::string& transport : ledger.info().transports) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      harness::RunOptions options = harness::DefaultOptions(ledger.info(), seed);
      options.transport = transport;
      options.faults = sim::FaultLevel::kSwarm;
      const harness::RunReport report = ledger.Run(options, {});
      EXPECT_TRUE(report.verdict.passed())
          << transport << ", seed " << seed << ": " << report.verdict.ToString();
    }
  }
}

// In these runs a reply to a committed entry is lost, a backup that held the entry comes back
// empty, and the client asks again: it is answered, and that is right.
TEST(Catalogue, ARetryIsAnsweredAfterAHolderForgot) {
  struct Case {
    std::string_view scenario;
    harness::Aim plane;
    std::vector<uint64_t> seeds;
  };
  const Case kCases[] = {
      {"ledger", harness::Aim::kClient, {59, 98, 125, 137}},
      {"ledger", harness::Aim::kBoth, {92, 124, 482}},
      {"ledger", harness::Aim::kReplica, {123}},
      {"ledger-crash", harness::Aim::kClient, {59}},
  };
  for (const Case& given : kCases) {
    const harness::Scenario& scenario = Named(given.scenario);
    for (uint64_t seed : given.seeds) {
      harness::RunOptions options = harness::DefaultOptions(scenario.info(), seed);
      options.faults = sim::FaultLevel::kHeavy;
      options.plane = given.plane;
      const harness::RunReport report = scenario.Run(options, {});
      EXPECT_TRUE(report.verdict.passed())
          << given.scenario << ", seed " << seed << ": " << report.verdict.ToString();
    }
  }
}

// In these runs a reply is lost on the clients' plane before the primary is cut off from its
// backups, and repeated while it is: nothing new is committed for that.
TEST(Catalogue, AnOldReplyIsNoProgressWithoutAMajority) {
  const harness::Scenario& scenario = Named("ledger-partition");
  for (harness::Aim plane : {harness::Aim::kClient, harness::Aim::kBoth}) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
      harness::RunOptions options = harness::DefaultOptions(scenario.info(), seed);
      options.faults = sim::FaultLevel::kSwarm;
      options.plane = plane;
      const harness::RunReport report = scenario.Run(options, {});
      EXPECT_TRUE(report.verdict.passed()) << "seed " << seed << ": " << report.verdict.ToString();
    }
  }
}

TEST(Catalogue, EveryScenarioPasses) {
  size_t ran = 0;
  for (const auto& scenario : AllScenarios().scenarios()) {
    if (scenario->info().name == kCanary) continue;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      const harness::RunReport report = RunSeed(*scenario, seed);
      EXPECT_TRUE(report.verdict.passed())
          << scenario->info().name << ", seed " << seed << ": " << report.verdict.ToString();
      ++ran;
    }
  }
  EXPECT_GE(ran, 50u);
}

// What only datagrams notice strikes where there are datagrams, and is configured nowhere else.
TEST(Catalogue, FaultsOfDatagramsBiteOnQuicOnly) {
  const harness::Scenario& ledger = Named("ledger");
  for (const std::string& transport : ledger.info().transports) {
    sim::FaultEffects effects;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      harness::RunOptions options = harness::DefaultOptions(ledger.info(), seed);
      options.transport = transport;
      options.faults = sim::FaultLevel::kHeavy;
      const harness::RunReport report = ledger.Run(options, {});
      EXPECT_TRUE(report.verdict.passed())
          << transport << ", seed " << seed << ": " << report.verdict.ToString();
      effects.Merge(report.effects);
    }
    for (sim::Fault fault : sim::kDatagramFaults) {
      EXPECT_EQ(effects.configured(fault), transport == "quic") << transport;
      EXPECT_EQ(effects.bites(fault) > 0, transport == "quic") << transport;
    }
  }
}

// The clients' plane has no streams then: a reset aimed there would never have an effect.
TEST(Catalogue, WithQuicResetsStrikeBetweenReplicasOnly) {
  const harness::Scenario& ledger = Named("ledger");
  for (const auto& aim : harness::Aims()) {
    sim::FaultEffects effects;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      harness::RunOptions options = harness::DefaultOptions(ledger.info(), seed);
      options.transport = "quic";
      options.faults = sim::FaultLevel::kHeavy;
      options.plane = aim.value;
      effects.Merge(ledger.Run(options, {}).effects);
    }
    const bool between_replicas = aim.value != harness::Aim::kClient;
    EXPECT_EQ(effects.configured(sim::Fault::kReset), between_replicas) << aim.name;
    EXPECT_EQ(effects.bites(sim::Fault::kReset) > 0, between_replicas) << aim.name;
  }
}

// A scenario that strikes at a chosen place strikes there with every seed.
TEST(Catalogue, DirectedFaultsBite) {
  const std::pair<std::string_view, sim::Fault> kDirected[] = {
      {"ledger-partition", sim::Fault::kPartition},  {"ledger-crash", sim::Fault::kCrash},
      {"ledger-amnesia", sim::Fault::kCrash},        {"ledger-amnesia", sim::Fault::kPartition},
      {"ledger-stalled-backup", sim::Fault::kPause}, {"ledger-slow-backup", sim::Fault::kBandwidth},
      {"ledger-slow-client", sim::Fault::kSlow},
  };
  for (const auto& [name, fault] : kDirected) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      EXPECT_GT(RunSeed(Named(name), seed).effects.bites(fault), 0u) << name << ", seed " << seed;
    }
  }
}

TEST(Catalogue, TheCanaryNeverPassesAndEachOfItsLiesIsNoticed) {
  std::set<std::string> noticed;
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    const harness::RunReport report = RunSeed(Named(kCanary), seed);
    ASSERT_EQ(report.verdict.kind, sim::VerdictKind::kInvariant) << "seed " << seed;
    noticed.insert(BrokenInvariant(report.verdict));
  }
  const std::set<std::string> expected = {
      "calm",     "client-order",  "fifo",     "majority", "one-connection", "one-loss-notice",
      "registry", "reply-matches", "same-log", "stands",   "unchanged",      "writer-awake"};
  EXPECT_EQ(noticed, expected);
}

// Without the lie the canary's world is healthy: what it fails by is the lie.
TEST(Catalogue, ALedgerWithoutFaultsIsHealthy) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    harness::RunOptions options = harness::DefaultOptions(Named("ledger").info(), seed);
    options.faults = sim::FaultLevel::kNone;
    EXPECT_TRUE(Named("ledger").Run(options, {}).verdict.passed()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace faultline::catalogue
