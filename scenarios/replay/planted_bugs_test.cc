// Goal: the replay program finds each planted bug of its list within a stated number of seeds,
// blames the invariant that the bug breaks, and names one command that brings the failure back;
// without bugs the same seeds find nothing. The canary fails with every seed.
// Method: the program that is shipped, as a process; a table with a row a bug. The seeds of a row
// are about ten times as many as the bug needs on average, at least ten.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "scenarios/replay/testing/subprocess.h"

namespace faultline::replay {
namespace {

constexpr char kProgram[] = "scenarios/replay/replay";

Outcome Replay(const std::string& line) {
  return RunProgram(kProgram, absl::StrSplit(line, ' ', absl::SkipEmpty()));
}

// --- The table ---

constexpr char kTransport[] = "--scenario=transport --faults=none";
constexpr char kTransportHeavy[] = "--scenario=transport --faults=heavy --plane=client";
constexpr char kTransportSwarm[] = "--scenario=transport --faults=swarm --plane=both";
constexpr char kLedger[] = "--scenario=ledger --faults=swarm --plane=both";
constexpr char kLedgerFive[] = "--scenario=ledger-five --faults=swarm --plane=both";
constexpr char kHeavy[] = "--scenario=ledger --faults=heavy --plane=both";
constexpr char kHeavyOnClients[] = "--scenario=ledger --faults=heavy --plane=client";
constexpr char kHeavyOnReplicas[] = "--scenario=ledger --faults=heavy --plane=replica";
constexpr char kAmnesia[] = "--scenario=ledger-amnesia --faults=light --plane=client";
constexpr char kStalledBackup[] = "--scenario=ledger-stalled-backup --faults=none";
constexpr char kSlowBackup[] = "--scenario=ledger-slow-backup --faults=none";

struct Planted {
  const char* bug;
  const char* where;      // the campaign's flags
  uint64_t seeds;         // found among those from 1 on
  const char* invariant;  // that it breaks; a bug may break one or another of several
};

constexpr Planted kPlanted[] = {
    // The transports'.
    {"partial-write-is-complete", kTransport, 10, "no-noise"},
    {"partial-write-starts-over", kTransport, 10, "no-noise"},
    {"partial-write-swaps-order", kTransport, 10, "in-order"},
    {"failed-writer-goes-on", kTransport, 10, "dead-writer"},
    {"dead-writer-parks-reader", kTransport, 10, "dead-writer|ends"},
    {"torn-header-is-clean-end", kTransport, 10, "torn"},
    {"torn-body-is-clean-end", kTransport, 10, "torn"},
    {"cancelled-read-loses-bytes", kTransportHeavy, 10, "no-noise"},
    {"compaction-off-by-one", kTransportHeavy, 10, "no-noise"},
    {"maximum-size-ignored", kTransportSwarm, 10, "maximum"},
    // The service's, where every fault may strike.
    {"reply-before-majority", kLedger, 10, "majority"},
    {"catch-up-skips-at-chunk-end", kLedger, 15, "same-log"},
    {"loss-noticed-twice", kLedger, 10, "one-loss-notice"},
    {"ack-counted-twice", kLedgerFive, 15, "majority"},
    {"reply-to-reused-slot", kHeavy, 50, "reply-matches"},
    // Those of the traffic with clients, and of the traffic between replicas.
    {"retry-appended-again", kHeavyOnClients, 20, "appended-once"},
    {"expired-reply-swallows-retry", kHeavyOnClients, 20, "completes"},
    {"retry-gets-latest-reply", kHeavyOnClients, 30, "stands|majority"},
    {"stale-close-evicts-newer", kHeavyOnReplicas, 15, "registry"},
    {"live-overtakes-catch-up", kHeavyOnReplicas, 15, "same-log"},
    {"lost-wake-up", kHeavyOnReplicas, 20, "writer-awake"},
    {"ack-past-gap", kHeavyOnReplicas, 50, "majority"},
    // Those that want a story of their own.
    {"ack-of-older-incarnation", kAmnesia, 40, "majority"},
    {"dropped-prepare-forgotten", kStalledBackup, 10, "converged"},
    {"slow-peer-stalls-all", kSlowBackup, 10, "calm|pace"},
};

void PrintTo(const Planted& planted, std::ostream* out) { *out << planted.bug; }

// --- What the program says ---

std::string LineWith(const std::string& text, const std::string& part) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StrContains(line, part)) return std::string(line);
  }
  return "";
}

// From the broken invariant to the command: the same in a campaign and in a run of its own.
std::string Failure(const std::string& output) {
  const size_t begin = output.find("\n  invariant broken: ");
  if (begin == std::string::npos) return "";
  const size_t command = output.find("./bazelw run ", begin);
  return output.substr(begin, output.find('\n', command) - begin);
}

std::string FlagsOfCommand(const std::string& failure) {
  const size_t at = failure.find("//scenarios:replay -- ");
  return at == std::string::npos ? "" : failure.substr(failure.find("--scenario", at));
}

bool Blames(const std::string& failure, absl::string_view invariants) {
  const std::vector<std::string> names = absl::StrSplit(invariants, '|');
  return std::any_of(names.begin(), names.end(), [&failure](const std::string& name) {
    return absl::StartsWith(failure, absl::StrCat("\n  invariant broken: ", name, ": "));
  });
}

// --- With a bug ---

class PlantedBugTest : public testing::TestWithParam<Planted> {};

TEST_P(PlantedBugTest, IsFoundAndCanBeReplayed) {
  const Planted& planted = GetParam();
  const Outcome campaign =
      Replay(absl::StrCat(planted.where, " --seeds=1..", planted.seeds, " --bug=", planted.bug,
                          " --jobs=1 --max-failures=1"));
  ASSERT_EQ(campaign.exit_code, 1) << campaign.out << campaign.err;
  const std::string failure = Failure(campaign.out);
  EXPECT_TRUE(Blames(failure, planted.invariant)) << campaign.out << campaign.err;

  const std::string flags = FlagsOfCommand(failure);
  EXPECT_TRUE(
      absl::StrContains(absl::StrCat(flags, " "), absl::StrCat(" --bug=", planted.bug, " ")))
      << flags;
  const std::string seed = WordAfter(flags, "--seed=");
  EXPECT_FALSE(LineWith(campaign.out, absl::StrCat("seed ", seed, ": FAILED at ")).empty())
      << campaign.out;

  const Outcome again = Replay(flags);
  EXPECT_EQ(again.exit_code, 1) << again.out << again.err;
  EXPECT_TRUE(absl::StrContains(again.out, absl::StrCat(", seed ", seed, ": INVARIANT BROKEN at ")))
      << again.out;
  EXPECT_EQ(Failure(again.out), failure);
}

std::string NameOfBug(const testing::TestParamInfo<Planted>& info) {
  return absl::StrReplaceAll(info.param.bug, {{"-", "_"}});
}

INSTANTIATE_TEST_SUITE_P(List, PlantedBugTest, testing::ValuesIn(kPlanted), NameOfBug);

TEST(PlantedBugs, EachOfTheListHasARow) {
  std::set<std::string> listed;
  for (absl::string_view line : absl::StrSplit(Replay("--list-bugs").out, '\n')) {
    if (!line.empty() && line.front() != ' ') listed.emplace(line);
  }
  std::set<std::string> tried;
  for (const Planted& planted : kPlanted) tried.insert(planted.bug);
  EXPECT_EQ(listed, tried);
  EXPECT_EQ(tried.size(), std::size(kPlanted)) << "one row each";
}

// --- Without ---

// Where faults are drawn, in fewer seeds a family of them may by chance have no effect in any run:
// the program calls that an error.
constexpr uint64_t kSeedsOfDrawnFaults = 40;

// Each campaign of the table, with as many seeds as any of its rows takes, or more.
std::map<std::string, uint64_t> Campaigns() {
  std::map<std::string, uint64_t> campaigns;
  for (const Planted& planted : kPlanted) {
    const bool drawn = !absl::StrContains(planted.where, "--faults=none");
    uint64_t& seeds = campaigns[planted.where];
    seeds = std::max({seeds, planted.seeds, drawn ? kSeedsOfDrawnFaults : 0});
  }
  return campaigns;
}

using Campaign = std::pair<const std::string, uint64_t>;

class NoBugTest : public testing::TestWithParam<Campaign> {};

TEST_P(NoBugTest, NothingIsFound) {
  const auto& [where, seeds] = GetParam();
  const Outcome outcome = Replay(absl::StrCat(where, " --seeds=1..", seeds, " --jobs=1"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.out, absl::StrCat("  verdicts   ", seeds, " passed\n")))
      << outcome.out;
}

// "--scenario=ledger --faults=heavy" as "ledger_heavy".
std::string NameOfCampaign(const testing::TestParamInfo<Campaign>& info) {
  std::vector<std::string> values;
  for (absl::string_view flag : absl::StrSplit(info.param.first, ' ')) {
    values.emplace_back(flag.substr(flag.find('=') + 1));
  }
  return absl::StrReplaceAll(absl::StrJoin(values, "_"), {{"-", "_"}});
}

INSTANTIATE_TEST_SUITE_P(Table, NoBugTest, testing::ValuesIn(Campaigns()), NameOfCampaign);

// --- The canary ---

TEST(Canary, FailsWithEverySeed) {
  const Outcome outcome = Replay("--scenario=canary --seeds=1..40 --jobs=1 --max-failures=0");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(outcome.out, "  verdicts   40 invariant broken\n"))
      << outcome.out << outcome.err;
}

}  // namespace
}  // namespace faultline::replay
