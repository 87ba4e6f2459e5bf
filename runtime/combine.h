// All, Race, Deadline: tasks run together, and tasks run against the clock.
//
//   auto [a, b] = co_await All(ReadSide(stream), WriteSide(stream));
//
//   auto raced = co_await Race(Serve(stream), WaitFor(&drain));
//   if (raced.first == 1) ...                                       // `WaitFor` ended first
//
//   absl::Status hello = co_await Deadline(clock, clock->Now() + 10s, Handshake(stream));
//
// Each awaits everything that it started: the losers of a race are asked to stop, and what they
// return is kept, so that bytes which were already transferred are never lost. A stop request to
// the awaiting task reaches all of them. The result of a Task<void> is a `std::monostate`.
#ifndef FAULTLINE_RUNTIME_COMBINE_H_
#define FAULTLINE_RUNTIME_COMBINE_H_

#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/clock.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"

namespace faultline {
namespace internal {

// What is kept of a Task<T>.
template <typename T>
using ResultOf = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

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
Task<void> StoreInto(std::optional<ResultOf<T>>* slot, Referee* referee, size_t index,
                     Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    slot->emplace();
  } else {
    slot->emplace(co_await std::move(task));
  }
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

// Stops `source` when the time comes, and remembers that it was the clock that did it: a task that
// was asked to stop earlier and took its time has not exceeded its deadline.
struct DeadlineTimer : Timer {
  explicit DeadlineTimer(StopSource* source) : Timer(&OnTimer), source(source) {}
  static void OnTimer(Timer* timer) {
    auto* self = static_cast<DeadlineTimer*>(timer);
    if (self->source->stop_requested()) return;
    self->expired = true;
    self->source->RequestStop();
  }
  StopSource* const source;
  bool expired = false;
};

}  // namespace internal

// Runs the tasks together; returns their results when all have ended. None is stopped early.
template <typename... T>
Task<std::tuple<internal::ResultOf<T>...>> All(Task<T>... tasks) {
  using Results = std::tuple<internal::ResultOf<T>...>;
  std::tuple<std::optional<internal::ResultOf<T>>...> results;
  internal::NoRace referee;
  Scope scope(co_await ThisTask());
  internal::SpawnAll(&scope, &results, &referee, std::index_sequence_for<T...>(), tasks...);
  co_await scope.Join();
  co_return std::apply([](auto&... slot) { return Results(*std::move(slot)...); }, results);
}

template <typename... T>
struct Raced {
  size_t first;                                  // index of the task that ended first
  std::tuple<internal::ResultOf<T>...> results;  // a loser's: what it made of the stop request
};

// Runs the tasks together; when one ends the others are asked to stop, and awaited.
template <typename... T>
Task<Raced<T...>> Race(Task<T>... tasks) {
  static_assert(sizeof...(T) > 0, "a race has a winner");
  using Results = std::tuple<internal::ResultOf<T>...>;
  std::tuple<std::optional<internal::ResultOf<T>>...> results;
  Scope scope(co_await ThisTask());
  internal::FirstPastThePost referee{&scope, std::nullopt};
  internal::SpawnAll(&scope, &results, &referee, std::index_sequence_for<T...>(), tasks...);
  co_await scope.Join();
  co_return std::apply(
      [&](auto&... slot) { return Raced<T...>{*referee.first, Results(*std::move(slot)...)}; },
      results);
}

// Runs `task`, of type Task<absl::Status> or Task<absl::StatusOr<U>>; asks it to stop at `when`,
// and awaits it. A result that came in spite of the request is kept; Cancelled because of it
// becomes DeadlineExceeded. Cancelled stays Cancelled if the awaiting task was asked to stop before
// `when`.
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
