// Goal: an engine's entropy and time are those of the environment that is entered, of the kernel
// where none is, and of nobody where the kernel is refused.
// Method: calls the C functions that engines are compiled against, inside and outside of scopes.

#include "runtime/engine/environment.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <numeric>
#include <optional>

#include "runtime/engine/calls.h"
#include "runtime/testing/counting_entropy.h"
#include "runtime/testing/manual_clock.h"

namespace faultline::engine {
namespace {

using Bytes = std::array<uint8_t, 32>;

Bytes Draw() {
  Bytes bytes{};
  faultline_engine_random(bytes.data(), bytes.size());
  return bytes;
}

Bytes CountedFrom(uint8_t first) {
  Bytes bytes{};
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

TEST(Environment, WhoeverIsEnteredAnswers) {
  testing::CountingEntropy entropy;
  testing::ManualClock clock;
  clock.set_wall_offset(1'000s + 999ms);
  Entered entered({&entropy, &clock});
  EXPECT_EQ(Draw(), CountedFrom(1));
  EXPECT_EQ(Draw(), CountedFrom(33));
  EXPECT_EQ(faultline_engine_wall_seconds(), 1000);
}

TEST(Environment, TimeBefore1970IsRoundedDownToo) {
  testing::CountingEntropy entropy;
  testing::ManualClock clock;
  clock.set_wall_offset(-1ms);
  Entered entered({&entropy, &clock});
  EXPECT_EQ(faultline_engine_wall_seconds(), -1);
}

TEST(Environment, ScopesNest) {
  testing::CountingEntropy outer;
  testing::CountingEntropy inner;
  testing::ManualClock clock;
  Entered first({&outer, &clock});
  {
    Entered second({&inner, &clock});
    EXPECT_EQ(Draw(), CountedFrom(1));
  }
  EXPECT_EQ(inner.drawn, 32u);
  EXPECT_EQ(outer.drawn, 0u);
  EXPECT_EQ(Draw(), CountedFrom(1));
}

TEST(Environment, TheKernelAnswersWhereNobodyIsEntered) {
  testing::CountingEntropy entropy;
  testing::ManualClock clock;
  {
    Entered entered({&entropy, &clock});
  }
  Bytes first = Draw();
  EXPECT_NE(first, Draw());
  EXPECT_NE(first, CountedFrom(1));
  EXPECT_EQ(entropy.drawn, 0u);
  int64_t before = std::time(nullptr);
  int64_t told = faultline_engine_wall_seconds();
  EXPECT_GE(told, before);
  EXPECT_LE(told, std::time(nullptr));
}

TEST(Environment, ARefusedKernelDoesNotStandInTheWayOfTheEntered) {
  testing::CountingEntropy entropy;
  testing::ManualClock clock;
  KernelRefused refused;
  Entered entered({&entropy, &clock});
  EXPECT_EQ(Draw(), CountedFrom(1));
}

TEST(EnvironmentDeathTest, ARefusedKernelIsABugOfTheCaller) {
  {
    KernelRefused over;
  }
  (void)Draw();  // allowed again
  KernelRefused refused;
  EXPECT_DEATH((void)Draw(), "an environment that was entered");
  EXPECT_DEATH((void)faultline_engine_wall_seconds(), "an environment that was entered");
}

TEST(EnvironmentDeathTest, AScopeThatIsLeftOutOfTurnIsABug) {
  testing::CountingEntropy entropy;
  testing::ManualClock clock;
  std::optional<Entered> first(std::in_place, Environment{&entropy, &clock});
  std::optional<Entered> second(std::in_place, Environment{&entropy, &clock});
  EXPECT_DEATH(first.reset(), "across a suspension");
  second.reset();
}

}  // namespace
}  // namespace faultline::engine
