// Goal: the fast profile is told in all that a run says of itself, and a run with it is as
// repeatable as any other; the ledger keeps its promises with it over every transport that has
// records. Method: the program that is shipped, as a process, over TLS, WebSocket over TLS and
// QUIC.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "scenarios/replay/testing/subprocess.h"

namespace faultline::replay {
namespace {

constexpr char kProgram[] = "scenarios/replay/replay";
constexpr char kProfile[] = "\n  profile fast: ";

Outcome Replay(const std::string& line) {
  return RunProgram(kProgram, absl::StrSplit(line, ' ', absl::SkipEmpty()));
}

class ByTransport : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Profile, ByTransport, testing::Values("tls", "wss", "quic"),
                         [](const auto& info) { return info.param; });

TEST_P(ByTransport, ARunIsTheSameEachTimeAndAnotherThanTheFullOne) {
  const std::string line =
      absl::StrCat("--scenario=ledger --seed=7 --faults=swarm --transport=", GetParam());
  const Outcome fast = Replay(line + " --profile=fast --verify");
  EXPECT_EQ(fast.exit_code, 0) << fast.out << fast.err;
  EXPECT_TRUE(absl::StrContains(fast.out, "verified: the same ")) << fast.out;
  EXPECT_TRUE(absl::StrContains(fast.out, kProfile)) << fast.out;
  const Outcome full = Replay(line);
  EXPECT_EQ(full.exit_code, 0) << full.out << full.err;
  EXPECT_FALSE(absl::StrContains(full.out, kProfile)) << full.out;
  EXPECT_FALSE(WordAfter(full.out, "\n  hash ").empty()) << full.out;
  EXPECT_NE(WordAfter(full.out, "\n  hash "), WordAfter(fast.out, "\n  hash "));
}

TEST_P(ByTransport, ManySeedsPass) {
  const Outcome outcome = Replay(absl::StrCat(
      "--scenario=ledger --seeds=1..30 --faults=swarm --profile=fast --transport=", GetParam()));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.out, "--profile=fast")) << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out, kProfile)) << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out, "30 passed")) << outcome.out;
}

// The canary fails with every seed.
TEST_P(ByTransport, TheCommandThatAFailureNamesHasTheProfile) {
  const Outcome failed =
      Replay(absl::StrCat("--scenario=canary --seed=3 --profile=fast --transport=", GetParam()));
  EXPECT_EQ(failed.exit_code, 1) << failed.out;
  const size_t command = failed.out.find("//scenarios:replay -- ");
  ASSERT_NE(command, std::string::npos) << failed.out;
  const size_t begin = failed.out.find("--scenario", command);
  const std::string flags = failed.out.substr(begin, failed.out.find('\n', begin) - begin);
  EXPECT_TRUE(absl::StrContains(flags, "--profile=fast")) << flags;
  const Outcome again = Replay(flags);
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_EQ(WordAfter(again.out, "\n  hash "), WordAfter(failed.out, "\n  hash "));
}

TEST(Profile, FullIsWhatARunHasWithoutAWord) {
  const std::string line = "--scenario=ledger --seed=7 --faults=none --transport=tls";
  const Outcome silent = Replay(line);
  const Outcome said = Replay(line + " --profile=full");
  EXPECT_EQ(said.exit_code, 0) << said.out;
  EXPECT_EQ(WordAfter(silent.out, "\n  hash "), WordAfter(said.out, "\n  hash "));
}

}  // namespace
}  // namespace faultline::replay
