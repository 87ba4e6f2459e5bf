// Goal: a host's clocks run as configured, never go back, and its timers fire when its clock says
// so. Method: sleeps on hosts that are fast, slow, offset, changed midway and paused, measured in
// true time.
#include "sim/clock.h"

#include <gtest/gtest.h>

#include <vector>

#include "runtime/scope.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::sim {
namespace {

Task<void> SleepAndNote(Clock* clock, Duration duration, World* world, MonotonicTime* woke) {
  EXPECT_TRUE((co_await clock->SleepFor(duration)).ok());
  *woke = world->now();
}

MonotonicTime TrueTimeOfSleep(const ClockConfig& clock, Duration duration) {
  World world({.seed = 1});
  MonotonicTime woke;
  world.AddHost({.name = "host", .clock = clock})->Boot([&](const Runtime& runtime) {
    return SleepAndNote(runtime.clock, duration, &world, &woke);
  });
  EXPECT_TRUE(world.Run({.until = 100h}).passed());
  return woke;
}

TEST(SimClock, SleepsByItsOwnRate) {
  EXPECT_EQ(TrueTimeOfSleep({}, 10s), MonotonicTime(10s));
  EXPECT_EQ(TrueTimeOfSleep({.drift_ppb = 250'000'000}, 10s), MonotonicTime(8s));
  EXPECT_EQ(TrueTimeOfSleep({.drift_ppb = -500'000'000}, 10s), MonotonicTime(20s));
}

TEST(SimClock, NeverWakesEarlyByItsOwnClock) {
  for (int64_t drift : {1, -1, 3, 333'333'333, -333'333'333, 999'999'999}) {
    World world({.seed = 1});
    Host* host = world.AddHost({.name = "host", .clock = {.drift_ppb = drift}});
    for (Duration sleep : {1ns, 7ns, 1000ns, 1'000'000'007ns}) {
      MonotonicTime local = host->clock()->Now() + sleep;
      MonotonicTime when = host->clock()->TrueTimeOf(local);
      bool early = false;
      world.At(when, [&] { early = host->clock()->Now() < local; });
      world.At(when, [&] { world.Stop(); });
      (void)world.Run({.until = 100h});
      EXPECT_FALSE(early) << drift << " " << sleep.count();
    }
  }
}

Task<void> Wait(Clock* clock, std::vector<Duration>* wall_minus_true, World* world) {
  for (int i = 0; i < 3; ++i) {
    wall_minus_true->push_back(clock->WallNow() - world->wall_now());
    (void)co_await clock->SleepFor(1s);
  }
}

TEST(SimClock, WallClockIsOffsetAndJumps) {
  World world({.seed = 1});
  std::vector<Duration> offsets;
  Host* host = world.AddHost({.name = "host", .clock = {.wall_offset = 5s}});
  host->Boot([&](const Runtime& runtime) { return Wait(runtime.clock, &offsets, &world); });
  world.At(MonotonicTime(1500ms), [&] { host->SetClock({.wall_offset = -3s}); });
  EXPECT_TRUE(world.Run({}).passed());
  EXPECT_EQ(offsets, (std::vector<Duration>{5s, 5s, -3s}));
}

TEST(SimClock, ChangingTheRateMovesTimersAndKeepsTheReading) {
  World world({.seed = 1});
  MonotonicTime woke;
  Host* host = world.AddHost({.name = "host"});
  host->Boot(
      [&](const Runtime& runtime) { return SleepAndNote(runtime.clock, 10s, &world, &woke); });
  world.At(MonotonicTime(4s), [&] {
    MonotonicTime before = host->clock()->Now();
    host->SetClock({.drift_ppb = -500'000'000});
    EXPECT_EQ(host->clock()->Now(), before);
  });
  EXPECT_TRUE(world.Run({}).passed());
  EXPECT_EQ(woke, MonotonicTime(4s + 12s));
}

TEST(SimClock, TimersOfAPausedProcessFireWhenItResumes) {
  World world({.seed = 1});
  MonotonicTime woke;
  Host* host = world.AddHost({.name = "host"});
  host->Boot(
      [&](const Runtime& runtime) { return SleepAndNote(runtime.clock, 1s, &world, &woke); });
  world.At(MonotonicTime(500ms), [&] { host->Pause(); });
  world.At(MonotonicTime(7s), [&] { host->Resume(); });
  EXPECT_TRUE(world.Run({}).passed());
  EXPECT_EQ(woke, MonotonicTime(7s));
}

// Arms itself for the past whenever it fires.
struct Restless : Timer {
  explicit Restless(Clock* clock) : Timer(&OnTimer), clock(clock) {}
  static void OnTimer(Timer* timer) {
    timer->Arm(static_cast<Restless*>(timer)->clock, MonotonicTime(0s));
  }
  Clock* const clock;
};

Task<void> BeRestless(Clock* clock) {
  Restless timer(clock);
  timer.Arm(clock, MonotonicTime(0s));
  (void)co_await clock->SleepFor(1s);
}

TEST(SimClock, ATimerThatNeverRestsIsALivelock) {
  World world({.seed = 1, .max_turns_an_instant = 1000});
  world.AddHost({.name = "host"})->Boot([](const Runtime& runtime) {
    return BeRestless(runtime.clock);
  });
  EXPECT_EQ(world.Run({}).kind, VerdictKind::kLivelock);
}

}  // namespace
}  // namespace faultline::sim
