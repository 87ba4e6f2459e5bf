// SignalStop: a signal becomes a stop request, as in runtime/epoll/signal_stop.h.
#ifndef FAULTLINE_RUNTIME_IO_URING_SIGNAL_STOP_H_
#define FAULTLINE_RUNTIME_IO_URING_SIGNAL_STOP_H_

#include <signal.h>

#include <cstdint>
#include <initializer_list>
#include <memory>

#include "absl/status/statusor.h"
#include "runtime/io_uring/core.h"
#include "runtime/io_uring/flight.h"
#include "runtime/stop.h"

namespace faultline::uring {

class SignalStop final {
 public:
  // `source` outlives this. Errors: EMFILE, ENFILE, ENOMEM.
  static absl::StatusOr<std::unique_ptr<SignalStop>> Create(Core* core, StopSource* source,
                                                            std::initializer_list<int> signals);
  SignalStop(Core* core, StopSource* source, Descriptor signals, const sigset_t& mask_before);
  SignalStop(const SignalStop&) = delete;
  SignalStop& operator=(const SignalStop&) = delete;
  // On the thread that made it.
  ~SignalStop();

 private:
  void OnSignal(int32_t result);
  void End();

  Descriptor signals_;
  StopSource* const source_;
  const sigset_t mask_before_;
  Flight<SignalStop, &SignalStop::OnSignal> watch_;
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_SIGNAL_STOP_H_
