// Goal: what clock.h promises of sleeps and timers, and entropy.h and random.h of their bytes.
// Method: many timers with equal and different times, armed and disarmed in and out of callbacks;
// the order in which they fire is compared with the order of (time, arming).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/helpers.h"
#include "runtime/event.h"
#include "runtime/testing/allocation_counter.h"

namespace faultline::contract {
namespace {

Task<absl::Status> Sleep(Clock* clock, Duration duration) {
  co_return co_await clock->SleepFor(duration);
}

// Notes its number when it fires.
class Noting : public Timer {
 public:
  Noting(int number, std::vector<int>* log) : Timer(&OnTimer), number_(number), log_(log) {}

 private:
  static void OnTimer(Timer* timer) {
    auto* self = static_cast<Noting*>(timer);
    self->log_->push_back(self->number_);
  }
  const int number_;
  std::vector<int>* const log_;
};

// --- Sleeps ---

CONTRACT_TEST(TimeContract, ASleepIsNeverShort) {
  Clock* clock = t->client().clock;
  for (Duration duration : {0ns, 1ns, 1000ns, 999'999ns, 1'000'001ns}) {
    MonotonicTime before = clock->Now();
    EXPECT_TRUE((co_await clock->SleepFor(duration)).ok());
    EXPECT_GE(clock->Now() - before, duration);
  }
}

CONTRACT_TEST(TimeContract, ASleepUntilThePastEnds) {
  Clock* clock = t->client().clock;
  EXPECT_TRUE((co_await clock->SleepUntil(clock->Now() - 1s)).ok());
  EXPECT_TRUE((co_await clock->SleepUntil(MonotonicTime())).ok());
}

CONTRACT_TEST(TimeContract, TheMonotonicClockNeverGoesBack) {
  Clock* clock = t->client().clock;
  MonotonicTime last = clock->Now();
  for (int i = 0; i < 100; ++i) {
    if (i % 10 == 0) EXPECT_TRUE((co_await clock->SleepFor(10us)).ok());
    EXPECT_GE(clock->Now(), last);
    last = clock->Now();
  }
}

CONTRACT_TEST(TimeContract, AStoppedSleepIsCancelled) {
  Clock* clock = t->client().clock;
  absl::Status slept = co_await StoppedAfter(clock, 1ms, Sleep(clock, 24h));
  EXPECT_TRUE(absl::IsCancelled(slept)) << slept;
  StopSource stop(co_await CurrentStop());
  stop.RequestStop();
  slept = co_await WithStop(&stop, Sleep(clock, 0ms));
  EXPECT_TRUE(absl::IsCancelled(slept)) << slept;
}

CONTRACT_TEST(TimeContract, ASleepForEverCanBeStopped) {
  Clock* clock = t->client().clock;
  absl::Status slept = co_await StoppedAfter(clock, 1ms, Sleep(clock, Duration::max()));
  EXPECT_TRUE(absl::IsCancelled(slept)) << slept;
}

CONTRACT_TEST(TimeContract, ADeadlineEndsAWait) {
  Clock* clock = t->client().clock;
  MonotonicTime when = clock->Now() + 1ms;
  absl::Status slept = co_await Deadline(clock, when, Sleep(clock, 24h));
  EXPECT_TRUE(absl::IsDeadlineExceeded(slept)) << slept;
  EXPECT_GE(clock->Now(), when);
  EXPECT_TRUE((co_await Deadline(clock, clock->Now() + 24h, Sleep(clock, 1ms))).ok());
}

Task<void> SleepManyTimes(Clock* clock, int times) {
  for (int i = 0; i < times; ++i) EXPECT_TRUE((co_await clock->SleepFor(1us)).ok());
}

Task<uint64_t> AllocationsOfSleeping(Clock* clock, int times) {
  uint64_t before = testing::ThreadAllocations();
  for (int i = 0; i < times; ++i) (void)co_await clock->SleepFor(1us);
  co_return testing::ThreadAllocations() - before;
}

CONTRACT_TEST(TimeContract, ASteadyStateSleepAllocatesNothing) {
  co_await SleepManyTimes(t->client().clock, 20);
  EXPECT_EQ(co_await AllocationsOfSleeping(t->client().clock, 100), 0u);
}

CONTRACT_TEST(TimeContract, TheWallClockMovesOn) {
  Clock* clock = t->client().clock;
  WallTime before = clock->WallNow();
  EXPECT_TRUE((co_await clock->SleepFor(5ms)).ok());
  EXPECT_GT(clock->WallNow(), before);
}

// --- Timers ---

CONTRACT_TEST(TimeContract, TimersFireInTheOrderOfTheirTimes) {
  Clock* clock = t->client().clock;
  std::vector<int> log;
  std::vector<std::unique_ptr<Noting>> timers;
  MonotonicTime base = clock->Now() + 1ms;
  constexpr int kTimers = 10'000;
  for (int i = 0; i < kTimers; ++i) {
    // Each time once, in a scattered order: 7919 has no factor in common with 10,000.
    int place = static_cast<int>(int64_t{i} * 7919 % kTimers);
    timers.push_back(std::make_unique<Noting>(place, &log));
    timers.back()->Arm(clock, base + place * 100ns);
  }
  EXPECT_TRUE((co_await clock->SleepUntil(base + kTimers * 100ns)).ok());
  CONTRACT_REQUIRE(log.size() == kTimers);
  EXPECT_TRUE(std::is_sorted(log.begin(), log.end()));
}

CONTRACT_TEST(TimeContract, TimersOfTheSameTimeFireInTheOrderOfArming) {
  Clock* clock = t->client().clock;
  std::vector<int> log;
  std::vector<std::unique_ptr<Noting>> timers;
  MonotonicTime when = clock->Now() + 1ms;
  for (int i = 0; i < 1000; ++i) {
    timers.push_back(std::make_unique<Noting>(i, &log));
    timers.back()->Arm(clock, when);
  }
  EXPECT_TRUE((co_await clock->SleepUntil(when)).ok());
  CONTRACT_REQUIRE(log.size() == 1000);
  EXPECT_TRUE(std::is_sorted(log.begin(), log.end()));
}

CONTRACT_TEST(TimeContract, ADisarmedOrDestroyedTimerDoesNotFire) {
  Clock* clock = t->client().clock;
  std::vector<int> log;
  MonotonicTime when = clock->Now() + 1ms;
  std::vector<std::unique_ptr<Noting>> timers;
  for (int i = 0; i < 300; ++i) {
    timers.push_back(std::make_unique<Noting>(i, &log));
    timers.back()->Arm(clock, when + (i % 7) * 1us);
  }
  for (int i = 0; i < 300; ++i) {
    if (i % 3 == 0) timers[i]->Disarm();
    if (i % 3 == 1) timers[i].reset();
  }
  EXPECT_TRUE((co_await clock->SleepUntil(when + 1ms)).ok());
  EXPECT_EQ(log.size(), 100u);
  EXPECT_TRUE(std::all_of(log.begin(), log.end(), [](int i) { return i % 3 == 2; }));
}

CONTRACT_TEST(TimeContract, ARearmedTimerFiresOnceAtItsNewTime) {
  Clock* clock = t->client().clock;
  std::vector<int> log;
  Noting later(1, &log);
  Noting sooner(2, &log);
  Noting fixed(3, &log);
  MonotonicTime now = clock->Now();
  later.Arm(clock, now + 1ms);
  sooner.Arm(clock, now + 24h);
  fixed.Arm(clock, now + 2ms);
  later.Arm(clock, now + 3ms);
  sooner.Arm(clock, now + 1ms);
  EXPECT_TRUE((co_await clock->SleepUntil(now + 4ms)).ok());
  EXPECT_EQ(log, (std::vector<int>{2, 3, 1}));
  EXPECT_FALSE(later.armed() || sooner.armed() || fixed.armed());
}

// A timer may disarm another that is due in the same instant.
class Disarming : public Timer {
 public:
  explicit Disarming(Timer* victim) : Timer(&OnTimer), victim_(victim) {}

 private:
  static void OnTimer(Timer* timer) { static_cast<Disarming*>(timer)->victim_->Disarm(); }
  Timer* const victim_;
};

CONTRACT_TEST(TimeContract, ATimerCanDisarmAnotherThatIsDueToo) {
  Clock* clock = t->client().clock;
  std::vector<int> log;
  Noting victim(1, &log);
  Disarming killer(&victim);
  MonotonicTime when = clock->Now() + 1ms;
  killer.Arm(clock, when);
  victim.Arm(clock, when);
  EXPECT_TRUE((co_await clock->SleepUntil(when + 1ms)).ok());
  EXPECT_TRUE(log.empty());
}

// Arms itself in the past, again and again, until it is told to end.
class Restless : public Timer {
 public:
  explicit Restless(Clock* clock) : Timer(&OnTimer), clock_(clock) {}
  int fired = 0;
  int fired_max = 1000;

 private:
  static void OnTimer(Timer* timer) {
    auto* self = static_cast<Restless*>(timer);
    if (++self->fired < self->fired_max) self->Arm(self->clock_, MonotonicTime());
  }
  Clock* const clock_;
};

Task<void> YieldUntil(const Restless* restless, int* turns) {
  while (restless->fired < restless->fired_max) {
    ++*turns;
    co_await Yield();
  }
}

CONTRACT_TEST(TimeContract, ATimerInThePastFiresInTheNextTurnAndLetsTasksRunBetween) {
  Clock* clock = t->client().clock;
  Restless restless(clock);
  restless.Arm(clock, clock->Now());
  int turns = 0;
  co_await YieldUntil(&restless, &turns);
  EXPECT_EQ(restless.fired, restless.fired_max);
  EXPECT_GT(turns, 2);
}

class OutsideOfTasks : public Timer {
 public:
  explicit OutsideOfTasks(Executor* executor) : Timer(&OnTimer), executor_(executor) {}
  bool fired = false;
  bool outside = false;

 private:
  static void OnTimer(Timer* timer) {
    auto* self = static_cast<OutsideOfTasks*>(timer);
    self->fired = true;
    self->outside = self->executor_->current() == nullptr;
  }
  Executor* const executor_;
};

CONTRACT_TEST(TimeContract, TimersFireFromTheLoopOutsideOfTasks) {
  Clock* clock = t->client().clock;
  OutsideOfTasks timer(t->client().executor);
  timer.Arm(clock, clock->Now() + 1ms);
  EXPECT_NE(t->client().executor->current(), nullptr);
  EXPECT_TRUE((co_await clock->SleepFor(2ms)).ok());
  EXPECT_TRUE(timer.fired);
  EXPECT_TRUE(timer.outside);
}

Task<void> NoteAfter(Clock* clock, Duration delay, int number, std::vector<int>* log) {
  EXPECT_TRUE((co_await clock->SleepFor(delay)).ok());
  log->push_back(number);
}

CONTRACT_TEST(TimeContract, ThousandsOfSleepersAllWake) {
  std::vector<int> log;
  Scope scope(co_await ThisTask());
  for (int i = 0; i < 5000; ++i) {
    scope.Spawn(NoteAfter(t->client().clock, (i % 97) * 10us, i, &log));
  }
  co_await scope.Join();
  std::sort(log.begin(), log.end());
  CONTRACT_REQUIRE(log.size() == 5000);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(log[i], i);
}

// --- Bytes and numbers ---

CONTRACT_TEST(TimeContract, EntropyFillsEveryByteAndIsNotTheSameTwice) {
  Entropy* entropy = t->client().entropy;
  std::array<std::byte, 1000> seen{};
  std::array<std::byte, 1000> bytes{};
  for (int i = 0; i < 20; ++i) {
    entropy->Fill(bytes);
    for (size_t j = 0; j < bytes.size(); ++j) seen[j] |= bytes[j];
  }
  // A byte that stays zero in twenty draws is one in 2^160.
  EXPECT_TRUE(std::none_of(seen.begin(), seen.end(), [](std::byte b) { return b == std::byte{}; }));
  std::array<std::byte, 1000> again{};
  entropy->Fill(again);
  EXPECT_NE(bytes, again);
  co_return;
}

CONTRACT_TEST(TimeContract, RandomNumbersDifferAndKeepTheirBounds) {
  Random* random = t->client().random;
  std::vector<uint64_t> drawn;
  for (int i = 0; i < 1000; ++i) {
    drawn.push_back(random->Next());
    EXPECT_LT(random->Below(7), 7u);
    Duration between = random->Between(1ms, 2ms);
    EXPECT_TRUE(between >= 1ms && between <= 2ms);
  }
  std::sort(drawn.begin(), drawn.end());
  EXPECT_EQ(std::unique(drawn.begin(), drawn.end()), drawn.end());
  EXPECT_FALSE(random->Chance({0, 5}));
  EXPECT_TRUE(random->Chance({5, 5}));
  co_return;
}

CONTRACT_TEST(TimeContract, BuffersComeFromThePool) {
  Unfrozen draft = t->client().buffers->Allocate(100);
  EXPECT_EQ(draft.size(), 100u);
  co_return;
}

}  // namespace
}  // namespace faultline::contract
