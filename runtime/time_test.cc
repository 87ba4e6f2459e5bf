// Goal: durations read the same everywhere, down to the nanosecond and out to the ends of their
// range. Method: a table. (That the two timelines do not mix is in compile_test/time.case.)
#include "runtime/time.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(TimeTest, FormatsSecondsInIntegers) {
  EXPECT_EQ(FormatSeconds(Duration::zero()), "0.000000000s");
  EXPECT_EQ(FormatSeconds(1ns), "0.000000001s");
  EXPECT_EQ(FormatSeconds(12s + 500us), "12.000500000s");
  EXPECT_EQ(FormatSeconds(-1ns), "-0.000000001s");
  EXPECT_EQ(FormatSeconds(-90s - 1ms), "-90.001000000s");
  EXPECT_EQ(FormatSeconds(Duration::max()), "9223372036.854775807s");
  EXPECT_EQ(FormatSeconds(Duration::min()), "-9223372036.854775808s");
  EXPECT_EQ(FormatSeconds(MonotonicTime(3h)), "10800.000000000s");
}

TEST(TimeTest, NothingIsLaterThanTheInfiniteFuture) {
  EXPECT_GE(kInfiniteFuture, MonotonicTime(Duration::max()));
  EXPECT_EQ(kInfiniteFuture, MonotonicTime::max());
}

}  // namespace
}  // namespace faultline
