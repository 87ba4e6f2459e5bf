// Closing: connections that are being closed in order while nobody holds them any more.
//
// An orderly end takes time: what is queued has to leave, then close_notify, then the peer may
// answer. Each is bounded by `close_grace`, their number by `max_closing`.
//
// A handshake that failed ends with a farewell: the alert has to leave as well. Anybody can make
// handshakes fail, so farewells have a number of their own, `max_farewells`, and take no place from
// connections that end in order.
#ifndef FAULTLINE_TRANSPORTS_TLS_CLOSING_H_
#define FAULTLINE_TRANSPORTS_TLS_CLOSING_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "runtime/event.h"
#include "runtime/executor.h"
#include "runtime/owned_task.h"
#include "runtime/task.h"

namespace faultline::tls {

class Closing {
 public:
  Closing(size_t max_closing, size_t max_farewells)
      : ends_{"max_closing", max_closing, {}}, farewells_{"max_farewells", max_farewells, {}} {
    drained_.Set();
  }
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;

  // Runs `close` to its end. It is destroyed where it stands if this dies first: connections are
  // reset then. Errors: ResourceExhausted "max_closing"; `close` has not been started.
  absl::Status Adopt(Executor* executor, Task<void> close) {
    return Start(executor, std::move(close), &ends_);
  }
  // The same after a handshake that failed. Errors: ResourceExhausted "max_farewells".
  absl::Status AdoptFarewell(Executor* executor, Task<void> farewell) {
    return Start(executor, std::move(farewell), &farewells_);
  }

  // Connections that are being closed now, and farewells.
  size_t live() const { return live_; }
  // Returns when none is left: not later than `close_grace` after the last one was adopted.
  // Errors: Cancelled.
  Task<absl::Status> Drain();

 private:
  struct Kind {
    const char* limit;  // its name
    const size_t max;
    std::vector<OwnedTask> tasks;  // those that have ended leave with the next one
  };

  absl::Status Start(Executor* executor, Task<void> close, Kind* kind);
  Task<void> Count(Task<void> close);

  size_t live_ = 0;
  Event drained_;
  Kind ends_;
  Kind farewells_;
};

}  // namespace faultline::tls

#endif  // FAULTLINE_TRANSPORTS_TLS_CLOSING_H_
