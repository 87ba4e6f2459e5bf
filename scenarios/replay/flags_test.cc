// Goal: every mistake on the command line is refused with a message that names it and what would be
// right; every good command line means what it says. Method: command lines as text, over a registry
// of odd scenarios; messages are compared whole, because people read them.
#include "scenarios/replay/flags.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "scenarios/replay/testing/odd_scenarios.h"

namespace faultline::replay {
namespace {

class Flags : public testing::Test {
 protected:
  Flags() { AddOddScenarios(&registry_); }

  absl::StatusOr<ReplayFlags> Parse(const std::string& line) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    return ParseReplayFlags(words, registry_);
  }

  harness::Registry registry_;
};

struct Mistake {
  const char* line;
  const char* message;
};

class Mistakes : public Flags, public testing::WithParamInterface<Mistake> {};

TEST_P(Mistakes, AreNamed) {
  absl::StatusOr<ReplayFlags> flags = Parse(GetParam().line);
  ASSERT_FALSE(flags.ok()) << GetParam().line;
  EXPECT_EQ(flags.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(flags.status().message(), GetParam().message);
}

constexpr char kAllNames[] =
    "address-leak, process-leak, stack-leak, history-leak, assertion-leak, optimisation-leak, "
    "allocator-leak, check-failure, crash, hang, deadlock, livelock, bound, invariant, idle-fault, "
    "noisy";

std::string UnknownScenario(const char* name, const char* nearest) {
  return absl::StrCat("--scenario: '", name, "' is none of ", kAllNames, "; did you mean ", nearest,
                      "?");
}

INSTANTIATE_TEST_SUITE_P(
    Flags, Mistakes,
    testing::Values(
        Mistake{"",
                "nothing to do: give --scenario=NAME with --seed=N or --seeds=FIRST..LAST, or "
                "--list"},
        Mistake{"--scenario=noisy", "which seed? give --seed=N, or --seeds=FIRST..LAST"},
        Mistake{"--sede=7", "there is no flag --sede; did you mean --seed?"},
        Mistake{"--verfy", "there is no flag --verfy; did you mean --verify?"},
        Mistake{"seed", "'seed' is not a flag: flags look like --name=value"},
        Mistake{"--", "'--' is not a flag: flags look like --name=value"},
        Mistake{"---seed=1", "'---seed=1' is not a flag: flags look like --name=value"},
        Mistake{"--seed", "--seed needs a value: --seed=N"},
        Mistake{"--seed=1 --seed=2", "--seed is given twice"},
        Mistake{"--list=yes", "--list takes no value"},
        Mistake{"--seed=x7", "--seed: 'x7' is not a whole number, such as 0"},
        Mistake{"--seed=-1", "--seed: '-1' is not a whole number, such as 0"},
        Mistake{"--seed=", "--seed: '' is not a whole number, such as 0"},
        Mistake{"--seed=18446744073709551615",
                "--seed: 18446744073709551615 is too large; the largest is 18446744073709551614"},
        Mistake{"--seed=99999999999999999999999",
                "--seed: 99999999999999999999999 is too large; the largest is "
                "18446744073709551614"},
        Mistake{"--seeds=7", "--seeds: '7' is not a range; write FIRST..LAST, such as 1..1000"},
        Mistake{"--seeds=9..3", "--seeds: runs backwards; did you mean 3..9?"},
        Mistake{"--seeds=1..", "--seeds: '' is not a whole number, such as 0"},
        Mistake{"--seeds=a..3", "--seeds: 'a' is not a whole number, such as 0"},
        Mistake{"--faults=hevy",
                "--faults: 'hevy' is none of none, light, heavy, swarm; did you mean heavy?"},
        Mistake{"--plane=clients",
                "--plane: 'clients' is none of replica, client, both; did you mean client?"},
        Mistake{"--scheduling=rand",
                "--scheduling: 'rand' is none of fifo, random, pct; did you mean random?"},
        Mistake{"--pct-depth=0", "--pct-depth: 0 is too small; the smallest is 1"},
        Mistake{"--scenario=noisy --seed=1 --pct-depth=2",
                "--pct-depth is only for --scheduling=pct"},
        Mistake{"--jobs=0", "--jobs: 0 is too small; the smallest is 1"},
        Mistake{"--scenario=noisy --seed=1 --jobs=2",
                "--jobs is only for a campaign: give --seeds=FIRST..LAST"},
        Mistake{"--scenario=noisy --seed=1 --wall-limit=2",
                "--wall-limit is only for a campaign: give --seeds=FIRST..LAST"},
        Mistake{"--scenario=noisy --seed=1 --max-failures=2",
                "--max-failures is only for a campaign: give --seeds=FIRST..LAST"},
        Mistake{"--scenario=noisy --seed=1 --seeds=1..2",
                "--seeds is a campaign: leave out --seed and --from-tape"},
        Mistake{"--scenario=noisy --seeds=1..2 --from-tape=t",
                "--seeds is a campaign: leave out --seed and --from-tape"},
        Mistake{"--scenario=noisy --seeds=1..2 --verify", "--verify takes one --seed, not --seeds"},
        Mistake{"--scenario=noisy --seeds=1..2 --trace=t",
                "--trace is only for one run: give --seed=N, without --verify"},
        Mistake{"--scenario=noisy --seed=1 --verify --tape=t",
                "--tape is only for one run: give --seed=N, without --verify"},
        Mistake{"--scenario=noisy --seed=1 --tape=-",
                "a tape or a capture is a file; '-' is only for --trace and --trace-text"},
        Mistake{"--scenario=noisy --seed=1 --pcap=-",
                "a tape or a capture is a file; '-' is only for --trace and --trace-text"},
        Mistake{"--scenario=noisy --seeds=1..2 --pcap=p",
                "--pcap is only for one run: give --seed=N, without --verify"},
        Mistake{"--scenario=noisy --seed=1 --verify --pcap=p",
                "--pcap is only for one run: give --seed=N, without --verify"},
        Mistake{"--scenario=noisy --seed=1 --transport=all --pcap=p",
                "--pcap is only for one transport"},
        Mistake{"--scenario=noisy --seed=1 --profile=fast --pcap=p",
                "--pcap is only for --profile=full"},
        Mistake{"--scenario=noisy --seed=1 --profile=fats",
                "--profile: 'fats' is none of full, fast; did you mean fast?"},
        Mistake{"--scenario=noisy --seed=1 --transport=carrier-pidgin",
                "--transport: 'carrier-pidgin' is none of tcp, carrier-pigeon; did you mean "
                "carrier-pigeon?"},
        Mistake{"--scenario=noisy --seed=1 --bug=first-bgu",
                "--bug: there is no 'first-bgu'; did you mean first-bug? see --list-bugs"},
        Mistake{"--scenario=noisy --seed=1 --transport=carrier-pigeon --bug=wired-bug",
                "--bug: 'wired-bug' exists over tcp, not over carrier-pigeon; see --transport"},
        Mistake{"--scenario=noisy --seeds=1..2 --transport=all --bug=first-bug --bug=wired-bug",
                "--bug: 'wired-bug' exists over tcp, not over all; see --transport"},
        Mistake{"--trace=", "--trace: the value is empty"}));

TEST_F(Flags, AnUnknownScenarioIsNamedWithAllThatThereAre) {
  EXPECT_EQ(Parse("--scenario=noisi --seed=1").status().message(),
            UnknownScenario("noisi", "noisy"));
  EXPECT_EQ(Parse("--list-bugs --scenario=noisi").status().message(),
            UnknownScenario("noisi", "noisy"));
}

TEST_F(Flags, ValuesComeWithEqualsOrBehindABlankAfterOneDashOrTwo) {
  for (const char* line :
       {"--scenario=noisy --seed=7 --faults=heavy", "--scenario noisy --seed 7 --faults heavy",
        "-scenario=noisy -seed 7 -faults=heavy"}) {
    absl::StatusOr<ReplayFlags> flags = Parse(line);
    ASSERT_TRUE(flags.ok()) << flags.status();
    EXPECT_EQ(flags->mode, Mode::kRun);
    EXPECT_EQ(flags->scenario, registry_.Find("noisy"));
    EXPECT_EQ(flags->options.seed, 7u);
    EXPECT_EQ(flags->options.faults, sim::FaultLevel::kHeavy);
  }
}

TEST_F(Flags, TheScenarioSaysWhatHoldsWhenNothingIsSaid) {
  absl::StatusOr<ReplayFlags> flags = Parse("--scenario=noisy --seed=7");
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->options, harness::DefaultOptions(registry_.Find("noisy")->info(), /*seed=*/7));
  EXPECT_EQ(flags->options.transport, "tcp");
  EXPECT_EQ(flags->options.scheduling, sim::Scheduling::kRandom);
}

TEST_F(Flags, ModesFollowFromWhatIsGiven) {
  EXPECT_EQ(Parse("--help --seed=3")->mode, Mode::kHelp);
  EXPECT_EQ(Parse("--list")->mode, Mode::kList);
  EXPECT_EQ(Parse("--list-bugs")->mode, Mode::kListBugs);
  EXPECT_EQ(Parse("--show-trace=t")->mode, Mode::kShowTrace);
  EXPECT_EQ(Parse("--scenario=noisy --seed=1 --verify")->mode, Mode::kVerify);
  EXPECT_EQ(Parse("--scenario=noisy --from-tape=t")->mode, Mode::kRun);
  absl::StatusOr<ReplayFlags> campaign =
      Parse("--scenario=noisy --seeds=3..9 --jobs=2 --wall-limit=5 --max-failures=0");
  ASSERT_TRUE(campaign.ok()) << campaign.status();
  EXPECT_EQ(campaign->mode, Mode::kCampaign);
  EXPECT_EQ(campaign->first_seed, 3u);
  EXPECT_EQ(campaign->last_seed, 9u);
  EXPECT_EQ(campaign->jobs, 2u);
  EXPECT_EQ(campaign->wall_limit_s, 5u);
  EXPECT_EQ(campaign->max_failures, 0u);
}

TEST_F(Flags, AllTransportsAreOneAfterTheOther) {
  absl::StatusOr<ReplayFlags> flags = Parse("--scenario=noisy --seeds=1..2 --transport=all");
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_TRUE(flags->all_transports);
  EXPECT_EQ(flags->options.transport, "tcp") << "never a transport of that name";
  EXPECT_FALSE(Parse("--scenario=noisy --seed=1 --transport=tcp")->all_transports);
  EXPECT_FALSE(Parse("--scenario=noisy --seed=1 --transport=all --trace=t").ok());
}

TEST_F(Flags, ABugIsTakenOverATransportThatHasIt) {
  EXPECT_TRUE(Parse("--scenario=noisy --seed=1 --bug=wired-bug").ok());
  EXPECT_TRUE(Parse("--scenario=noisy --seed=1 --transport=tcp --bug=wired-bug").ok());
  EXPECT_TRUE(Parse("--scenario=noisy --seed=1 --transport=all --bug=first-bug").ok());
}

TEST_F(Flags, WhatARunIsNamedByParsesBackToTheSameRun) {
  const char* line =
      "--scenario=noisy --seed=12 --faults=light --plane=client --scheduling=pct --pct-depth=5 "
      "--transport=carrier-pigeon --bug=second-bug --bug=first-bug";
  absl::StatusOr<ReplayFlags> flags = Parse(line);
  ASSERT_TRUE(flags.ok()) << flags.status();
  const std::vector<std::string> words = harness::FlagsOf("noisy", flags->options);
  absl::StatusOr<ReplayFlags> again = ParseReplayFlags(words, registry_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->options, flags->options);
  EXPECT_EQ(flags->options.bugs, (std::vector<std::string>{"second-bug", "first-bug"}));
}

TEST_F(Flags, HelpNamesEveryFlag) {
  const std::string help = HelpText(registry_);
  for (const char* flag :
       {"scenario",  "seed",       "faults",     "plane", "scheduling", "pct-depth",
        "transport", "bug",        "seeds",      "jobs",  "wall-limit", "max-failures",
        "trace",     "trace-text", "show-trace", "tape",  "from-tape",  "verify",
        "v",         "list",       "list-bugs",  "help"}) {
    EXPECT_TRUE(absl::StrContains(help, absl::StrCat("  --", flag, "\n")) ||
                absl::StrContains(help, absl::StrCat("  --", flag, "=")))
        << flag;
  }
}

}  // namespace
}  // namespace faultline::replay
