#include "runtime/io_uring/loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::uring {
namespace {

__kernel_timespec ToTimespec(Duration duration) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {.tv_sec = seconds.count(), .tv_nsec = (duration - seconds).count()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Loop>> Loop::Create(const LoopOptions& options) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(options.entries);
  if (!ring.ok()) return ring.status();
  Descriptor event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event) return ErrnoStatus(errno, "eventfd");
  return std::make_unique<Loop>(*std::move(ring), std::move(event), options);
}

Loop::Loop(std::unique_ptr<Ring> ring, Descriptor event, const LoopOptions& options)
    : core_(std::move(ring)),
      executor_(&ready_),
      random_(&entropy_),
      buffers_(options.buffer_cache_bytes),
      network_(&core_),
      remote_(std::make_shared<kernel::Remote>(std::move(event), options.remote_capacity)) {
  WatchRemote();
}

Loop::~Loop() {
  remote_->Close();
  (void)remote_->RunPosted();
  signals_.reset();
}

Runtime Loop::runtime() {
  return Runtime{.executor = &executor_,
                 .clock = &core_.clock,
                 .network = &network_,
                 .entropy = &entropy_,
                 .random = &random_,
                 .buffers = &buffers_};
}

absl::Status Loop::StopOnSignals(StopSource* source) {
  signals_.reset();
  absl::StatusOr<std::unique_ptr<SignalStop>> signals =
      SignalStop::Create(&core_, source, {SIGINT, SIGTERM});
  if (signals.ok()) signals_ = *std::move(signals);
  return signals.status();
}

void Loop::WatchRemote() {
  watch_.Start(
      [this](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, remote_->event(), POLLIN); });
}

// The counter is read, or the next poll would end at once.
void Loop::OnRemote(int32_t) {
  uint64_t posts;
  (void)!read(remote_->event(), &posts, sizeof(posts));
  remote_woken_ = true;
  WatchRemote();
}

void Loop::Run(Task<void> main) {
  Scope root(&executor_);
  root.Spawn(WithStop(&stop_, std::move(main)));
  RunUntilJoined(root);
  (void)remote_->RunPosted();  // once: one that posts itself again waits for the next run
}

void Loop::RunUntilJoined(const Scope& scope) {
  FAULTLINE_CHECK(!std::exchange(running_, true)) << "a loop runs once at a time";
  while (true) {
    bool drained = RunReady();
    if (scope.live() == 0) break;
    MonotonicTime now = FireTimers();
    // Timers have made tasks ready: run those first. But not twice in a row, so that a timer which
    // is always due does not hide the sockets.
    skipped_wait_ = drained && !ready_.empty() && !skipped_wait_;
    if (!skipped_wait_) Wait(now);
  }
  running_ = false;
}

// True if no task is ready any more.
bool Loop::RunReady() {
  for (uint32_t resumed = 0; resumed < kTasksPerTurn; ++resumed) {
    Resumable* next = ready_.Pop();
    if (next == nullptr) return true;
    next->task()->executor->Resume(next);
  }
  return ready_.empty();
}

// Returns the time, if anybody wants to know it.
MonotonicTime Loop::FireTimers() {
  if (!core_.clock.has_timers()) return MonotonicTime();
  MonotonicTime now = core_.clock.Now();
  core_.clock.FireDue(now);
  return now;
}

void Loop::Wait(MonotonicTime now) {
  MonotonicTime next = core_.clock.next_time();
  __kernel_timespec timeout{};
  if (ready_.empty() && next > now) timeout = ToTimespec(next - now);
  bool for_ever = ready_.empty() && next == kInfiniteFuture;
  core_.ring->Wait(for_ever ? nullptr : &timeout);
  if (std::exchange(remote_woken_, false)) (void)remote_->RunPosted();
}

}  // namespace faultline::uring
