#include "runtime/kernel/clock.h"

#include <ctime>

#include "runtime/check.h"

namespace faultline::kernel {
namespace {

Duration Read(clockid_t id) {
  timespec time{};
  FAULTLINE_CHECK(clock_gettime(id, &time) == 0) << "the kernel has no clock " << id;
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

MonotonicTime KernelClock::Now() const { return MonotonicTime(Read(CLOCK_MONOTONIC)); }

WallTime KernelClock::WallNow() const { return WallTime(Read(CLOCK_REALTIME)); }

void KernelClock::FireDue(MonotonicTime now) {
  firing_ = true;
  firing_at_ = now;
  while (Timer* timer = queue_.PopDue(now)) timer->Fire();
  firing_ = false;
  for (Timer* timer : late_) {
    if (timer != nullptr) queue_.Add(timer);
  }
  late_.clear();
}

void KernelClock::ArmTimer(Timer* timer) {
  if (!firing_ || timer->when() > firing_at_) {
    queue_.Add(timer);
    return;
  }
  timer->clock_sequence = kLate;
  timer->clock_slot = late_.size();
  late_.push_back(timer);
}

void KernelClock::DisarmTimer(Timer* timer) {
  if (timer->clock_sequence == kLate) {
    late_[timer->clock_slot] = nullptr;
  } else {
    queue_.Remove(timer);
  }
}

}  // namespace faultline::kernel
