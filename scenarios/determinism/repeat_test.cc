// Goal: the same seed gives the same run twice in one process, in two processes, and whatever ran
// before in its process.
// Method: the replay program over runs of every kind; the hashes that it prints are compared. Runs
// that depend on more than their seed, on purpose, show that each comparison can fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "scenarios/determinism/runs.h"

namespace faultline::determinism {
namespace {

using replay::Outcome;
using replay::RunProgram;
using replay::WordAfter;

// The hashes of a verification: two runs in one process, a third in another.
struct Hashes {
  std::string first;
  std::string second;
  std::string elsewhere;
};

Hashes Verify(const std::string& program, const std::string& flags) {
  const Outcome outcome =
      RunProgram(program, absl::StrSplit(absl::StrCat(flags, " --verify"), ' '));
  Hashes hashes{WordAfter(outcome.out, "\n  run 1 "), WordAfter(outcome.out, "\n  run 2 "),
                WordAfter(outcome.out, "\n  run 3 ")};
  EXPECT_EQ(hashes.first.size(), 32u) << outcome.out << outcome.err;
  EXPECT_EQ(absl::StrContains(outcome.out, "verified: the same "),
            hashes.first == hashes.second && hashes.first == hashes.elsewhere)
      << outcome.out;
  return hashes;
}

// The hash of a campaign, which covers that of each of its seeds.
std::string HashOfSeeds(const std::string& program, const std::string& flags) {
  const Outcome outcome = RunProgram(program, absl::StrSplit(flags, ' '));
  const std::string hash = WordAfter(outcome.out, "\n  hash ");
  EXPECT_EQ(hash.size(), 32u) << outcome.out << outcome.err;
  return hash;
}

class RepeatTest : public testing::TestWithParam<Row> {};

TEST_P(RepeatTest, TwiceInOneProcess) {
  const Hashes hashes = Verify(kReplay, GetParam().flags);
  EXPECT_EQ(hashes.first, hashes.second);
  EXPECT_EQ(hashes.first, hashes.elsewhere);
}

TEST_P(RepeatTest, InTwoProcesses) {
  const Told first = RunProcess(kReplay, GetParam().flags);
  ASSERT_TRUE(HasVerdict(first)) << first.report;
  EXPECT_EQ(first, RunProcess(kReplay, GetParam().flags));
}

INSTANTIATE_TEST_SUITE_P(Rows, RepeatTest, testing::ValuesIn(Rows()), NameOfRow);

TEST(RowsTest, EveryScenarioIsAmongThem) {
  const Outcome list = RunProgram(kReplay, {"--list"});
  size_t scenarios = 0;
  for (absl::string_view line : absl::StrSplit(list.out, '\n')) {
    if (line.empty() || line.front() == ' ') continue;
    const std::string flag = absl::StrCat("--scenario=", line.substr(0, line.find(':')), " ");
    EXPECT_TRUE(std::any_of(Rows().begin(), Rows().end(), [&flag](const Row& row) {
      return absl::StartsWith(row.flags, flag);
    })) << flag;
    ++scenarios;
  }
  EXPECT_GE(scenarios, 10u) << list.out << list.err;
}

// One worker runs all seeds in one process; of four, each runs what falls to it.
TEST(SeedsTest, WhateverRanBeforeInTheProcess) {
  for (const char* flags :
       {"--scenario=ledger --seeds=1..12", "--scenario=transport --seeds=1..24"}) {
    EXPECT_EQ(HashOfSeeds(kReplay, absl::StrCat(flags, " --jobs=1")),
              HashOfSeeds(kReplay, absl::StrCat(flags, " --jobs=4")))
        << flags;
  }
}

// --- The comparisons can fail ---

TEST(CanFail, TwiceInOneProcess) {
  const Hashes hashes = Verify(kOddProgram, "--scenario=address-leak --seed=7");
  EXPECT_NE(hashes.first, hashes.second);
}

TEST(CanFail, InTwoProcesses) {
  const std::string flags = "--scenario=process-leak --seed=7";
  const Hashes hashes = Verify(kOddProgram, flags);
  EXPECT_EQ(hashes.first, hashes.second);
  EXPECT_NE(hashes.first, hashes.elsewhere);
  EXPECT_NE(RunProcess(kOddProgram, flags), RunProcess(kOddProgram, flags));
}

TEST(CanFail, WhateverRanBeforeInTheProcess) {
  const std::string flags = "--scenario=history-leak --seeds=1..12";
  EXPECT_NE(HashOfSeeds(kOddProgram, flags + " --jobs=1"),
            HashOfSeeds(kOddProgram, flags + " --jobs=4"));
}

}  // namespace
}  // namespace faultline::determinism
