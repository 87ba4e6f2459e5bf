// Goal: the program does what its command line says, survives whatever its scenarios do, and names
// for each failure the one command that brings it back. Method: the real program as a process, over
// scenarios that go wrong in every way; exit codes and output are looked at from the outside.
#include "scenarios/replay/replay.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "scenarios/replay/files.h"
#include "scenarios/replay/testing/subprocess.h"
#include "sim/choices.h"

namespace faultline::replay {
namespace {

constexpr char kProgram[] = "scenarios/replay/odd_program";

Outcome Replay(const std::string& line) {
  return RunProgram(kProgram, absl::StrSplit(line, ' ', absl::SkipEmpty()));
}

std::string TemporaryPath(const std::string& name) {
  return absl::StrCat(testing::TempDir(), "/", name);
}

// The flags of the command that a report names.
std::string ReplayFlagsIn(const std::string& output) {
  constexpr char kCommand[] = "//scenarios:replay -- ";
  const size_t at = output.find(kCommand);
  if (at == std::string::npos) return "";
  const size_t begin = at + sizeof(kCommand) - 1;
  return output.substr(begin, output.find('\n', begin) - begin);
}

std::string HashIn(const std::string& output) { return WordAfter(output, "\n  hash "); }

size_t LinesIn(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// --- The command line ---

TEST(Program, BadFlagsEndWithTwoAndAMessageOnStandardError) {
  for (const char* line :
       {"", "--sede=7", "--scenario=nobody --seed=1", "--scenario=noisy",
        "--scenario=noisy --seed=x", "--scenario=noisy --seed=1 --bug=none",
        "--show-trace=/nowhere/at/all", "--scenario=noisy --seed=1 --trace=/nowhere/at/all",
        "--scenario=noisy --seed=1 --tape=/nowhere/at/all",
        "--scenario=noisy --seed=1 --pcap=/nowhere/at/all", "--scenario=noisy --seed=1 --pcap=-",
        "--scenario=noisy --seeds=1..2 --pcap=/tmp/none",
        "--scenario=noisy --from-tape=/nowhere/at/all"}) {
    const Outcome outcome = Replay(line);
    EXPECT_EQ(outcome.exit_code, kExitUsage) << line;
    EXPECT_TRUE(absl::StartsWith(outcome.err, "replay: ")) << line << ": " << outcome.err;
    EXPECT_TRUE(absl::StrContains(outcome.err, "--help")) << line;
    EXPECT_EQ(outcome.out, "") << line;
  }
}

TEST(Program, ListsAndHelpPass) {
  const Outcome list = Replay("--list");
  EXPECT_EQ(list.exit_code, kExitPassed);
  EXPECT_TRUE(absl::StrContains(list.out, "noisy: goes wrong on purpose")) << list.out;
  const Outcome bugs = Replay("--list-bugs --scenario=noisy");
  EXPECT_EQ(bugs.exit_code, kExitPassed);
  EXPECT_TRUE(absl::StrContains(bugs.out, "second-bug")) << bugs.out;
  const Outcome help = Replay("--help");
  EXPECT_EQ(help.exit_code, kExitPassed);
  EXPECT_TRUE(absl::StrContains(help.out, "--pct-depth=D")) << help.out;
}

// --- One run ---

TEST(Program, ARunThatPassesSaysWhatItWas) {
  const Outcome outcome = Replay("--scenario=noisy --seed=7 --v");
  EXPECT_EQ(outcome.exit_code, kExitPassed);
  EXPECT_TRUE(absl::StartsWith(outcome.out, "noisy, seed 7: passed at ")) << outcome.out;
  EXPECT_EQ(HashIn(outcome.out).size(), 32u) << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out, "times faster than real time"));
  EXPECT_TRUE(absl::StrContains(outcome.out, "host 0 clock"));
}

TEST(Program, AllTransportsAreRunOneAfterTheOther) {
  const Outcome both = Replay("--scenario=noisy --seed=7 --transport=all");
  EXPECT_EQ(both.exit_code, kExitPassed);
  const size_t first = both.out.find("noisy, seed 7: passed at ");
  EXPECT_NE(first, std::string::npos) << both.out;
  EXPECT_NE(both.out.find("noisy, seed 7: passed at ", first + 1), std::string::npos) << both.out;
  const Outcome campaign = Replay("--scenario=noisy --seeds=1..3 --transport=all");
  EXPECT_TRUE(absl::StrContains(campaign.out, "--transport=tcp")) << campaign.out;
  EXPECT_TRUE(absl::StrContains(campaign.out, "--transport=carrier-pigeon")) << campaign.out;
}

TEST(Program, EachVerdictIsNamedAndFails) {
  for (const auto& [scenario, verdict] :
       {std::pair("invariant", "INVARIANT BROKEN"), std::pair("deadlock", "DEADLOCK"),
        std::pair("livelock", "LIVELOCK"), std::pair("bound", "BOUND EXCEEDED")}) {
    const Outcome outcome = Replay(absl::StrCat("--scenario=", scenario, " --seed=7"));
    EXPECT_EQ(outcome.exit_code, kExitFailed) << scenario;
    EXPECT_TRUE(absl::StartsWith(outcome.out, absl::StrCat(scenario, ", seed 7: ", verdict)))
        << outcome.out;
    EXPECT_TRUE(absl::StrContains(outcome.out, "events:\n")) << outcome.out;
    EXPECT_NE(ReplayFlagsIn(outcome.out), "") << outcome.out;
  }
}

TEST(Program, AFailureShowsTheInvariantAndTheFaultsInForce) {
  const Outcome outcome = Replay("--scenario=invariant --seed=7");
  EXPECT_TRUE(absl::StrContains(outcome.out, "  invariant broken: sample: broken on purpose\n"))
      << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out, "faults in force: 1 of 2 planned")) << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out, "1.000000000s +4.000000000s pause host 0"));
  EXPECT_FALSE(absl::StrContains(outcome.out, "20.000000000s +")) << "that one comes later";
}

TEST(Program, TheCommandThatAFailureNamesGivesTheSameRun) {
  const Outcome failed = Replay(
      "--scenario=invariant --seed=7 --scheduling=pct --pct-depth=2 --plane=client "
      "--transport=carrier-pigeon --bug=first-bug");
  const std::string flags = ReplayFlagsIn(failed.out);
  ASSERT_NE(flags, "") << failed.out;
  const Outcome again = Replay(flags);
  EXPECT_EQ(again.exit_code, kExitFailed);
  EXPECT_EQ(HashIn(again.out), HashIn(failed.out));
  EXPECT_EQ(ReplayFlagsIn(again.out), flags);
}

TEST(Program, AFailedCheckNamesTheCommand) {
  const Outcome outcome = Replay("--scenario=check-failure --seed=3");
  EXPECT_EQ(outcome.exit_code, -1);
  EXPECT_TRUE(absl::StrContains(outcome.err, "a check that fails on purpose")) << outcome.err;
  EXPECT_TRUE(absl::StartsWith(ReplayFlagsIn(outcome.err), "--scenario=check-failure --seed=3"))
      << outcome.err;
}

// --- Traces ---

TEST(Program, ABinaryTraceShowsAsTheTextOfTheSameRun) {
  const std::string binary = TemporaryPath("run.trace");
  const std::string text = TemporaryPath("run.txt");
  const Outcome run =
      Replay(absl::StrCat("--scenario=noisy --seed=7 --trace=", binary, " --trace-text=", text));
  ASSERT_EQ(run.exit_code, kExitPassed) << run.err;
  const Outcome shown = Replay("--show-trace=" + binary);
  EXPECT_EQ(shown.exit_code, kExitPassed);
  EXPECT_EQ(shown.out, *ReadWholeFile(text));
  EXPECT_GE(LinesIn(shown.out), 20u);
  EXPECT_TRUE(absl::StrContains(shown.out, " mark "));

  const Outcome printed = Replay("--scenario=noisy --seed=7 --trace=-");
  EXPECT_TRUE(absl::StartsWith(printed.out, shown.out)) << "text, then the report";
}

TEST(Program, ADamagedTraceIsRefused) {
  const std::string path = TemporaryPath("damaged.trace");
  ASSERT_EQ(Replay("--scenario=noisy --seed=7 --trace=" + path).exit_code, kExitPassed);
  std::string bytes = *ReadWholeFile(path);
  ASSERT_TRUE(WriteWholeFile(path, bytes.substr(0, bytes.size() - 5)).ok());
  const Outcome cut = Replay("--show-trace=" + path);
  EXPECT_EQ(cut.exit_code, kExitUsage);
  EXPECT_TRUE(absl::StrContains(cut.err, "cut short")) << cut.err;
  bytes[0] = 'X';
  ASSERT_TRUE(WriteWholeFile(path, bytes).ok());
  EXPECT_TRUE(absl::StrContains(Replay("--show-trace=" + path).err, "not a trace"));
}

TEST(Program, ARelativePathIsMeantFromWhereTheUserStands) {
  const std::string folder = TemporaryPath("elsewhere");
  std::filesystem::create_directories(folder);
  setenv("BUILD_WORKING_DIRECTORY", folder.c_str(), 1);
  const Outcome run = Replay("--scenario=noisy --seed=7 --trace=relative.trace");
  unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_EQ(run.exit_code, kExitPassed) << run.err;
  EXPECT_TRUE(std::filesystem::exists(folder + "/relative.trace"));
}

// --- Tapes ---

TEST(Program, ATapeRepeatsTheRunWithoutItsSeed) {
  const std::string tape = TemporaryPath("run.tape");
  const std::string flags = "--scenario=noisy --scheduling=pct ";
  const Outcome recorded = Replay(absl::StrCat(flags, "--seed=7 --tape=", tape));
  ASSERT_EQ(recorded.exit_code, kExitPassed) << recorded.err;
  const Outcome replayed = Replay(absl::StrCat(flags, "--seed=1234 --from-tape=", tape));
  EXPECT_EQ(replayed.exit_code, kExitPassed) << replayed.err;
  EXPECT_EQ(HashIn(replayed.out), HashIn(recorded.out));
  EXPECT_NE(HashIn(Replay(flags + "--seed=1234").out), HashIn(recorded.out));
}

TEST(Program, AFailureFromATapeNamesTheTape) {
  const std::string tape = TemporaryPath("failing.tape");
  const Outcome recorded = Replay("--scenario=invariant --seed=7 --tape=" + tape);
  const Outcome replayed = Replay("--scenario=invariant --from-tape=" + tape);
  const std::string flags = ReplayFlagsIn(replayed.out);
  EXPECT_TRUE(absl::StrContains(flags, "--from-tape=" + tape)) << flags;
  EXPECT_EQ(HashIn(Replay(flags).out), HashIn(recorded.out));
}

TEST(Program, AnEditedTapeIsAnotherRunAndAShortOneIsFilledUp) {
  const std::string path = TemporaryPath("edited.tape");
  const Outcome recorded = Replay("--scenario=noisy --seed=7 --tape=" + path);
  sim::Tape tape = *sim::Tape::Parse(*ReadWholeFile(path));
  ASSERT_GE(tape.entries().size(), 20u);

  sim::Tape edited = tape;
  edited.entries()[10].value ^= uint64_t{1} << 63;
  ASSERT_TRUE(WriteWholeFile(path, edited.Serialize()).ok());
  EXPECT_NE(HashIn(Replay("--scenario=noisy --seed=7 --from-tape=" + path).out),
            HashIn(recorded.out));

  tape.entries().resize(5);
  ASSERT_TRUE(WriteWholeFile(path, tape.Serialize()).ok());
  const Outcome filled = Replay("--scenario=noisy --seed=7 --from-tape=" + path);
  EXPECT_EQ(HashIn(filled.out), HashIn(recorded.out)) << "the same seed fills the gaps";
  EXPECT_TRUE(absl::StrContains(filled.out, "  tape    gave 5 of ")) << filled.out;
}

TEST(Program, WhatIsNoTapeIsRefused) {
  const std::string path = TemporaryPath("no.tape");
  ASSERT_TRUE(WriteWholeFile(path, "this is not a tape at all, but long enough").ok());
  const Outcome outcome = Replay("--scenario=noisy --from-tape=" + path);
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_TRUE(absl::StrContains(outcome.err, "not a tape")) << outcome.err;
}

// --- Verification ---

TEST(Program, VerifyPassesWhatIsTheSameEachTime) {
  const Outcome outcome = Replay("--scenario=noisy --seed=7 --verify");
  EXPECT_EQ(outcome.exit_code, kExitPassed) << outcome.out << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.out, "verified: the same ")) << outcome.out;
  const std::string hash = WordAfter(outcome.out, "  run 1 ");
  EXPECT_EQ(hash.size(), 32u);
  EXPECT_EQ(WordAfter(outcome.out, "  run 2 "), hash);
  EXPECT_EQ(WordAfter(outcome.out, "  run 3 "), hash);
}

TEST(Program, VerifyNamesTheFirstEventThatDiffersInOneProcess) {
  const Outcome outcome = Replay("--scenario=address-leak --seed=7 --verify");
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_TRUE(absl::StrContains(outcome.out, "NOT DETERMINISTIC: runs 1 and 2 differ at event "))
      << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out, "    both   ")) << outcome.out;
  for (const char* run : {"    run 1  ", "    run 2  "}) {
    const size_t at = outcome.out.find(run);
    ASSERT_NE(at, std::string::npos) << outcome.out;
    const std::string line = outcome.out.substr(at, outcome.out.find('\n', at) - at);
    EXPECT_TRUE(absl::StrContains(line, "3.000000000s host 0 mark number=63")) << line;
    EXPECT_TRUE(absl::StrContains(line, "[clock]")) << line;
  }
  EXPECT_FALSE(absl::StrContains(outcome.out, "verified"));
}

TEST(Program, VerifyNamesTheFirstEventThatDiffersInAnotherProcess) {
  const Outcome outcome = Replay("--scenario=process-leak --seed=7 --verify");
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_TRUE(absl::StrContains(outcome.out, "NOT DETERMINISTIC: runs 1 and 3 differ at event "))
      << outcome.out;
  EXPECT_EQ(WordAfter(outcome.out, "  run 1 "), WordAfter(outcome.out, "  run 2 "));
  EXPECT_NE(WordAfter(outcome.out, "  run 1 "), WordAfter(outcome.out, "  run 3 "));
}

TEST(Program, VerifyOfARunThatFailsTheSameWayFails) {
  const Outcome outcome = Replay("--scenario=invariant --seed=7 --verify");
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_TRUE(absl::StrContains(outcome.out, "verified: the same ")) << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out, "invariant broken: sample")) << outcome.out;
}

TEST(Program, VerifyGoesByTheTapeInEachProcess) {
  const std::string tape = TemporaryPath("verified.tape");
  const Outcome recorded = Replay("--scenario=noisy --seed=7 --tape=" + tape);
  const Outcome outcome = Replay("--scenario=noisy --seed=99 --verify --from-tape=" + tape);
  EXPECT_EQ(outcome.exit_code, kExitPassed) << outcome.out << outcome.err;
  EXPECT_EQ(WordAfter(outcome.out, "  run 3 "), HashIn(recorded.out));
}

// --- Campaigns ---

TEST(Program, ACampaignRunsEverySeedOnceOnHoweverManyWorkers) {
  const Outcome one = Replay("--scenario=noisy --seeds=1..40 --jobs=1");
  const Outcome three = Replay("--scenario=noisy --seeds=1..40 --jobs=3");
  const Outcome fewer = Replay("--scenario=noisy --seeds=1..39 --jobs=3");
  for (const Outcome* outcome : {&one, &three}) {
    EXPECT_EQ(outcome->exit_code, kExitPassed) << outcome->out << outcome->err;
    EXPECT_TRUE(absl::StrContains(outcome->out, "  verdicts   40 passed\n")) << outcome->out;
    EXPECT_TRUE(absl::StrContains(outcome->out, " seeds a second")) << outcome->out;
    EXPECT_TRUE(absl::StrContains(outcome->out, "  simulated  0.1")) << outcome->out;
    EXPECT_FALSE(absl::StrContains(outcome->err, "chatter")) << "belongs to workers";
  }
  EXPECT_EQ(HashIn(one.out), HashIn(three.out));
  EXPECT_NE(HashIn(one.out), HashIn(fewer.out));
}

// Restricts this process, and the programs that it starts, to one core while it lives.
class OnOneCore {
 public:
  OnOneCore() {
    EXPECT_EQ(sched_getaffinity(0, sizeof(before_), &before_), 0);
    int first = 0;
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &before_)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    EXPECT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  }
  OnOneCore(const OnOneCore&) = delete;
  OnOneCore& operator=(const OnOneCore&) = delete;
  ~OnOneCore() { EXPECT_EQ(sched_setaffinity(0, sizeof(before_), &before_), 0); }

  int cores_before() const { return CPU_COUNT(&before_); }

 private:
  cpu_set_t before_;
};

TEST(Program, ACampaignRunsOnAllCoresUnlessToldOtherwise) {
  constexpr char kLine[] = "--scenario=noisy --seeds=1..40";
  int cores = 0;
  {
    const OnOneCore one;
    cores = one.cores_before();
    const Outcome outcome = Replay(kLine);
    EXPECT_TRUE(absl::StrContains(outcome.out, ", 1 workers, ")) << outcome.out;
  }
  const Outcome outcome = Replay(kLine);
  EXPECT_TRUE(absl::StrContains(outcome.out, absl::StrCat(", ", cores, " workers, ")))
      << outcome.out;
}

TEST(Program, ACampaignGoesOnPastFailuresAndShowsTheFirstInFull) {
  const Outcome outcome = Replay("--scenario=invariant --seeds=5..9 --jobs=2");
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_TRUE(absl::StrContains(outcome.out, "  verdicts   5 invariant broken\n")) << outcome.out;
  for (int seed = 5; seed <= 9; ++seed) {
    EXPECT_TRUE(absl::StrContains(outcome.out, absl::StrCat("\nseed ", seed, ": FAILED at 3.0")))
        << outcome.out;
  }
  EXPECT_TRUE(absl::StartsWith(ReplayFlagsIn(outcome.out), "--scenario=invariant --seed=5 "))
      << outcome.out;
}

TEST(Program, WorkersThatDieAreNamedWithTheirSeedsAndReplaced) {
  for (const auto& [scenario, what] : {std::pair("check-failure", "a check that fails on purpose"),
                                       std::pair("crash", "CRASHED: its process ")}) {
    const Outcome outcome =
        Replay(absl::StrCat("--scenario=", scenario, " --seeds=1..10 --jobs=2"));
    EXPECT_EQ(outcome.exit_code, kExitFailed) << scenario;
    EXPECT_TRUE(absl::StrContains(outcome.out, "  verdicts   7 passed, 3 crashed\n"))
        << outcome.out << outcome.err;
    for (int seed : {3, 6, 9}) {
      EXPECT_TRUE(absl::StrContains(outcome.out, absl::StrCat("\nseed ", seed, ": CRASHED: ")))
          << outcome.out;
    }
    EXPECT_TRUE(absl::StrContains(outcome.out, what)) << outcome.out;
    EXPECT_TRUE(absl::StartsWith(ReplayFlagsIn(outcome.out),
                                 absl::StrCat("--scenario=", scenario, " --seed=3 ")))
        << outcome.out;
  }
}

TEST(Program, ASeedThatHangsIsKilledAndNamed) {
  const Outcome outcome = Replay("--scenario=hang --seeds=1..6 --jobs=2 --wall-limit=1");
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_TRUE(absl::StrContains(outcome.out, "  verdicts   5 passed, 1 crashed\n")) << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out,
                                "seed 3: CRASHED: its process did not end within 1 s of real time"))
      << outcome.out;
}

TEST(Program, EnoughFailuresEndACampaign) {
  const Outcome outcome = Replay("--scenario=invariant --seeds=1..1000000 --max-failures=3");
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_TRUE(absl::StrContains(outcome.out, "CUT SHORT: ")) << outcome.out;
}

TEST(Program, AFamilyThatIsConfiguredAndNeverBitesFailsTheCampaign) {
  const Outcome outcome = Replay("--scenario=idle-fault --seeds=1..5");
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_TRUE(absl::StrContains(outcome.out, "  verdicts   5 passed\n")) << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out,
                                "ERROR: configured in some run, without effect in any: backlog."))
      << outcome.out;
  EXPECT_EQ(Replay("--scenario=idle-fault --seed=1").exit_code, kExitPassed)
      << "one run proves nothing";
}

TEST(Program, AnInterruptedCampaignEndsAtOnce) {
  EXPECT_EQ(RunAndSignal(kProgram, {"--scenario=noisy", "--seeds=1..1000000000"},
                         /*milliseconds=*/300, SIGINT),
            kExitFailed);
}

}  // namespace
}  // namespace faultline::replay
