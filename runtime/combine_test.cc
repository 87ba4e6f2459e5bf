// Goal: All, Race and Deadline await everything that they start, keep every result, and say truly
// who ended what: the clock, the winner, or a stop from outside. Method: tasks made of sleeps on a
// clock that the loop moves, so that each coincidence can be arranged.
#include "runtime/combine.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/clock.h"
#include "runtime/event.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using absl::StatusCode;
using testing::TestLoop;

constexpr MonotonicTime At(Duration since_start) { return MonotonicTime(since_start); }

Task<absl::Status> Sleep(Clock* clock, Duration duration) {
  co_return co_await clock->SleepFor(duration);
}

Task<absl::StatusOr<int>> SleepAndReturn(Clock* clock, Duration duration, int value) {
  absl::Status slept = co_await clock->SleepFor(duration);
  if (!slept.ok()) co_return slept;
  co_return value;
}

// What a partial transfer does: it was stopped, and says what it has.
Task<absl::StatusOr<int>> KeepWhatIsThere(Clock* clock, Duration duration, int value) {
  (void)co_await clock->SleepFor(duration);
  co_return value;
}

// Takes its time over a stop request.
Task<absl::Status> StopSlowly(Clock* clock, Duration clean_up) {
  absl::Status stopped = co_await clock->SleepFor(1h);
  (void)co_await Shielded(Sleep(clock, clean_up));
  co_return stopped;
}

Task<std::unique_ptr<int>> MoveOnly(int value) { co_return std::make_unique<int>(value); }
Task<void> Nothing() { co_return; }

TEST(AllTest, ReturnsAllResultsInTheOrderOfItsArguments) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([](Clock* clock) -> Task<void> {
    auto [slow, nothing, fast, moved] = co_await All(SleepAndReturn(clock, 20ms, 1), Nothing(),
                                                     SleepAndReturn(clock, 10ms, 2), MoveOnly(3));
    EXPECT_EQ(*slow, 1);
    EXPECT_EQ(*fast, 2);
    EXPECT_EQ(*moved, 3);
    static_assert(std::is_same_v<decltype(nothing), std::monostate>);
    EXPECT_EQ(clock->Now(), At(20ms));  // together, not one after the other
    EXPECT_EQ(co_await All(), std::tuple<>());
  }(loop.clock())));
}

TEST(AllTest, AFailureStopsNobody) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([](Clock* clock) -> Task<void> {
    auto fail = [](Clock* clock) -> Task<absl::Status> {
      (void)co_await clock->SleepFor(1ms);
      co_return absl::DataLossError("torn");
    };
    auto [failed, other] = co_await All(fail(clock), SleepAndReturn(clock, 20ms, 5));
    EXPECT_TRUE(absl::IsDataLoss(failed));
    EXPECT_EQ(*other, 5);
  }(loop.clock())));
}

TEST(AllTest, AStopReachesEach) {
  TestLoop loop;
  Scope root(loop.executor());
  int cancelled = 0;
  root.Spawn([](Clock* clock, int* cancelled) -> Task<void> {
    auto [a, b] = co_await All(Sleep(clock, 1h), SleepAndReturn(clock, 1h, 2));
    *cancelled += absl::IsCancelled(a) + absl::IsCancelled(b.status());
  }(loop.clock(), &cancelled));
  loop.RunFor(1s);
  root.RequestStop();
  loop.RunReady();
  EXPECT_EQ(cancelled, 2);
  EXPECT_EQ(root.live(), 0u);
}

TEST(RaceTest, TheFirstToEndStopsTheOthersAndTheirResultsAreKept) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([](Clock* clock) -> Task<void> {
    auto raced = co_await Race(SleepAndReturn(clock, 30ms, 1), SleepAndReturn(clock, 10ms, 2),
                               KeepWhatIsThere(clock, 20ms, 3));
    EXPECT_EQ(raced.first, 1u);
    EXPECT_TRUE(absl::IsCancelled(std::get<0>(raced.results).status()));
    EXPECT_EQ(*std::get<1>(raced.results), 2);
    EXPECT_EQ(*std::get<2>(raced.results), 3);
    EXPECT_EQ(clock->Now(), At(10ms));
  }(loop.clock())));
}

TEST(RaceTest, AwaitsALoserThatTakesItsTime) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([](Clock* clock) -> Task<void> {
    auto raced = co_await Race(Nothing(), StopSlowly(clock, 7ms));
    EXPECT_EQ(raced.first, 0u);
    EXPECT_TRUE(absl::IsCancelled(std::get<1>(raced.results)));
    EXPECT_EQ(clock->Now(), At(7ms));
  }(loop.clock())));
}

// Both sleeps are over when the first of the tasks runs: the second lost, and still has its result.
TEST(RaceTest, BothMayEndInOneTurn) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([](Clock* clock) -> Task<void> {
    auto raced = co_await Race(SleepAndReturn(clock, 10ms, 1), SleepAndReturn(clock, 10ms, 2));
    EXPECT_EQ(raced.first, 0u);
    EXPECT_EQ(*std::get<0>(raced.results), 1);
    EXPECT_EQ(*std::get<1>(raced.results), 2);
  }(loop.clock())));
}

TEST(RaceTest, ATaskThatEndsAtOnceWins) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([](Clock* clock) -> Task<void> {
    auto raced = co_await Race(Sleep(clock, 1h), MoveOnly(4));
    EXPECT_EQ(raced.first, 1u);
    EXPECT_EQ(*std::get<1>(raced.results), 4);
    EXPECT_TRUE(absl::IsCancelled(std::get<0>(raced.results)));
    EXPECT_EQ(clock->Now(), At(0ms));
  }(loop.clock())));
}

TEST(RaceTest, TheWinnerDoesNotStopTheAwaitingTask) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([](Clock* clock) -> Task<void> {
    (void)co_await Race(Nothing(), Sleep(clock, 1h));
    EXPECT_TRUE((co_await clock->SleepFor(1ms)).ok());
  }(loop.clock())));
}

TEST(RaceTest, AStopReachesEach) {
  TestLoop loop;
  Scope root(loop.executor());
  int cancelled = 0;
  root.Spawn([](Clock* clock, int* cancelled) -> Task<void> {
    auto raced = co_await Race(Sleep(clock, 1h), Sleep(clock, 2h));
    *cancelled += absl::IsCancelled(std::get<0>(raced.results)) +
                  absl::IsCancelled(std::get<1>(raced.results));
  }(loop.clock(), &cancelled));
  loop.RunFor(1s);
  root.RequestStop();
  loop.RunReady();
  EXPECT_EQ(cancelled, 2);
}

// Runs Deadline(when, task), stopping the awaiting task at `stop_at`; returns the code of the
// result.
StatusCode RunDeadline(Duration when, Task<absl::Status> (*make)(Clock*), Duration stop_at = 24h) {
  TestLoop loop;
  absl::Status result = absl::UnknownError("has not ended");
  Scope root(loop.executor());
  root.Spawn([](Clock* clock, MonotonicTime when, Task<absl::Status> task,
                absl::Status* result) -> Task<void> {
    *result = co_await Deadline(clock, when, std::move(task));
  }(loop.clock(), At(when), make(loop.clock()), &result));
  loop.RunUntil(At(stop_at));
  root.RequestStop();
  loop.Run();
  EXPECT_EQ(root.live(), 0u);
  EXPECT_EQ(loop.clock()->timers(), 0u);
  return result.code();
}

TEST(DeadlineTest, AResultInTimeIsKept) {
  EXPECT_EQ(RunDeadline(10ms, [](Clock* clock) { return Sleep(clock, 9ms); }), StatusCode::kOk);
}

TEST(DeadlineTest, TheClockStopsTheTask) {
  EXPECT_EQ(RunDeadline(10ms, [](Clock* clock) { return Sleep(clock, 11ms); }),
            StatusCode::kDeadlineExceeded);
}

TEST(DeadlineTest, IsExactToTheNanosecond) {
  EXPECT_EQ(RunDeadline(10ms, [](Clock* clock) { return Sleep(clock, 10ms - 1ns); }),
            StatusCode::kOk);
  EXPECT_EQ(RunDeadline(10ms, [](Clock* clock) { return Sleep(clock, 10ms + 1ns); }),
            StatusCode::kDeadlineExceeded);
}

// The deadline was armed first, so it fires first.
TEST(DeadlineTest, WhenBothFallTogetherTheOneArmedFirstCounts) {
  EXPECT_EQ(RunDeadline(10ms, [](Clock* clock) { return Sleep(clock, 10ms); }),
            StatusCode::kDeadlineExceeded);
}

// An operation that was completed before the deadline, in the same turn, is not undone.
TEST(DeadlineTest, WhenTheResultCameFirstInTheSameTurnItCounts) {
  TestLoop loop;
  Event event;
  struct SetLater : Timer {
    explicit SetLater(Event* event)
        : Timer([](Timer* timer) { static_cast<SetLater*>(timer)->event->Set(); }), event(event) {}
    Event* const event;
  };
  SetLater setter(&event);
  setter.Arm(loop.clock(), At(10ms));
  absl::Status result = absl::UnknownError("");
  EXPECT_TRUE(loop.RunToEnd([](Clock* clock, Event* event, absl::Status* result) -> Task<void> {
    auto wait = [](Event* event) -> Task<absl::Status> { co_return co_await event->Wait(); };
    *result = co_await Deadline(clock, At(10ms), wait(event));
  }(loop.clock(), &event, &result)));
  EXPECT_TRUE(result.ok()) << result;
}

TEST(DeadlineTest, AResultInSpiteOfTheRequestIsKept) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([](Clock* clock) -> Task<void> {
    absl::StatusOr<int> kept = co_await Deadline(clock, At(5ms), KeepWhatIsThere(clock, 1h, 17));
    EXPECT_TRUE(kept.ok()) << kept.status();
    EXPECT_EQ(*kept, 17);
    EXPECT_EQ(clock->Now(), At(5ms));
  }(loop.clock())));
}

TEST(DeadlineTest, AnotherErrorIsKept) {
  EXPECT_EQ(RunDeadline(5ms,
                        [](Clock* clock) {
                          return [](Clock* clock) -> Task<absl::Status> {
                            (void)co_await clock->SleepFor(1h);
                            co_return absl::DataLossError("torn");
                          }(clock);
                        }),
            StatusCode::kDataLoss);
}

TEST(DeadlineTest, AwaitsATaskThatTakesItsTime) {
  EXPECT_EQ(RunDeadline(5ms, [](Clock* clock) { return StopSlowly(clock, 1s); }),
            StatusCode::kDeadlineExceeded);
}

TEST(DeadlineTest, AStopFromOutsideIsCancelled) {
  EXPECT_EQ(RunDeadline(
                10ms, [](Clock* clock) { return Sleep(clock, 1h); }, 5ms),
            StatusCode::kCancelled);
}

// The task was stopped from outside, and the deadline passes while it still cleans up: the stop is
// why.
TEST(DeadlineTest, AStopFromOutsideBeforeTheDeadlineStaysCancelled) {
  EXPECT_EQ(RunDeadline(
                10ms, [](Clock* clock) { return StopSlowly(clock, 1s); }, 5ms),
            StatusCode::kCancelled);
}

TEST(DeadlineTest, AStopFromOutsideAfterTheDeadlineChangesNothing) {
  EXPECT_EQ(RunDeadline(
                10ms, [](Clock* clock) { return StopSlowly(clock, 1s); }, 500ms),
            StatusCode::kDeadlineExceeded);
}

TEST(DeadlineTest, ADeadlineInThePastStopsTheFirstWait) {
  EXPECT_EQ(RunDeadline(-1ms, [](Clock* clock) { return Sleep(clock, 1ms); }),
            StatusCode::kDeadlineExceeded);
}

TEST(DeadlineTest, NestedDeadlinesEachSayTheirOwn) {
  for (auto [outer, inner] : {std::pair(5ms, 9ms), std::pair(9ms, 5ms), std::pair(5ms, 5ms)}) {
    TestLoop loop;
    EXPECT_TRUE(loop.RunToEnd([](Clock* clock, Duration outer, Duration inner) -> Task<void> {
      absl::Status result =
          co_await Deadline(clock, At(outer), Deadline(clock, At(inner), Sleep(clock, 1h)));
      EXPECT_EQ(result.code(), StatusCode::kDeadlineExceeded);
      EXPECT_EQ(clock->Now(), At(5ms));
    }(loop.clock(), outer, inner)));
  }
}

// How to clean up after a stop, within bounds: the shield outside, the deadline inside.
TEST(DeadlineTest, AShieldedDeadlineBoundsACleanUp) {
  TestLoop loop;
  StatusCode result = StatusCode::kUnknown;
  Scope root(loop.executor());
  root.RequestStop();
  root.Spawn([](Clock* clock, StatusCode* result) -> Task<void> {
    *result = (co_await Shielded(Deadline(clock, At(10ms), Sleep(clock, 1h)))).code();
    EXPECT_EQ(clock->Now(), At(10ms));
  }(loop.clock(), &result));
  loop.Run();
  EXPECT_EQ(result, StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace faultline
