// Watched: an open descriptor with its one registration in the poller.
//
// The registration is made when something has to wait for the first time (epoll_ctl(2) reports what
// is ready by then, so nothing is missed), and ends with the descriptor. A socket that never waits
// is never registered. Whoever cares for two kinds of events at different times may widen it once.
#ifndef FAULTLINE_RUNTIME_EPOLL_WATCHED_H_
#define FAULTLINE_RUNTIME_EPOLL_WATCHED_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "runtime/epoll/core.h"
#include "runtime/kernel/descriptor.h"

namespace faultline::epoll {

class Watched {
 public:
  // `pollable` owns this. `core` outlives it.
  Watched(Core* core, Descriptor descriptor, Pollable* pollable)
      : core_(core), descriptor_(std::move(descriptor)), pollable_(pollable) {}
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched() { Close(); }

  bool open() const { return static_cast<bool>(descriptor_); }
  int fd() const { return descriptor_.get(); }
  Core* core() const { return core_; }

  // From now on the pollable hears of `events`, those of earlier calls included. Errors: ENOMEM,
  // ENOSPC.
  absl::Status Want(uint32_t events) {
    if ((wanted_ & events) == events) return absl::OkStatus();
    return Register(wanted_ | events);
  }

  // Ends the registration and gives the descriptor away: this is as after `Close`, but no
  // descriptor has become free.
  Descriptor Release() {
    if (token_ != 0) core_->poller.Release(fd(), std::exchange(token_, 0));
    return std::exchange(descriptor_, Descriptor());
  }

  // Ends the registration and closes the descriptor. Later calls do nothing.
  void Close() {
    if (!open()) return;
    if (token_ != 0) core_->poller.Remove(std::exchange(token_, 0));
    descriptor_.Close();
    core_->DescriptorFreed();
  }

 private:
  absl::Status Register(uint32_t events) {
    absl::Status status;
    if (token_ != 0) {
      status = core_->poller.Change(fd(), events, token_);
    } else {
      absl::StatusOr<Poller::Token> token = core_->poller.Add(fd(), events, pollable_);
      status = token.status();
      if (token.ok()) token_ = *token;
    }
    if (status.ok()) wanted_ = events;
    return status;
  }

  Core* const core_;
  Descriptor descriptor_;
  Pollable* const pollable_;
  Poller::Token token_ = 0;
  uint32_t wanted_ = 0;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_WATCHED_H_
