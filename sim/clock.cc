#include "sim/clock.h"

#include "sim/world.h"

namespace faultline::sim {
namespace {

constexpr int64_t kBillion = 1'000'000'000;

}  // namespace

HostClock::HostClock(World* world, const ClockConfig& config)
    : world_(world),
      healthy_(config),
      config_(config),
      true_base_(world->now()),
      local_base_(world->now()) {}

MonotonicTime HostClock::Now() const {
  if (config_.drift_ppb == 0) return local_base_ + (world_->now() - true_base_);
  const Duration true_elapsed = world_->now() - true_base_;
  const Duration elapsed(static_cast<int64_t>(static_cast<__int128>(true_elapsed.count()) *
                                              (kBillion + config_.drift_ppb) / kBillion));
  Note(elapsed != true_elapsed);
  return local_base_ + elapsed;
}

void HostClock::Note(bool wrong) const {
  if (!unnoticed_ || !wrong) return;
  unnoticed_ = false;
  world_->effects()->Bite(Fault::kClockSkew);
}

WallTime HostClock::WallNow() const {
  Note(config_.wall_offset != healthy_.wall_offset);
  return world_->config().wall_start + Now().time_since_epoch() + config_.wall_offset;
}

MonotonicTime HostClock::TrueTimeOf(MonotonicTime local) const {
  if (local <= local_base_) return true_base_;
  if (local == kInfiniteFuture) return kInfiniteFuture;
  if (config_.drift_ppb == 0) return true_base_ + (local - local_base_);
  __int128 rate = kBillion + config_.drift_ppb;
  __int128 elapsed =
      (static_cast<__int128>((local - local_base_).count()) * kBillion + rate - 1) / rate;
  Note(elapsed != (local - local_base_).count());
  __int128 limit = (kInfiniteFuture - true_base_).count();
  return elapsed >= limit ? kInfiniteFuture : true_base_ + Duration(static_cast<int64_t>(elapsed));
}

void HostClock::Change(const ClockConfig& config) {
  local_base_ = Now();
  true_base_ = world_->now();
  config_ = config;
  unnoticed_ = config != healthy_;
  if (unnoticed_) world_->effects()->Configure(Fault::kClockSkew);
}

void SimClock::ArmTimer(Timer* timer) {
  timers_.Add(timer);
  // Only a new first timer moves the event; one that was disarmed is found out when the event
  // fires.
  if (!queued() || timer->when() < scheduled_) Reschedule();
}

void SimClock::Reschedule() {
  world_->events()->Cancel(this);
  if (paused_ || timers_.empty()) return;
  scheduled_ = timers_.next_time();
  MonotonicTime when = host_->TrueTimeOf(scheduled_);
  if (when == kInfiniteFuture) return;
  world_->events()->Schedule(this, when > world_->now() ? when : world_->now());
}

// One timer a turn: one that arms itself for the past again and again is a livelock, which the
// world sees.
void SimClock::Fire() {
  if (Timer* due = timers_.PopDue(Now())) {
    world_->Record(TraceKind::kTimer, id_, due->clock_sequence);
    due->Fire();
  }
  if (!queued()) Reschedule();
}

void SimClock::Fetch(int depth) const {
  switch (depth) {
    case 1:
      return FetchLines(this, sizeof(*this));
    case 2:
      world_->trace()->FetchHost(id_);
      FetchLines(host_, sizeof(*host_));
      FetchLines(sleepers_, sizeof(*sleepers_));
      return timers_.FetchHeap();
    case 3:
      return timers_.FetchFirst();
    case 4:
      return timers_.FetchBehindFirst();
    default:
      return;
  }
}

void SimClock::Pause() {
  paused_ = true;
  world_->events()->Cancel(this);
}

void SimClock::Resume() {
  paused_ = false;
  Reschedule();
}

}  // namespace faultline::sim
