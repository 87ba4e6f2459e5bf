// Goal: sleeps end when their time has come, in order, or when they are stopped; timers fire once,
// can be armed again, and leave their clock when they die. Method: a clock that the test moves;
// tasks and callbacks that note when they ran.
#include "runtime/clock.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/test_loop.h"
#include "runtime/time.h"

namespace faultline {
namespace {

using testing::ManualClock;
using testing::TestLoop;
using Log = std::vector<std::string>;

constexpr MonotonicTime At(Duration since_start) { return MonotonicTime(since_start); }

std::string Now(Clock* clock) {
  return std::to_string(clock->Now().time_since_epoch() / 1ms) + "ms";
}

Task<void> SleepAndNote(Clock* clock, Duration duration, Log* log, std::string name) {
  absl::Status status = co_await clock->SleepFor(duration);
  log->push_back(name + (status.ok() ? " woke at " : " stopped at ") + Now(clock));
}

TEST(SleepTest, EndsWhenItsTimeHasCome) {
  TestLoop loop;
  Log log;
  Scope root(loop.executor());
  root.Spawn(SleepAndNote(loop.clock(), 30ms, &log, "c"));
  root.Spawn(SleepAndNote(loop.clock(), 10ms, &log, "a"));
  root.Spawn(SleepAndNote(loop.clock(), 20ms, &log, "b"));
  loop.RunFor(10ms - 1ns);
  EXPECT_TRUE(log.empty());
  loop.RunFor(1ns);
  EXPECT_EQ(log, (Log{"a woke at 10ms"}));
  loop.Run();
  EXPECT_EQ(log, (Log{"a woke at 10ms", "b woke at 20ms", "c woke at 30ms"}));
  EXPECT_EQ(loop.clock()->Now(), At(30ms));
}

TEST(SleepTest, TiesEndInOrderOfBeginning) {
  TestLoop loop;
  Log log;
  Scope root(loop.executor());
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    root.Spawn(SleepAndNote(loop.clock(), 5ms, &log, name));
  }
  loop.Run();
  EXPECT_EQ(log, (Log{"a woke at 5ms", "b woke at 5ms", "c woke at 5ms", "d woke at 5ms",
                      "e woke at 5ms"}));
}

TEST(SleepTest, ATimeInThePastIsTheNextTurn) {
  TestLoop loop;
  Log log;
  loop.RunFor(50ms);
  Scope root(loop.executor());
  root.Spawn([](Clock* clock, Log* log) -> Task<void> {
    EXPECT_TRUE((co_await clock->SleepUntil(At(10ms))).ok());
    log->push_back("past " + Now(clock));
    EXPECT_TRUE((co_await clock->SleepFor(-5ms)).ok());
    log->push_back("negative " + Now(clock));
  }(loop.clock(), &log));
  root.Spawn([](Log* log) -> Task<void> {
    log->push_back("other");
    co_return;
  }(&log));
  loop.Run();
  EXPECT_EQ(log, (Log{"other", "past 50ms", "negative 50ms"}));
}

TEST(SleepTest, AStopEndsIt) {
  TestLoop loop;
  Log log;
  Scope root(loop.executor());
  root.Spawn(SleepAndNote(loop.clock(), 1h, &log, "a"));
  loop.RunFor(3ms);
  EXPECT_EQ(loop.clock()->timers(), 1u);
  root.RequestStop();
  EXPECT_EQ(loop.clock()->timers(), 0u);
  loop.Run();
  EXPECT_EQ(log, (Log{"a stopped at 3ms"}));
}

TEST(SleepTest, AStopAfterTheEndIsTooLate) {
  TestLoop loop;
  Log log;
  Scope root(loop.executor());
  root.Spawn(SleepAndNote(loop.clock(), 3ms, &log, "a"));
  loop.RunReady();
  loop.clock()->AdvanceTo(At(3ms));
  root.RequestStop();
  loop.Run();
  EXPECT_EQ(log, (Log{"a woke at 3ms"}));
}

TEST(SleepTest, AfterAStopNobodySleeps) {
  TestLoop loop;
  Log log;
  Scope root(loop.executor());
  root.RequestStop();
  root.Spawn(SleepAndNote(loop.clock(), 0ms, &log, "a"));
  loop.RunReady();
  EXPECT_EQ(log, (Log{"a stopped at 0ms"}));
}

TEST(SleepTest, ForeverIsForever) {
  TestLoop loop;
  loop.RunFor(1h);
  Log log;
  Scope root(loop.executor());
  root.Spawn(SleepAndNote(loop.clock(), Duration::max(), &log, "a"));
  root.Spawn([](Clock* clock) -> Task<void> {
    (void)co_await clock->SleepUntil(kInfiniteFuture);
  }(loop.clock()));
  loop.Run();  // comes back: there is nothing to wait for
  EXPECT_EQ(root.live(), 2u);
  EXPECT_EQ(loop.clock()->next_time(), kInfiniteFuture);
}

TEST(SleepTest, ASleeperThatDiesLeavesItsClock) {
  TestLoop loop;
  Log log;
  {
    Scope root(loop.executor());
    root.Spawn(SleepAndNote(loop.clock(), 1s, &log, "a"));
    loop.RunReady();
    EXPECT_EQ(loop.clock()->timers(), 1u);
  }
  EXPECT_EQ(loop.clock()->timers(), 0u);
}

struct NoteTimer : Timer {
  NoteTimer(Log* log, std::string name)
      : Timer([](Timer* timer) {
          auto* self = static_cast<NoteTimer*>(timer);
          EXPECT_FALSE(self->armed());
          self->log->push_back(self->name);
        }),
        log(log),
        name(std::move(name)) {}
  Log* log;
  std::string name;
};

TEST(TimerTest, FiresOnceAtItsTime) {
  ManualClock clock;
  Log log;
  NoteTimer timer(&log, "a");
  EXPECT_FALSE(timer.armed());
  timer.Arm(&clock, At(5ms));
  EXPECT_TRUE(timer.armed());
  EXPECT_EQ(timer.when(), At(5ms));
  EXPECT_TRUE(log.empty());
  clock.AdvanceTo(At(5ms));
  clock.AdvanceTo(At(10ms));
  EXPECT_EQ(log, (Log{"a"}));
}

TEST(TimerTest, ArmingAgainReplacesTheTime) {
  ManualClock clock;
  Log log;
  NoteTimer timer(&log, "a");
  timer.Arm(&clock, At(5ms));
  timer.Arm(&clock, At(8ms));
  EXPECT_EQ(clock.timers(), 1u);
  clock.AdvanceTo(At(7ms));
  EXPECT_TRUE(log.empty());
  clock.AdvanceTo(At(8ms));
  EXPECT_EQ(log, (Log{"a"}));
}

TEST(TimerTest, ArmingAgainGoesToTheEndOfATie) {
  ManualClock clock;
  Log log;
  NoteTimer a(&log, "a"), b(&log, "b");
  a.Arm(&clock, At(5ms));
  b.Arm(&clock, At(5ms));
  a.Arm(&clock, At(5ms));
  clock.AdvanceTo(At(5ms));
  EXPECT_EQ(log, (Log{"b", "a"}));
}

TEST(TimerTest, MovesToAnotherClock) {
  ManualClock one, two;
  Log log;
  NoteTimer timer(&log, "a");
  timer.Arm(&one, At(5ms));
  timer.Arm(&two, At(6ms));
  EXPECT_EQ(one.timers(), 0u);
  EXPECT_EQ(two.timers(), 1u);
  two.AdvanceTo(At(6ms));
  EXPECT_EQ(log, (Log{"a"}));
}

TEST(TimerTest, DisarmedOrDeadTimersDoNotFire) {
  ManualClock clock;
  Log log;
  NoteTimer a(&log, "a");
  std::optional<NoteTimer> b(std::in_place, &log, "b");
  a.Arm(&clock, At(1ms));
  b->Arm(&clock, At(1ms));
  a.Disarm();
  a.Disarm();
  b.reset();
  clock.AdvanceTo(At(2ms));
  EXPECT_TRUE(log.empty());
}

struct Ticker : Timer {
  Ticker(Clock* clock, Duration period)
      : Timer([](Timer* timer) {
          auto* self = static_cast<Ticker*>(timer);
          ++self->ticks;
          self->Arm(self->clock, self->when() + self->period);
        }),
        clock(clock),
        period(period) {}
  Clock* const clock;
  const Duration period;
  int ticks = 0;
};

TEST(TimerTest, MayArmItselfAgain) {
  ManualClock clock;
  Ticker ticker(&clock, 2ms);
  ticker.Arm(&clock, At(2ms));
  for (int ms = 1; ms <= 10; ++ms) clock.AdvanceTo(At(ms * 1ms));
  EXPECT_EQ(ticker.ticks, 5);
}

// A callback may end another timer that is due at the same moment.
TEST(TimerTest, MayDisarmAnotherThatIsDue) {
  struct Killer : Timer {
    explicit Killer(Timer* victim)
        : Timer([](Timer* timer) { static_cast<Killer*>(timer)->victim->Disarm(); }),
          victim(victim) {}
    Timer* const victim;
  };
  ManualClock clock;
  Log log;
  NoteTimer victim(&log, "victim"), other(&log, "other");
  Killer killer(&victim);
  killer.Arm(&clock, At(1ms));
  victim.Arm(&clock, At(1ms));
  other.Arm(&clock, At(1ms));
  clock.AdvanceTo(At(1ms));
  EXPECT_EQ(log, (Log{"other"}));
}

TEST(TimeTest, TheTwoTimelinesDoNotMix) {
  static_assert(!std::is_convertible_v<MonotonicTime, WallTime>);
  static_assert(!std::is_constructible_v<WallTime, MonotonicTime>);
  ManualClock clock;
  clock.set_wall_offset(1000h);
  clock.AdvanceTo(At(2s));
  EXPECT_EQ(clock.WallNow(), WallTime(1000h + 2s));
}

}  // namespace
}  // namespace faultline
