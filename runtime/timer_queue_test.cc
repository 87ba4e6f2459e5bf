// Goal: timers come out in the order (time, arming), from wherever in the heap they are armed and
// disarmed, and a clock is not destroyed under armed timers.
// Method: long drawn histories against a std::map that is right by inspection.
#include "runtime/timer_queue.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "runtime/clock.h"
#include "runtime/time.h"

namespace faultline {
namespace {

// A clock that is nothing but its queue.
class QueueClock final : public Clock {
 public:
  MonotonicTime Now() const override { return MonotonicTime(); }
  WallTime WallNow() const override { return WallTime(); }
  TimerQueue queue;

 private:
  void ArmTimer(Timer* timer) override { queue.Add(timer); }
  void DisarmTimer(Timer* timer) override { queue.Remove(timer); }
};

void Nothing(Timer*) {}

constexpr MonotonicTime At(int64_t ns) { return MonotonicTime(Duration(ns)); }

TEST(TimerQueueTest, TakesOutWhatIsDueAndOnlyThat) {
  QueueClock clock;
  EXPECT_TRUE(clock.queue.empty());
  EXPECT_EQ(clock.queue.next_time(), kInfiniteFuture);
  EXPECT_EQ(clock.queue.PopDue(kInfiniteFuture), nullptr);
  Timer late(&Nothing), early(&Nothing);
  late.Arm(&clock, At(20));
  early.Arm(&clock, At(10));
  EXPECT_EQ(clock.queue.size(), 2u);
  EXPECT_EQ(clock.queue.next_time(), At(10));
  EXPECT_EQ(clock.queue.PopDue(At(9)), nullptr);
  EXPECT_EQ(clock.queue.PopDue(At(10)), &early);
  early.Fire();
  EXPECT_EQ(clock.queue.PopDue(At(10)), nullptr);
  EXPECT_EQ(clock.queue.next_time(), At(20));
}

using Key = std::pair<MonotonicTime, uint64_t>;  // when, and how many-th to be armed

struct Keyed : Timer {
  Keyed() : Timer(&Nothing) {}
  Key key;
};

class TimerQueueHistoryTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(TimerQueueHistoryTest, AgreesWithAnOrderedMap) {
  uint64_t state = GetParam();
  auto draw = [&state](uint64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % bound;
  };
  QueueClock clock;
  std::vector<Keyed> timers(200);
  std::map<Key, Keyed*> model;
  uint64_t sequence = 0;
  uint64_t spread = 1 + draw(1000);  // small: many ties
  for (int step = 0; step < 5000; ++step) {
    Keyed* timer = &timers[draw(timers.size())];
    switch (draw(5)) {
      case 0:
      case 1:
      case 2: {
        MonotonicTime when = At(static_cast<int64_t>(draw(spread)));
        model.erase(timer->key);
        timer->Arm(&clock, when);
        timer->key = {when, ++sequence};
        model[timer->key] = timer;
        break;
      }
      case 3:
        timer->Disarm();
        model.erase(timer->key);
        break;
      case 4: {
        MonotonicTime now = At(static_cast<int64_t>(draw(spread)));
        Timer* due = clock.queue.PopDue(now);
        Timer* expected =
            !model.empty() && model.begin()->first.first <= now ? model.begin()->second : nullptr;
        ASSERT_EQ(due, expected) << "step " << step;
        if (due == nullptr) break;
        due->Fire();
        model.erase(static_cast<Keyed*>(due)->key);
      }
    }
    ASSERT_EQ(clock.queue.size(), model.size());
    ASSERT_EQ(clock.queue.next_time(),
              model.empty() ? kInfiniteFuture : model.begin()->first.first);
  }
  for (const auto& [key, expected] : model) {
    Timer* due = clock.queue.PopDue(kInfiniteFuture);
    ASSERT_EQ(due, expected);
    due->Fire();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimerQueueHistoryTest, ::testing::Range<uint64_t>(1, 21));

TEST(TimerQueueDeathTest, TimersDoNotOutliveTheirClock) {
  EXPECT_DEATH(
      {
        Timer timer(&Nothing);
        QueueClock clock;
        timer.Arm(&clock, At(1));
      },
      "timers outlived their clock");
}

TEST(TimerQueueDeathTest, ATimerLeavesTheClockThatArmedIt) {
  TimerQueue one, two;
  Timer timer(&Nothing);
  one.Add(&timer);
  EXPECT_DEATH(two.Remove(&timer), "the timer is not armed here");
  one.Remove(&timer);
}

}  // namespace
}  // namespace faultline
