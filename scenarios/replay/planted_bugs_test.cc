// Goal: the replay program finds each planted bug of its list within a stated number of seeds,
// blames the invariant that the bug breaks, and names one command that brings the failure back. The
// canary fails with every seed.
// Method: the program that is shipped, as a process; the table of testing/planted_bugs.h, a row a
// bug. without_bugs_test.cc runs the same seeds without bugs.
#include "scenarios/replay/testing/planted_bugs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "scenarios/replay/testing/subprocess.h"

namespace faultline::replay {
namespace {

constexpr char kProgram[] = "scenarios/replay/replay";

Outcome Replay(const std::string& line) {
  return RunProgram(kProgram, absl::StrSplit(line, ' ', absl::SkipEmpty()));
}

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
INSTANTIATE_TEST_SUITE_P(OverWebSocket, PlantedBugTest, testing::ValuesIn(kPlantedOverWebSocket),
                         NameOfBug);

// A command line that cannot bite is a mistake, not a run that passes.
TEST(PlantedBugs, OneThatATransportDoesNotHaveIsRefused) {
  const Outcome outcome =
      Replay("--scenario=transport --seed=1 --transport=ws --bug=partial-write-swaps-order");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_TRUE(absl::StrContains(outcome.err, "exists over tcp, not over ws")) << outcome.err;
}

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

// --- The canary ---

TEST(Canary, FailsWithEverySeed) {
  const Outcome outcome = Replay("--scenario=canary --seeds=1..40 --jobs=1 --max-failures=0");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(outcome.out, "  verdicts   40 invariant broken\n"))
      << outcome.out << outcome.err;
}

}  // namespace
}  // namespace faultline::replay
