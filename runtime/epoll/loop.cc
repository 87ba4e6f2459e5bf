#include "runtime/epoll/loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "runtime/errors.h"

namespace faultline::epoll {
namespace {

timespec ToTimespec(Duration duration) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {.tv_sec = seconds.count(), .tv_nsec = (duration - seconds).count()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Loop>> Loop::Create(const LoopOptions& options) {
  Descriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return ErrnoStatus(errno, "epoll_create1");
  Descriptor event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event) return ErrnoStatus(errno, "eventfd");
  auto loop = std::make_unique<Loop>(std::move(epoll), std::move(event), options);
  absl::StatusOr<Poller::Token> token =
      loop->core_.poller.Add(loop->remote()->event(), EPOLLIN, loop.get());
  if (!token.ok()) return token.status();
  loop->remote_token_ = *token;
  return loop;
}

Loop::Loop(Descriptor epoll, Descriptor event, const LoopOptions& options)
    : kernel::Loop(std::move(event), options), core_(std::move(epoll)), network_(&core_) {
  Attach(&core_.clock, &network_, &core_.transfers);
}

Loop::~Loop() {
  EndRemote();
  if (remote_token_ != 0) core_.poller.Remove(remote_token_);
}

absl::Status Loop::StopOnSignals(StopSource* source) {
  signals_.reset();
  absl::StatusOr<std::unique_ptr<SignalStop>> signals =
      SignalStop::Create(&core_, source, {SIGINT, SIGTERM});
  if (signals.ok()) signals_ = *std::move(signals);
  return signals.status();
}

void Loop::WaitForEvents(const Duration* timeout) {
  if (timeout == nullptr) {
    core_.poller.Wait(nullptr);
    return;
  }
  const timespec time = ToTimespec(*timeout);
  core_.poller.Wait(&time);
}

}  // namespace faultline::epoll
