#include "runtime/kernel/loop.h"

#include <utility>

#include "runtime/check.h"

namespace faultline::kernel {

Loop::Loop(Descriptor event, const LoopOptions& options)
    : executor_(&ready_),
      random_(&entropy_),
      buffers_(options.buffer_cache_bytes),
      remote_(std::make_shared<Remote>(std::move(event), options.remote_capacity)) {}

void Loop::Attach(KernelClock* clock, Network* network, uint32_t* transfers) {
  clock_ = clock;
  network_ = network;
  transfers_ = transfers;
}

void Loop::EndRemote() {
  remote_->Close();
  (void)remote_->RunPosted();
}

Runtime Loop::runtime() {
  return Runtime{.executor = &executor_,
                 .clock = clock_,
                 .network = network_,
                 .entropy = &entropy_,
                 .random = &random_,
                 .buffers = &buffers_};
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
  *transfers_ = 0;
  for (uint32_t resumed = 0; resumed < kTasksPerTurn; ++resumed) {
    if (*transfers_ >= kTransfersPerTurn) break;
    Resumable* next = ready_.Pop();
    if (next == nullptr) return true;
    next->task()->executor->Resume(next);
  }
  return ready_.empty();
}

// Returns the time, if anybody wants to know it.
MonotonicTime Loop::FireTimers() {
  if (!clock_->has_timers()) return MonotonicTime();
  MonotonicTime now = clock_->Now();
  clock_->FireDue(now);
  return now;
}

void Loop::Wait(MonotonicTime now) {
  if (outside_ != nullptr && ready_.empty()) outside_->BeforeSleep();
  MonotonicTime next = clock_->next_time();
  Duration timeout{};
  if (ready_.empty() && next > now) timeout = next - now;
  bool for_ever = ready_.empty() && next == kInfiniteFuture;
  WaitForEvents(for_ever ? nullptr : &timeout);
  if (std::exchange(remote_woken_, false)) (void)remote_->RunPosted();
  if (outside_ != nullptr) outside_->Look();
}

}  // namespace faultline::kernel
