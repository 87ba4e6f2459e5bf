// Goal: the real clock does not fire early, not even after a long computation, and timers that arm
// each other do not go on for ever in one call.
// Method: `FireDue` is called with chosen times, without a loop; a task computes before it sleeps.
#include "runtime/kernel/clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include "runtime/epoll/testing.h"

namespace faultline::epoll {
namespace {

class Calling : public Timer {
 public:
  explicit Calling(std::function<void()> then)
      : Timer([](Timer* timer) { static_cast<Calling*>(timer)->then_(); }),
        then_(std::move(then)) {}

 private:
  const std::function<void()> then_;
};

MonotonicTime At(int64_t nanoseconds) { return MonotonicTime(Duration(nanoseconds)); }

TEST(ClockTest, FiresWhatIsDueAndNothingElse) {
  kernel::KernelClock clock;
  std::vector<int> log;
  Calling early([&] { log.push_back(1); });
  Calling exact([&] { log.push_back(2); });
  Calling late([&] { log.push_back(3); });
  late.Arm(&clock, At(101));
  exact.Arm(&clock, At(100));
  early.Arm(&clock, At(99));
  clock.FireDue(At(100));
  EXPECT_EQ(log, (std::vector<int>{1, 2}));
  EXPECT_EQ(clock.next_time(), At(101));
  clock.FireDue(At(101));
  EXPECT_FALSE(clock.has_timers());
}

TEST(ClockTest, ATimerArmedByATimerWaitsForTheNextCallIfItIsDue) {
  kernel::KernelClock clock;
  int fired = 0;
  Calling chained([&] { ++fired; });
  Calling first([&] { chained.Arm(&clock, At(50)); });
  first.Arm(&clock, At(100));
  clock.FireDue(At(100));
  EXPECT_EQ(fired, 0);
  EXPECT_TRUE(clock.has_timers());
  EXPECT_EQ(clock.next_time(), At(50));
  clock.FireDue(At(100));
  EXPECT_EQ(fired, 1);
}

TEST(ClockTest, TimersArmedByATimerKeepTheOrderOfArming) {
  kernel::KernelClock clock;
  std::vector<int> log;
  Calling a([&] { log.push_back(1); });
  Calling b([&] { log.push_back(2); });
  Calling c([&] { log.push_back(3); });
  Calling first([&] {
    a.Arm(&clock, At(10));
    b.Arm(&clock, At(10));
    c.Arm(&clock, At(5));
  });
  first.Arm(&clock, At(100));
  clock.FireDue(At(100));
  clock.FireDue(At(100));
  EXPECT_EQ(log, (std::vector<int>{3, 1, 2}));
}

TEST(ClockTest, ATimerArmedByATimerCanBeDisarmedAgain) {
  kernel::KernelClock clock;
  int fired = 0;
  Calling victim([&] { ++fired; });
  Calling survivor([&] { ++fired; });
  Calling first([&] {
    victim.Arm(&clock, At(10));
    survivor.Arm(&clock, At(10));
    victim.Disarm();
  });
  first.Arm(&clock, At(100));
  clock.FireDue(At(100));
  survivor.Disarm();
  clock.FireDue(At(100));
  EXPECT_EQ(fired, 0);
  EXPECT_FALSE(clock.has_timers());
}

Task<void> ComputeThenSleep(Clock* clock) {
  MonotonicTime start = clock->Now();
  while (clock->Now() - start < 5ms) {
  }
  MonotonicTime before = clock->Now();
  (void)co_await clock->SleepFor(3ms);
  EXPECT_GE(clock->Now() - before, 3ms);
}

TEST(ClockTest, ASleepAfterALongComputationIsNotShort) {
  auto loop = MakeLoop();
  loop->Run(ComputeThenSleep(loop->runtime().clock));
}

TEST(ClockTest, TheWallClockIsTheSystems) {
  kernel::KernelClock clock;
  WallTime before(
      std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()));
  WallTime now = clock.WallNow();
  EXPECT_LT(now - before, 1h);
  EXPECT_LT(before - now, 1h);
}

}  // namespace
}  // namespace faultline::epoll
