// Goal: percentiles are what they are called, to three digits, and nothing that is recorded is
// lost. Method: distributions whose percentiles are known.

#include "scenarios/load/latency.h"

#include "gtest/gtest.h"

namespace faultline::load {
namespace {

void ExpectWithinOnePerMille(Duration actual, Duration expected) {
  EXPECT_GE(actual, expected - expected / 1000) << actual.count();
  EXPECT_LE(actual, expected + expected / 1000) << actual.count();
}

TEST(LatencyHistogram, PercentilesOfAUniformDistribution) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 10'000; ++i) histogram.Record(i * Duration(10us));
  EXPECT_EQ(histogram.count(), 10'000u);
  ExpectWithinOnePerMille(histogram.At(Percentile::k50), 50ms);
  ExpectWithinOnePerMille(histogram.At(Percentile::k90), 90ms);
  ExpectWithinOnePerMille(histogram.At(Percentile::k99), 99ms);
  ExpectWithinOnePerMille(histogram.At(Percentile::k999), Duration(99'900us));
  ExpectWithinOnePerMille(histogram.max(), 100ms);
}

TEST(LatencyHistogram, OneSlowOneInAThousandShowsAtTheEnd) {
  LatencyHistogram histogram;
  for (int i = 0; i < 1998; ++i) histogram.Record(1ms);
  for (int i = 0; i < 2; ++i) histogram.Record(1s);
  ExpectWithinOnePerMille(histogram.At(Percentile::k99), 1ms);
  ExpectWithinOnePerMille(histogram.At(Percentile::k999), 1ms);
  histogram.Record(1s);
  ExpectWithinOnePerMille(histogram.At(Percentile::k999), 1s);
}

TEST(LatencyHistogram, NothingWasRecorded) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.At(Percentile::k999), Duration::zero());
  EXPECT_EQ(histogram.max(), Duration::zero());
}

TEST(LatencyHistogram, ValuesBeyondTheRangeCountAtItsEnds) {
  LatencyHistogram histogram;
  histogram.Record(1ns);
  histogram.Record(Duration(-5ns));
  histogram.Record(48h);
  EXPECT_EQ(histogram.count(), 3u);
  EXPECT_EQ(histogram.At(Percentile::k50), Duration(1us));
  ExpectWithinOnePerMille(histogram.max(), 1h);
}

TEST(LatencyHistogram, AddsAndResets) {
  LatencyHistogram window;
  LatencyHistogram total;
  window.Record(1ms);
  total.Add(window);
  window.Reset();
  EXPECT_EQ(window.count(), 0u);
  window.Record(3ms);
  total.Add(window);
  EXPECT_EQ(total.count(), 2u);
  ExpectWithinOnePerMille(total.max(), 3ms);
}

TEST(FormatLatency, HasThreeDigits) {
  EXPECT_EQ(FormatLatency(Duration::zero()), "0us");
  EXPECT_EQ(FormatLatency(Duration(999'999ns)), "999us");
  EXPECT_EQ(FormatLatency(1ms), "1.00ms");
  EXPECT_EQ(FormatLatency(Duration(1234us)), "1.23ms");
  EXPECT_EQ(FormatLatency(Duration(45'060us)), "45.0ms");
  EXPECT_EQ(FormatLatency(Duration(999'999us)), "999ms");
  EXPECT_EQ(FormatLatency(Duration(7'890ms)), "7.89s");
  EXPECT_EQ(FormatLatency(Duration(7'089ms)), "7.08s");
  EXPECT_EQ(FormatLatency(1h), "3600s");
}

}  // namespace
}  // namespace faultline::load
