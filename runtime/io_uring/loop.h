// Loop: the production world of one thread over io_uring(7). What it does and how it is used is
// told in runtime/kernel/loop.h; with one io_uring_enter(2) a turn it submits what the tasks have
// started, and waits.
#ifndef FAULTLINE_RUNTIME_IO_URING_LOOP_H_
#define FAULTLINE_RUNTIME_IO_URING_LOOP_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/io_uring/core.h"
#include "runtime/io_uring/flight.h"
#include "runtime/io_uring/network.h"
#include "runtime/io_uring/signal_stop.h"
#include "runtime/kernel/loop.h"

namespace faultline::uring {

using kernel::LoopOptions;

class Loop final : public kernel::Loop {
 public:
  // Errors: those of `Ring::Create`; EMFILE, ENFILE.
  static absl::StatusOr<std::unique_ptr<Loop>> Create(const LoopOptions& options);
  Loop(std::unique_ptr<Ring> ring, Descriptor event, const LoopOptions& options);
  ~Loop() override;

  using kernel::Loop::StopOnSignals;
  absl::Status StopOnSignals(StopSource* source) override;

 private:
  static constexpr uint32_t kSubmissions = 256;  // that leave with one system call

  void WaitForEvents(const Duration* timeout) override;
  void WatchRemote();
  void OnRemote(int32_t result);

  Core core_;
  UringNetwork network_;
  Flight<Loop, &Loop::OnRemote> watch_{this, &core_};
  std::unique_ptr<SignalStop> signals_;
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_LOOP_H_
