// Goal: a bar is passed when it should be and missed when it should be; a bar without a measurement
// is missed. Method: hand-made measurements, medians that can be worked out on paper, both sides of
// each bound.

#include "bench/bars.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace faultline::bench {
namespace {

TEST(Median, IsTheMiddleValueOrTheMeanOfTheMiddleTwo) {
  EXPECT_EQ(Median({}), std::nullopt);
  EXPECT_EQ(Median({7}), 7);
  EXPECT_EQ(Median({9, 1, 5}), 5);
  EXPECT_EQ(Median({9, 1, 5, 6}), 5.5);
}

TEST(Measurements, AreMediansOfTheRepetitionsOfOneBenchmark) {
  Measurements seen;
  for (double value : {30.0, 10.0, 1000.0}) seen.Add("a", Measurements::kNanoseconds, value);
  seen.Add("a", "items_per_second", 5);
  seen.Add("b", Measurements::kNanoseconds, 60);
  EXPECT_EQ(seen.Nanoseconds("a"), 30);
  EXPECT_EQ(seen.ItemsPerSecond("a"), 5);
  EXPECT_EQ(seen.ItemsPerSecond("b"), std::nullopt);
  EXPECT_EQ(Quotient(seen.Nanoseconds("b"), seen.Nanoseconds("a")), 2);
  EXPECT_EQ(Quotient(seen.Nanoseconds("b"), seen.Nanoseconds("c")), std::nullopt);
}

TEST(Measurements, QuotientsAreTakenWithinAPass) {
  Measurements seen;
  for (double value : {10.0, 100.0, 1.0}) seen.Add("a", Measurements::kNanoseconds, value);
  for (double value : {10.0, 200.0, 4.0}) seen.Add("b", Measurements::kNanoseconds, value);
  seen.Add("c", Measurements::kNanoseconds, 1);
  EXPECT_EQ(seen.TimeQuotient("a", "b"), 0.5);  // the medians would give 1
  EXPECT_EQ(seen.TimeQuotient("a", "c"), std::nullopt) << "they did not run equally often";
  EXPECT_EQ(seen.TimeQuotient("a", "d"), std::nullopt);
}

TEST(Measurements, AreShownALineABenchmark) {
  Measurements seen;
  for (double value : {9.0, 10.0, 11.0}) seen.Add("a", Measurements::kNanoseconds, value);
  seen.Add("a", "items_per_second", 5e6);
  EXPECT_NE(seen.Format().find("a "), std::string::npos);
  EXPECT_NE(seen.Format().find("10.0"), std::string::npos) << seen.Format();
  EXPECT_NE(seen.Format().find("10.0%"), std::string::npos) << seen.Format();
  EXPECT_NE(seen.Format().find("5 M"), std::string::npos) << seen.Format();
}

TEST(Measurements, SpreadIsHalfOfTheQuartilesDistanceByTheMedian) {
  Measurements seen;
  for (double value : {8.0, 9.0, 10.0, 11.0, 12.0})
    seen.Add("a", Measurements::kNanoseconds, value);
  EXPECT_DOUBLE_EQ(*seen.Spread("a"), 0.1);
  EXPECT_EQ(seen.Spread("b"), std::nullopt);
}

TEST(Bar, HoldsOnItsSideOfTheBoundAndOnTheBoundItself) {
  EXPECT_TRUE(AtLeast("x", 4, 4, "").passed());
  EXPECT_TRUE(AtLeast("x", 5, 4, "").passed());
  EXPECT_FALSE(AtLeast("x", 3.99, 4, "").passed());
  EXPECT_TRUE(AtMost("x", 4, 4, "").passed());
  EXPECT_TRUE(AtMost("x", 3, 4, "").passed());
  EXPECT_FALSE(AtMost("x", 4.01, 4, "").passed());
}

// `above` passes of 1.2, the others 0.9.
std::vector<double> Passes(size_t passes, size_t above) {
  std::vector<double> quotients(passes, 0.9);
  std::fill_n(quotients.begin(), above, 1.2);
  return quotients;
}

TEST(Bar, NotMoreGoesByTheMedian) {
  EXPECT_TRUE(NotMore("x", Passes(15, 7), "").passed());
  EXPECT_FALSE(NotMore("x", Passes(15, 8), "").passed());
  EXPECT_FALSE(NotMore("x", Passes(1, 1), "").passed());
  EXPECT_TRUE(NotMore("x", {1, 1, 1}, "").passed()) << "an equal is not more";
}

TEST(Bar, WithoutAMeasurementIsMissed) {
  EXPECT_FALSE(NotMore("x", {}, "").passed());
  EXPECT_FALSE(AtLeast("x", std::nullopt, 0, "").passed());
  EXPECT_FALSE(AtMost("x", std::nullopt, 1e18, "").passed());
}

TEST(FormatBars, SaysForEachBarWhatWasSeenWhatWasAskedAndTheVerdict) {
  std::string table = FormatBars(
      {AtLeast("one-way", 5.8e6, 4e6, "/s"), AtMost("growth", 3.25, 2, "times"),
       AtMost("idle", std::nullopt, 1.05, "times"), NotMore("equal", Passes(9, 4), "times")});
  auto line_of = [&table](const std::string& name) {
    size_t start = table.find("\n" + name) + 1;
    return table.substr(start, table.find('\n', start) - start);
  };
  EXPECT_NE(line_of("one-way").find("5.8 M"), std::string::npos) << table;
  EXPECT_NE(line_of("one-way").find(">= 4 M /s"), std::string::npos) << table;
  EXPECT_NE(line_of("one-way").find("PASS"), std::string::npos) << table;
  EXPECT_NE(line_of("growth").find("3.25"), std::string::npos) << table;
  EXPECT_NE(line_of("growth").find("FAIL"), std::string::npos) << table;
  EXPECT_NE(line_of("equal").find("(4 of 9 above)"), std::string::npos) << table;
  EXPECT_NE(line_of("equal").find("PASS"), std::string::npos) << table;
  EXPECT_NE(line_of("idle").find("not measured"), std::string::npos) << table;
  EXPECT_NE(line_of("idle").find("FAIL"), std::string::npos) << table;
}

}  // namespace
}  // namespace faultline::bench
