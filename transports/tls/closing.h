// Closing: connections that are being closed in order while nobody holds them any more.
//
// An orderly end takes time: what is queued has to leave, then close_notify, then the peer may
// answer. Each is bounded by `close_grace`, their number by `max_closing`.
#ifndef FAULTLINE_TRANSPORTS_TLS_CLOSING_H_
#define FAULTLINE_TRANSPORTS_TLS_CLOSING_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "runtime/event.h"
#include "runtime/executor.h"
#include "runtime/owned_task.h"
#include "runtime/task.h"

namespace faultline::tls {

class Closing {
 public:
  explicit Closing(size_t max) : max_(max) { drained_.Set(); }
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;

  // Runs `close` to its end. It is destroyed where it stands if this dies first: connections are
  // reset then. Errors: ResourceExhausted "max_closing"; `close` has not been started.
  absl::Status Adopt(Executor* executor, Task<void> close);

  // Connections that are being closed now.
  size_t live() const { return live_; }
  // Returns when none is left: not later than `close_grace` after the last one was adopted.
  // Errors: Cancelled.
  Task<absl::Status> Drain();

 private:
  Task<void> Count(Task<void> close);

  const size_t max_;
  size_t live_ = 0;
  Event drained_;
  std::vector<OwnedTask> tasks_;  // those that have ended leave with the next `Adopt`
};

}  // namespace faultline::tls

#endif  // FAULTLINE_TRANSPORTS_TLS_CLOSING_H_
