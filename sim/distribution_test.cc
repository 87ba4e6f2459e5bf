// Goal: latencies have the shapes that their names promise, in integers that are the same
// everywhere. Method: bounds on every sample, means and shares over many, pinned values of the
// logarithm.
#include "sim/distribution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace faultline::sim {
namespace {

constexpr int kSamples = 20'000;

struct Summary {
  Duration low = Duration::max();
  Duration high = Duration::min();
  Duration mean{};
};

Summary Summarize(const Latency& latency) {
  Choices choices(5);
  Chooser chooser(&choices, 1);
  Summary summary;
  Duration sum{};
  for (int i = 0; i < kSamples; ++i) {
    Duration sample = latency.Sample(&chooser, Choice::kLatency);
    summary.low = std::min(summary.low, sample);
    summary.high = std::max(summary.high, sample);
    sum += sample;
  }
  summary.mean = sum / kSamples;
  return summary;
}

TEST(Latency, ConstantDrawsNothing) {
  Choices choices(5);
  Chooser chooser(&choices, 1);
  EXPECT_EQ(Latency::Constant(3ms).Sample(&chooser, Choice::kLatency), 3ms);
  EXPECT_EQ(choices.draws(), 0u);
}

TEST(Latency, UniformFillsItsRange) {
  Summary summary = Summarize(Latency::Uniform(1ms, 3ms));
  EXPECT_GE(summary.low, 1ms);
  EXPECT_LE(summary.high, 3ms);
  EXPECT_LT(summary.low, 1010us);
  EXPECT_GT(summary.high, 2990us);
  EXPECT_NEAR(static_cast<double>(summary.mean.count()), 2e6, 2e4);
}

TEST(Latency, ExponentialHasItsMeanAndATail) {
  Summary summary = Summarize(Latency::Exponential(1ms, 2ms));
  EXPECT_GE(summary.low, 1ms);
  EXPECT_NEAR(static_cast<double>(summary.mean.count()), 3e6, 6e4);
  EXPECT_GT(summary.high, 1ms + 12ms);  // 20,000 samples: the longest lies near mean * ln(20,000)
}

TEST(Latency, BimodalIsSlowAsOftenAsItSays) {
  Choices choices(5);
  Chooser chooser(&choices, 1);
  Latency latency = Latency::Bimodal(1ms, 2ms, {1, 10}, 50ms, 60ms);
  int slow = 0;
  for (int i = 0; i < kSamples; ++i) {
    Duration sample = latency.Sample(&chooser, Choice::kLatency);
    bool fast = sample >= 1ms && sample <= 2ms;
    EXPECT_TRUE(fast || (sample >= 50ms && sample <= 60ms)) << sample.count();
    slow += fast ? 0 : 1;
  }
  EXPECT_NEAR(slow, kSamples / 10, kSamples / 100);
}

TEST(NegativeLog, IsTheLogarithm) {
  const uint64_t draws[] = {
      0, 1, 2, 1000, uint64_t{1} << 20, uint64_t{1} << 40, uint64_t{3} << 61, ~uint64_t{0} - 1};
  for (uint64_t draw : draws) {
    long double exact = -(std::log2(static_cast<long double>(draw) + 1) - 64) * std::log(2.0L);
    long double fixed = static_cast<long double>(NegativeLog(draw)) / 4294967296.0L;
    EXPECT_NEAR(static_cast<double>(fixed), static_cast<double>(exact), 1.0 / (1 << 26)) << draw;
  }
  EXPECT_EQ(NegativeLog(~uint64_t{0}), 0u);
}

TEST(LatencyDeathTest, AnEmptyRangeIsRefused) {
  EXPECT_DEATH(Latency::Uniform(2ms, 1ms), "empty range");
}

}  // namespace
}  // namespace faultline::sim
