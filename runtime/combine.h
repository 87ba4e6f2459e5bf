// All, Race, Deadline: tasks run together, and tasks run against the clock.
//
//   auto [a, b] = co_await All(ReadSide(stream), WriteSide(stream));
//   auto raced = co_await Race(Serve(stream), WaitFor(&drain));    // raced.first: index of the
//   first to end absl::Status hello = co_await Deadline(clock, clock->Now() + 10s,
//   Handshake(stream));
//
// Each awaits everything that it started: the losers of a race are asked to stop, and what they
// return is kept, so that bytes which were already transferred are never lost. A stop request to
// the awaiting task reaches all of them.
#ifndef FAULTLINE_RUNTIME_COMBINE_H_
#define FAULTLINE_RUNTIME_COMBINE_H_

#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/clock.h"
#include "runtime/scope.h"
#include "runtime/task.h"

namespace faultline {
namespace internal {

struct NoRace {
  void Finished(size_t) {}
};

struct FirstPastThePost {
  Scope* scope;
  std::optional<size_t> first;
  void Finished(size_t index) {
    if (first.has_value()) return;
    first = index;
    scope->RequestStop();
  }
};

template <typename T, typename Referee>
Task<void> StoreInto(std::optional<T>* slot, Referee* referee, size_t index, Task<T> task) {
  slot->emplace(co_await std::move(task));
  referee->Finished(index);
}

template <typename Results, typename Referee, typename... T, size_t... I>
void SpawnAll(Scope* scope, Results* results, Referee* referee, std::index_sequence<I...>,
              Task<T>&... tasks) {
  (scope->Spawn(StoreInto<T>(&std::get<I>(*results), referee, I, std::move(tasks))), ...);
}

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// Stops `source` when the time comes, and remembers that it did.
struct DeadlineTimer : Timer {
  explicit DeadlineTimer(StopSource* source) : Timer(&OnTimer), source(source) {}
  static void OnTimer(Timer* timer) {
    auto* self = static_cast<DeadlineTimer*>(timer);
    self->expired = true;
    self->source->RequestStop();
  }
  StopSource* const source;
  bool expired = false;
};

}  // namespace internal

// Runs the tasks together; returns their results when all have ended. None is stopped early.
template <typename... T>
Task<std::tuple<T...>> All(Task<T>... tasks) {
  std::tuple<std::optional<T>...> results;
  internal::NoRace referee;
  Scope scope(co_await ThisTask());
  internal::SpawnAll(&scope, &results, &referee, std::index_sequence_for<T...>(), tasks...);
  co_await scope.Join();
  co_return std::apply([](auto&... slot) { return std::tuple<T...>(*std::move(slot)...); },
                       results);
}

template <typename... T>
struct Raced {
  size_t first;              // index of the task that ended first
  std::tuple<T...> results;  // of all; a loser's is whatever it made of the stop request
};

// Runs the tasks together; when one ends the others are asked to stop, and awaited.
template <typename... T>
Task<Raced<T...>> Race(Task<T>... tasks) {
  std::tuple<std::optional<T>...> results;
  Scope scope(co_await ThisTask());
  internal::FirstPastThePost referee{&scope, std::nullopt};
  internal::SpawnAll(&scope, &results, &referee, std::index_sequence_for<T...>(), tasks...);
  co_await scope.Join();
  co_return std::apply(
      [&](auto&... slot) {
        return Raced<T...>{*referee.first, std::tuple<T...>(*std::move(slot)...)};
      },
      results);
}

// Runs `task`, of type Task<absl::Status> or Task<absl::StatusOr<U>>; asks it to stop at `when`. A
// result that came in spite of the request is kept; Cancelled because of it becomes
// DeadlineExceeded.
template <typename T>
Task<T> Deadline(Clock* clock, MonotonicTime when, Task<T> task) {
  StopSource stop(co_await CurrentStop());
  internal::DeadlineTimer timer(&stop);
  timer.Arm(clock, when);
  T result = co_await WithStop(&stop, std::move(task));
  if (timer.expired && absl::IsCancelled(internal::StatusOf(result))) {
    co_return absl::DeadlineExceededError("deadline exceeded");
  }
  co_return result;
}

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_COMBINE_H_
