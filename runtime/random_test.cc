// Goal: decisions are drawn within their bounds, use all of the 64 bits, and are refused loudly
// where no draw makes sense. Method: a source of scripted numbers puts draws at the edges of the
// range; a counting generator shows that each outcome comes as often as it should.
#include "runtime/random.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace faultline {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

class Fixed final : public Random {
 public:
  explicit Fixed(uint64_t value) : value_(value) {}
  uint64_t Next() override {
    ++draws;
    return value_;
  }
  int draws = 0;

 private:
  const uint64_t value_;
};

// Steps through the 64-bit values evenly: after `n` draws each n-th of the range was hit once.
class Even final : public Random {
 public:
  explicit Even(uint64_t steps) : step_(kMax / steps + 1) {}
  uint64_t Next() override { return step_ * count_++; }

 private:
  const uint64_t step_;
  uint64_t count_ = 0;
};

TEST(RandomTest, BelowStaysBelow) {
  for (uint64_t bound : {uint64_t{1}, uint64_t{2}, uint64_t{7}, uint64_t{1} << 40, kMax}) {
    EXPECT_EQ(Fixed(0).Below(bound), 0u);
    EXPECT_EQ(Fixed(kMax).Below(bound), bound - 1);
  }
}

TEST(RandomTest, BelowIsUniform) {
  Even random(1024);
  std::vector<int> hits(8);
  for (int i = 0; i < 1024; ++i) ++hits[random.Below(8)];
  EXPECT_EQ(hits, std::vector<int>(8, 128));
}

TEST(RandomTest, BetweenIncludesBothEnds) {
  EXPECT_EQ(Fixed(0).Between(2ms, 5ms), 2ms);
  EXPECT_EQ(Fixed(kMax).Between(2ms, 5ms), 5ms);
  EXPECT_EQ(Fixed(kMax).Between(3ms, 3ms), 3ms);
  EXPECT_EQ(Fixed(0).Between(-5ns, -2ns), -5ns);
  EXPECT_EQ(Fixed(kMax).Between(-5ns, 2ns), 2ns);
}

TEST(RandomTest, BetweenHoldsRangesWiderThanADuration) {
  Duration low = Duration::min() + 1ns;
  EXPECT_EQ(Fixed(0).Between(low, Duration::max()), low);
  EXPECT_EQ(Fixed(kMax).Between(low, Duration::max()), Duration::max());
}

TEST(RandomTest, ChanceIsARatio) {
  Even random(1000);
  int hits = 0;
  for (int i = 0; i < 1000; ++i) hits += random.Chance({3, 10}) ? 1 : 0;
  EXPECT_EQ(hits, 300);
  EXPECT_FALSE(Fixed(0).Chance({0, 10}));
  EXPECT_TRUE(Fixed(kMax).Chance({10, 10}));
}

// An edit of one probability to 0 or 1 must not shift the draws that follow.
TEST(RandomTest, EachDecisionDrawsOnce) {
  Fixed random(5);
  random.Chance({0, 1});
  random.Chance({1, 1});
  random.Below(1);
  random.Between(1ms, 1ms);
  EXPECT_EQ(random.draws, 4);
}

TEST(RandomDeathTest, RefusesWhatHasNoAnswer) {
  Fixed random(0);
  EXPECT_DEATH(random.Below(0), "nothing lies below zero");
  EXPECT_DEATH(random.Chance({0, 0}), "nothing lies below zero");
  EXPECT_DEATH(random.Between(5ms, 2ms), "a range runs upwards");
}

}  // namespace
}  // namespace faultline
