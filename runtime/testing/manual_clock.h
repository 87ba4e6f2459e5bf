// ManualClock: time that stands still until a test moves it.
//
//   ManualClock clock;
//   clock.AdvanceTo(clock.Now() + 5s);   // fires what is due at that moment, and only that
//
// Tests only. Starts at 0 on the monotonic clock; the wall clock runs beside it, `wall_offset`
// ahead.
#ifndef FAULTLINE_RUNTIME_TESTING_MANUAL_CLOCK_H_
#define FAULTLINE_RUNTIME_TESTING_MANUAL_CLOCK_H_

#include <cstddef>

#include "runtime/check.h"
#include "runtime/clock.h"
#include "runtime/time.h"
#include "runtime/timer_queue.h"

namespace faultline::testing {

class ManualClock final : public Clock {
 public:
  MonotonicTime Now() const override { return now_; }
  WallTime WallNow() const override { return WallTime(now_.time_since_epoch() + wall_offset_); }
  void set_wall_offset(Duration offset) { wall_offset_ = offset; }

  // Of the first timer; kInfiniteFuture if nobody waits for a time that will come.
  MonotonicTime next_time() const { return timers_.next_time(); }
  // Timers that are armed.
  size_t timers() const { return timers_.size(); }

  // Moves time to `when`, not before now, and fires what is due then, in order. What a callback
  // arms waits for the next call, as it does for the next turn of a loop.
  void AdvanceTo(MonotonicTime when) {
    FAULTLINE_CHECK(when >= now_) << "monotonic time does not go back";
    now_ = when;
    for (size_t due = timers_.size(); due > 0; --due) {
      Timer* timer = timers_.PopDue(now_);
      if (timer == nullptr) return;
      timer->Fire();
    }
  }

 private:
  void ArmTimer(Timer* timer) override { timers_.Add(timer); }
  void DisarmTimer(Timer* timer) override { timers_.Remove(timer); }

  MonotonicTime now_;
  Duration wall_offset_{};
  TimerQueue timers_;
};

}  // namespace faultline::testing

#endif  // FAULTLINE_RUNTIME_TESTING_MANUAL_CLOCK_H_
