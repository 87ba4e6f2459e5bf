// Goal: the same seed gives the same run wherever the program lies in memory.
// Method: each run with and without address randomisation, compared with each other. A run that
// depends on where its stack lies shows that randomisation was on, that it was off, and that the
// comparison can fail.
//
// A system that does not let a process switch its randomisation off (the default of some
// containers), or that randomises nothing, is named, and what it does not allow is skipped. Two
// randomised processes, which repeat_test.cc compares, lie at different addresses anyway.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "scenarios/determinism/runs.h"

namespace faultline::determinism {
namespace {

constexpr replay::SubprocessOptions kRandomised{.randomise_addresses = true};
constexpr replay::SubprocessOptions kFixed{.randomise_addresses = false};
constexpr char kStackLeak[] = "--scenario=stack-leak --seed=7";

// What keeps this system from running programs both ways; empty if nothing does.
std::string Obstacle() {
  std::ifstream file("/proc/sys/kernel/randomize_va_space");
  int randomised = -1;
  if (!(file >> randomised)) return "/proc/sys/kernel/randomize_va_space cannot be read";
  if (randomised == 0) return "kernel.randomize_va_space is 0: nothing is randomised";
  if (RunProcess(kOddProgram, kStackLeak, kFixed).exit_code == replay::kNotAllowed) {
    return "personality(ADDR_NO_RANDOMIZE) is forbidden: a container's seccomp profile?";
  }
  return "";
}

#define SKIP_IF_OBSTRUCTED() \
  if (const std::string obstacle = Obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle

class AddressesTest : public testing::TestWithParam<Row> {};

TEST_P(AddressesTest, WithAndWithoutRandomisation) {
  SKIP_IF_OBSTRUCTED();
  const Told randomised = RunProcess(kReplay, GetParam().flags, kRandomised);
  ASSERT_TRUE(HasVerdict(randomised)) << randomised.report;
  EXPECT_EQ(randomised, RunProcess(kReplay, GetParam().flags, kFixed));
}

INSTANTIATE_TEST_SUITE_P(Rows, AddressesTest, testing::ValuesIn(Rows()), NameOfRow);

// --- The comparison can fail ---

TEST(CanFail, WithRandomisationTheStackLiesElsewhereEachTime) {
  SKIP_IF_OBSTRUCTED();
  EXPECT_NE(RunProcess(kOddProgram, kStackLeak, kRandomised),
            RunProcess(kOddProgram, kStackLeak, kRandomised));
}

TEST(CanFail, WithoutRandomisationTheStackLiesInOnePlace) {
  SKIP_IF_OBSTRUCTED();
  const Told fixed = RunProcess(kOddProgram, kStackLeak, kFixed);
  ASSERT_TRUE(HasVerdict(fixed)) << fixed.report;
  EXPECT_EQ(fixed, RunProcess(kOddProgram, kStackLeak, kFixed));
  EXPECT_NE(fixed, RunProcess(kOddProgram, kStackLeak, kRandomised));
}

}  // namespace
}  // namespace faultline::determinism
