// Goal: the same seed gives the same run however the program was compiled.
// Method: each run by the replay program of this build's configuration and by one at -O0 with
// assertions. Without flags that is -O2 against -O0; with --config=asan it is AddressSanitizer
// against -O0; and so on. Runs that depend on how they were compiled show that the programs differ
// and that the comparison can fail.
#include <gtest/gtest.h>

#include <string>

#include "scenarios/determinism/runs.h"

namespace faultline::determinism {
namespace {

constexpr char kUnoptimisedReplay[] = "scenarios/determinism/unoptimised_replay";
constexpr char kUnoptimisedOddProgram[] = "scenarios/determinism/unoptimised_odd_program";

class ConfigurationsTest : public testing::TestWithParam<Row> {};

TEST_P(ConfigurationsTest, AsWithoutOptimisation) {
  const Told here = RunProcess(kReplay, GetParam().flags);
  ASSERT_TRUE(HasVerdict(here)) << here.report;
  EXPECT_EQ(here, RunProcess(kUnoptimisedReplay, GetParam().flags));
}

INSTANTIATE_TEST_SUITE_P(Rows, ConfigurationsTest, testing::ValuesIn(Rows()), NameOfRow);

// --- The comparison can fail ---

bool Differ(const std::string& flags) {
  const Told here = RunProcess(kOddProgram, flags);
  const Told there = RunProcess(kUnoptimisedOddProgram, flags);
  EXPECT_TRUE(HasVerdict(here)) << here.report;
  EXPECT_TRUE(HasVerdict(there)) << there.report;
  return here != there;
}

TEST(CanFail, NothingDiffersWithoutACause) { EXPECT_FALSE(Differ("--scenario=noisy --seed=7")); }

#if defined(NDEBUG)
constexpr bool kAsserts = false;
#else
constexpr bool kAsserts = true;
#endif

TEST(CanFail, ADecisionInsideAnAssertionIsMissingWhereItIsCompiledAway) {
  EXPECT_EQ(Differ("--scenario=assertion-leak --seed=7"), !kAsserts);
}

#if defined(__OPTIMIZE__)
constexpr bool kOptimised = true;
#else
constexpr bool kOptimised = false;
#endif

TEST(CanFail, AWorldThatKnowsItsLevelOfOptimisation) {
  EXPECT_EQ(Differ("--scenario=optimisation-leak --seed=7"), kOptimised);
}

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitizersAllocator = true;
#else
constexpr bool kSanitizersAllocator = false;
#endif

TEST(CanFail, AWorldThatAsksTheAllocatorHowLargeABlockIs) {
  EXPECT_EQ(Differ("--scenario=allocator-leak --seed=7"), kSanitizersAllocator);
}

}  // namespace
}  // namespace faultline::determinism
