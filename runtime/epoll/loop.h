// Loop: the production world of one thread over epoll(7). What it does and how it is used is told
// in runtime/kernel/loop.h; it waits with one epoll_pwait2(2) a turn. Operations that an event
// completes make their calls there, and their tasks run in the next turn.
#ifndef FAULTLINE_RUNTIME_EPOLL_LOOP_H_
#define FAULTLINE_RUNTIME_EPOLL_LOOP_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/epoll/core.h"
#include "runtime/epoll/network.h"
#include "runtime/epoll/signal_stop.h"
#include "runtime/kernel/loop.h"

namespace faultline::epoll {

using kernel::LoopOptions;

class Loop final : public kernel::Loop, private Pollable {
 public:
  // Errors: EMFILE, ENFILE, ENOMEM.
  static absl::StatusOr<std::unique_ptr<Loop>> Create(const LoopOptions& options);
  Loop(Descriptor epoll, Descriptor event, const LoopOptions& options);
  ~Loop() override;

  using kernel::Loop::StopOnSignals;
  absl::Status StopOnSignals(StopSource* source) override;

  // For those who watch descriptors of their own; they let go of it before the loop ends.
  Core* core() { return &core_; }

 private:
  void WaitForEvents(const Duration* timeout) override;
  void OnEvents(uint32_t) override { OnRemoteWoken(); }

  Core core_;
  EpollNetwork network_;
  Poller::Token remote_token_ = 0;
  std::unique_ptr<SignalStop> signals_;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_LOOP_H_
