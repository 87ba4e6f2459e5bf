// What the contract's tests are written with: bytes that can be recognised, reads and writes as
// tasks, stops at a given time, frames that are destroyed at a given time.
#ifndef FAULTLINE_RUNTIME_CONTRACT_HELPERS_H_
#define FAULTLINE_RUNTIME_CONTRACT_HELPERS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/clock.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace faultline::contract {

using Bytes = std::vector<std::byte>;

// `size` bytes that differ from their neighbours; the byte at position i of a longer stream is the
// one at i - `offset` here.
Bytes Pattern(size_t size, size_t offset = 0);

// One read or write, as a task. The bytes stay until it has ended.
Task<absl::StatusOr<size_t>> ReadSome(Stream* stream, Bytes* into);
Task<absl::StatusOr<size_t>> WriteSome(Stream* stream, const Bytes* from);

// As many as it takes. Errors: those of the stream; OutOfRange at an early end.
Task<absl::Status> ReadExactly(Stream* stream, Bytes* into);
Task<absl::Status> WriteAll(Stream* stream, const Bytes* from);
Task<absl::Status> WriteAllLater(Clock* clock, Duration delay, Stream* stream, const Bytes* from);
// Everything up to the end of the stream, or up to an error, which is stored.
Task<Bytes> ReadToEnd(Stream* stream, absl::Status* error);

// Writes the pattern until a write has waited for 250 ms and the next one waits too; returns what
// was taken. Until the peer reads, every write waits.
Task<absl::StatusOr<size_t>> FillUp(Clock* clock, Stream* stream);

// Reads until it fails; returns the error. OutOfRange at the end of the stream.
Task<absl::Status> ReadError(Stream* stream);
// Writes until it fails; returns the error.
Task<absl::Status> WriteError(Stream* stream);

// Requests a stop of `source` at a time.
class StopTimer : private Timer {
 public:
  StopTimer(Clock* clock, MonotonicTime when, StopSource* source)
      : Timer(&OnTimer), source_(source) {
    Arm(clock, when);
  }

 private:
  static void OnTimer(Timer* timer) { static_cast<StopTimer*>(timer)->source_->RequestStop(); }

  StopSource* const source_;
};

// Runs `task`, and asks it to stop after `delay`.
template <typename T>
Task<T> StoppedAfter(Clock* clock, Duration delay, Task<T> task) {
  StopSource stop(co_await CurrentStop());
  StopTimer timer(clock, clock->Now() + delay, &stop);
  co_return co_await WithStop(&stop, std::move(task));
}

// Owns tasks whose frames it destroys at a time, wherever they are suspended: what a crash does.
class Doom : private Timer {
 public:
  explicit Doom(Executor* executor) : Timer(&OnTimer), scope_(executor) {}

  void Spawn(Task<void> task) { scope_->Spawn(std::move(task)); }
  void DestroyAt(Clock* clock, MonotonicTime when) { Arm(clock, when); }
  bool destroyed() const { return !scope_.has_value(); }
  // Of the tasks that have not ended.
  size_t live() const { return scope_.has_value() ? scope_->live() : 0; }

 private:
  static void OnTimer(Timer* timer) { static_cast<Doom*>(timer)->scope_.reset(); }

  std::optional<Scope> scope_;
};

}  // namespace faultline::contract

#endif  // FAULTLINE_RUNTIME_CONTRACT_HELPERS_H_
