#include "runtime/io_uring/loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "runtime/errors.h"

namespace faultline::uring {
namespace {

__kernel_timespec ToTimespec(Duration duration) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {.tv_sec = seconds.count(), .tv_nsec = (duration - seconds).count()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Loop>> Loop::Create(const LoopOptions& options) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(kSubmissions);
  if (!ring.ok()) return ring.status();
  Descriptor event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event) return ErrnoStatus(errno, "eventfd");
  return std::make_unique<Loop>(*std::move(ring), std::move(event), options);
}

Loop::Loop(std::unique_ptr<Ring> ring, Descriptor event, const LoopOptions& options)
    : kernel::Loop(std::move(event), options), core_(std::move(ring)), network_(&core_) {
  Attach(&core_.clock, &network_, &core_.transfers);
  WatchRemote();
}

Loop::~Loop() { EndRemote(); }

absl::Status Loop::StopOnSignals(StopSource* source) {
  signals_.reset();
  absl::StatusOr<std::unique_ptr<SignalStop>> signals =
      SignalStop::Create(&core_, source, {SIGINT, SIGTERM});
  if (signals.ok()) signals_ = *std::move(signals);
  return signals.status();
}

void Loop::WatchRemote() {
  watch_.Start(
      [this](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, remote()->event(), POLLIN); });
}

// The counter is read, or the next poll would end at once.
void Loop::OnRemote(int32_t) {
  uint64_t posts;
  (void)!read(remote()->event(), &posts, sizeof(posts));
  OnRemoteWoken();
  WatchRemote();
}

void Loop::WaitForEvents(const Duration* timeout) {
  if (timeout == nullptr) {
    core_.ring->Wait(nullptr);
    return;
  }
  const __kernel_timespec time = ToTimespec(*timeout);
  core_.ring->Wait(&time);
}

}  // namespace faultline::uring
