// The clocks of a simulated host, and the timers of its process.
#ifndef FAULTLINE_SIM_CLOCK_H_
#define FAULTLINE_SIM_CLOCK_H_

#include "runtime/clock.h"
#include "runtime/executor.h"
#include "runtime/time.h"
#include "runtime/timer_queue.h"
#include "sim/config.h"
#include "sim/event_queue.h"

namespace faultline::sim {

class World;
class Process;

// Maps true time to what a host believes. Its monotonic clock starts at zero with the world, never
// goes back and may run too fast or too slow; its wall clock is the world's plus an offset, and
// drifts with it.
class HostClock {
 public:
  HostClock(World* world, const ClockConfig& config);

  MonotonicTime Now() const;
  WallTime WallNow() const;
  // The first true time at which `Now() >= local`; kInfiniteFuture if it lies beyond.
  MonotonicTime TrueTimeOf(MonotonicTime local) const;

  // From now on. The monotonic clock goes on from where it is.
  void Change(const ClockConfig& config);
  const ClockConfig& config() const { return config_; }

 private:
  // `wrong`: somebody is told what a healthy clock would not say. The first time is the fault's
  // bite.
  void Note(bool wrong) const;

  World* const world_;
  const ClockConfig healthy_;
  ClockConfig config_;
  mutable bool unnoticed_ = false;  // a fault that nobody has been told of
  MonotonicTime true_base_;         // when the rate last changed
  MonotonicTime local_base_;        // what the monotonic clock said then
};

// The timers of one process: one event in the world's queue, for the first of them. While the
// process is paused its timers wait; those that became due meanwhile fire when it resumes.
class SimClock final : public Clock, private Actor {
 public:
  // `sleepers`: the tasks that wait for it.
  SimClock(World* world, HostClock* host_clock, uint32_t host, const Executor* sleepers)
      : id_(host), world_(world), host_(host_clock), sleepers_(sleepers) {}

  MonotonicTime Now() const override { return host_->Now(); }
  WallTime WallNow() const override { return host_->WallNow(); }

  void Pause();
  void Resume();
  // Whether a timer should have fired before now.
  bool late() const { return timers_.next_time() < Now(); }
  // The host's clock has changed: find out anew when the first timer is due.
  void Reschedule();

 private:
  void ArmTimer(Timer* timer) override;
  void DisarmTimer(Timer* timer) override { timers_.Remove(timer); }
  void Fire() override;
  void Fetch(int depth) const override;

  const uint32_t id_;
  bool paused_ = false;
  World* const world_;
  HostClock* const host_;
  const Executor* const sleepers_;
  MonotonicTime scheduled_{};  // local time that the queued event is for
  TimerQueue timers_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_CLOCK_H_
