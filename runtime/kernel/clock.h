// KernelClock: the kernel's clocks, and the timers of a loop on one structure.
//
// `Now` reads CLOCK_MONOTONIC each time, through the vDSO: no system call. It is not cached for the
// turn, so that a sleep which follows a long computation is not short of it: a timer never fires
// before its time. The loop itself reads the clock at most once a turn, and only if a timer is
// armed.
#ifndef FAULTLINE_RUNTIME_KERNEL_CLOCK_H_
#define FAULTLINE_RUNTIME_KERNEL_CLOCK_H_

#include <vector>

#include "runtime/clock.h"
#include "runtime/timer_queue.h"

namespace faultline::kernel {

class KernelClock final : public Clock {
 public:
  MonotonicTime Now() const override;
  WallTime WallNow() const override;

  // --- For the loop ---
  bool has_timers() const { return !queue_.empty(); }
  // Of the first timer; kInfiniteFuture without one.
  MonotonicTime next_time() const { return queue_.next_time(); }
  // Calls the timers that are due at `now`, in the order of (time, arming). One that is armed
  // meanwhile waits for the next call, even if it is due: timers alone cannot keep the loop busy.
  void FireDue(MonotonicTime now);

 private:
  void ArmTimer(Timer* timer) override;
  void DisarmTimer(Timer* timer) override;

  // A timer in `late_` has the sequence 0, which the queue never gives, and its index as the slot.
  static constexpr uint64_t kLate = 0;

  TimerQueue queue_;
  bool firing_ = false;
  MonotonicTime firing_at_;
  std::vector<Timer*> late_;  // armed by a timer that fired, and already due; null if disarmed
};

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_CLOCK_H_
