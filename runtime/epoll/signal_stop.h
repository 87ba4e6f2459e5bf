// SignalStop: a signal becomes a stop request.
//
// The signals are blocked in the calling thread and read from a signalfd(2) by the loop. Threads
// that are started afterwards inherit the mask; one that was started before would take the signal
// in its default way. The first signal requests the stop and gives the mask back: a second one ends
// the program, should draining take too long for whoever waits.
#ifndef FAULTLINE_RUNTIME_EPOLL_SIGNAL_STOP_H_
#define FAULTLINE_RUNTIME_EPOLL_SIGNAL_STOP_H_

#include <signal.h>

#include <cstdint>
#include <initializer_list>
#include <memory>

#include "absl/status/statusor.h"
#include "runtime/epoll/watched.h"
#include "runtime/stop.h"

namespace faultline::epoll {

class SignalStop final : private Pollable {
 public:
  // `source` outlives this. Errors: EMFILE, ENFILE, ENOMEM, ENOSPC.
  static absl::StatusOr<std::unique_ptr<SignalStop>> Create(Core* core, StopSource* source,
                                                            std::initializer_list<int> signals);
  SignalStop(Core* core, StopSource* source, Descriptor signals, const sigset_t& mask_before);
  // On the thread that made it.
  ~SignalStop();

 private:
  void OnEvents(uint32_t events) override;
  void End();

  Watched signals_;
  StopSource* const source_;
  const sigset_t mask_before_;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_SIGNAL_STOP_H_
