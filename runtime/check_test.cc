// Goal: a failed check says where, what and why, then prints the program's note once, and aborts; a
// check that holds evaluates its condition once and its message never.
// Method: death tests on the text; counters on what is evaluated.
#include "runtime/check.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace faultline {
namespace {

TEST(CheckTest, EvaluatesTheConditionOnceAndNoMessage) {
  int conditions = 0;
  int messages = 0;
  auto message = [&messages] { return ++messages; };
  FAULTLINE_CHECK(++conditions == 1) << message();
  EXPECT_EQ(conditions, 1);
  EXPECT_EQ(messages, 0);
}

TEST(CheckTest, IsOneStatement) {
  bool reached = false;
  if (reached)
    FAULTLINE_CHECK(!reached) << "not here";
  else
    reached = true;
  EXPECT_TRUE(reached);
}

TEST(CheckDeathTest, SaysWhereWhatAndWhy) {
  int answer = 41;
  EXPECT_DEATH(FAULTLINE_CHECK(answer == 42) << "the answer was " << answer,
               "check_test\\.cc:[0-9]+: check failed: answer == 42 the answer was 41");
}

TEST(CheckDeathTest, AbortsInEveryBuild) {
  EXPECT_EXIT(FAULTLINE_CHECK(false), ::testing::KilledBySignal(SIGABRT), "check failed: false");
}

TEST(CheckDeathTest, PrintsTheNoteLast) {
  SetCheckFailureNote([] { std::fputs("replay me with --seed=7\n", stderr); });
  EXPECT_DEATH(FAULTLINE_CHECK(false) << "why", "why\n.*replay me with --seed=7");
  SetCheckFailureNote(nullptr);
}

TEST(CheckDeathTest, ANoteThatFailsItselfDoesNotLoop) {
  SetCheckFailureNote([] { FAULTLINE_CHECK(1 + 1 == 3) << "in the note"; });
  EXPECT_EXIT(FAULTLINE_CHECK(false) << "first", ::testing::KilledBySignal(SIGABRT),
              "first\n.*in the note");
  SetCheckFailureNote(nullptr);
}

}  // namespace
}  // namespace faultline
