// Loop: a ready queue, an executor and a clock that goes to the next timer, with nothing else in
// the way.
#ifndef FAULTLINE_BENCH_LOOP_H_
#define FAULTLINE_BENCH_LOOP_H_

#include <utility>

#include "runtime/check.h"
#include "runtime/clock.h"
#include "runtime/executor.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/timer_queue.h"

namespace faultline::bench {

// Time is that of the last timer that fired.
class JumpingClock final : public Clock {
 public:
  MonotonicTime Now() const override { return now_; }
  WallTime WallNow() const override { return WallTime(now_.time_since_epoch()); }

  // Moves to the next timer and fires it; false if there is none.
  bool FireNext() {
    if (timers_.empty()) return false;
    if (timers_.next_time() > now_) now_ = timers_.next_time();
    timers_.PopDue(now_)->Fire();
    return true;
  }

 private:
  void ArmTimer(Timer* timer) override { timers_.Add(timer); }
  void DisarmTimer(Timer* timer) override { timers_.Remove(timer); }

  MonotonicTime now_;
  TimerQueue timers_;
};

class Loop {
 public:
  Executor* executor() { return &executor_; }
  JumpingClock* clock() { return &clock_; }

  // Runs `task` and whatever it spawns to their end.
  void Run(Task<void> task) {
    Scope root(&executor_);
    root.Spawn(std::move(task));
    do {
      while (Resumable* next = ready_.Pop()) next->task()->executor->Resume(next);
    } while (root.live() > 0 && clock_.FireNext());
    FAULTLINE_CHECK(root.live() == 0) << "the benchmark's task waits for ever";
  }

 private:
  JumpingClock clock_;
  ReadyQueue ready_;
  Executor executor_{&ready_};
};

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_LOOP_H_
