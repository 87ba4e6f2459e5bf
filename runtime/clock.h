// Clock: reads time and waits for it. The only way to time in the library; always injected.
//
//   absl::Status slept = co_await clock->SleepFor(100ms);   // OK, or Cancelled after a stop
//   request
//
// `Timer` is the callback form under it, for those who build waits of their own.
#ifndef FAULTLINE_RUNTIME_CLOCK_H_
#define FAULTLINE_RUNTIME_CLOCK_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "runtime/stop.h"
#include "runtime/time.h"
#include "runtime/wait.h"

namespace faultline {

class Clock;

// A callback at a time. Lives where its owner lives; disarms itself when destroyed. Not movable.
class Timer {
 public:
  using Function = void (*)(Timer*);
  using Hint = void (*)(const Timer*);
  // `fetch`, if given, asks for the memory that `function` will touch.
  explicit Timer(Function function, Hint fetch = nullptr) : function_(function), fetch_(fetch) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { Disarm(); }

  // Calls the function from the loop, once, when `clock` reaches `when`; a time in the past fires
  // in the loop's next turn. Disarms first if armed.
  inline void Arm(Clock* clock, MonotonicTime when);
  inline void Disarm();

  bool armed() const { return clock_ != nullptr; }
  MonotonicTime when() const { return when_; }

  // For clocks: the timer is no longer in any structure of theirs, and is due.
  void Fire() {
    clock_ = nullptr;
    function_(this);
  }
  // For clocks: a hint for the processor's caches, where this is already: it fires soon.
  void Fetch() const {
    if (fetch_ != nullptr) fetch_(this);
  }

  // For the clock that has armed it: its place in the clock's structure.
  uint64_t clock_slot = 0;
  uint64_t clock_sequence = 0;

 private:
  const Function function_;
  const Hint fetch_;
  Clock* clock_ = nullptr;
  MonotonicTime when_;
};

class Clock {
 public:
  class SleepOp;

  virtual ~Clock() = default;

  // CLOCK_MONOTONIC, or the virtual time of a simulated host.
  virtual MonotonicTime Now() const = 0;
  // CLOCK_REALTIME, or the host's idea of it: may be skewed, may jump.
  virtual WallTime WallNow() const = 0;

  // Errors: Cancelled. The clock must outlive the sleep.
  inline SleepOp SleepUntil(MonotonicTime when);
  inline SleepOp SleepFor(Duration duration);

 protected:
  friend class Timer;
  // `timer->when()` is set. Timers that are due at the same time fire in the order in which they
  // were armed.
  virtual void ArmTimer(Timer* timer) = 0;
  virtual void DisarmTimer(Timer* timer) = 0;
};

inline void Timer::Arm(Clock* clock, MonotonicTime when) {
  Disarm();
  clock_ = clock;
  when_ = when;
  clock->ArmTimer(this);
}

inline void Timer::Disarm() {
  if (clock_ == nullptr) return;
  clock_->DisarmTimer(this);
  clock_ = nullptr;
}

class [[nodiscard]] Clock::SleepOp : private Timer, private Wait {
 public:
  SleepOp(Clock* clock, MonotonicTime when)
      : Timer(&OnTimer, &FetchWait), clock_(clock), wake_at_(when) {}

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    StopToken stop = self.promise().stop;
    Bind(self);
    if (stop.stop_requested()) {
      cancelled_ = true;
      return CompleteAtOnce();
    }
    Arm(clock_, wake_at_);
    Suspend(stop);
    return true;
  }
  absl::Status await_resume() {
    return cancelled_ ? absl::CancelledError("stop requested") : absl::OkStatus();
  }

 private:
  static void OnTimer(Timer* timer) { static_cast<SleepOp*>(timer)->Complete(); }
  static void FetchWait(const Timer* timer) { static_cast<const SleepOp*>(timer)->Wait::Fetch(); }
  void OnStop() override {
    cancelled_ = true;
    Disarm();
    Complete();
  }

  Clock* const clock_;
  const MonotonicTime wake_at_;
  bool cancelled_ = false;
};

inline Clock::SleepOp Clock::SleepUntil(MonotonicTime when) { return SleepOp(this, when); }
inline Clock::SleepOp Clock::SleepFor(Duration duration) {
  MonotonicTime now = Now();
  return SleepOp(this, duration > kInfiniteFuture - now ? kInfiniteFuture : now + duration);
}

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_CLOCK_H_
