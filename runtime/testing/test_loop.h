// TestLoop: the smallest loop that runs tasks, for unit tests: a ready queue, an executor, a clock
// that a test moves, and nothing that touches a system.
//
//   TestLoop loop;
//   Scope root(loop.executor());
//   root.Spawn(Serve(&channel));
//   loop.RunReady();            // until nobody is ready; time stands still
//   EXPECT_EQ(root.live(), 1u); // it waits, as it should
//   loop.Run();                 // until nothing is left to happen, through all of time
//
// Declare the loop before the scopes and whatever else the tasks use. Each run is bounded: one that
// goes on for `kMaxSteps` is a livelock and ends the program.
#ifndef FAULTLINE_RUNTIME_TESTING_TEST_LOOP_H_
#define FAULTLINE_RUNTIME_TESTING_TEST_LOOP_H_

#include <cstddef>
#include <utility>

#include "runtime/check.h"
#include "runtime/executor.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/manual_clock.h"
#include "runtime/time.h"

namespace faultline::testing {

class TestLoop {
 public:
  static constexpr size_t kMaxSteps = 10'000'000;

  // Null means first in, first out. `policy` must outlive the loop.
  explicit TestLoop(SchedulingPolicy* policy = nullptr) : ready_(policy), executor_(&ready_) {}

  ReadyQueue* ready() { return &ready_; }
  Executor* executor() { return &executor_; }
  ManualClock* clock() { return &clock_; }

  // Resumes one task. False if none is ready.
  bool ResumeOne() {
    Resumable* next = ready_.Pop();
    if (next == nullptr) return false;
    next->task()->executor->Resume(next);
    return true;
  }

  // Resumes one task or, if none is ready, moves on to the time of the first timer. False if
  // nothing is left to happen.
  bool Step() { return StepUntil(kInfiniteFuture - Duration(1)); }

  void RunReady() {
    Repeat([this] { return ResumeOne(); });
  }
  void Run() {
    Repeat([this] { return Step(); });
  }
  // Everything up to and at `when`, which is then the time.
  void RunUntil(MonotonicTime when) {
    Repeat([&] { return StepUntil(when); });
    clock_.AdvanceTo(when);
  }
  void RunFor(Duration duration) { RunUntil(clock_.Now() + duration); }

  // Spawns `task` into a scope of its own and runs until nothing is left to happen. False if the
  // task still waits then; it is destroyed.
  [[nodiscard]] bool RunToEnd(Task<void> task) {
    Scope root(&executor_);
    root.Spawn(std::move(task));
    Run();
    return root.live() == 0;
  }

 private:
  bool StepUntil(MonotonicTime limit) {
    if (ResumeOne()) return true;
    if (clock_.next_time() > limit) return false;
    clock_.AdvanceTo(clock_.next_time() > clock_.Now() ? clock_.next_time() : clock_.Now());
    return true;
  }

  template <typename Action>
  void Repeat(Action action) {
    size_t steps = 0;
    while (action()) FAULTLINE_CHECK(++steps < kMaxSteps) << "livelock: the run does not end";
  }

  ManualClock clock_;
  ReadyQueue ready_;
  Executor executor_;
};

}  // namespace faultline::testing

#endif  // FAULTLINE_RUNTIME_TESTING_TEST_LOOP_H_
