// TaskRunner: runs tasks until none is ready, and hands out what they return.
//
//   TaskRunner loop;
//   Started<absl::StatusOr<Message>> read = loop.Start(reader.ReadMessage(kMax));
//   loop.Run();
//   EXPECT_FALSE(read.done());           // it waits for bytes
//
//   absl::Status sent = loop.Await(writer.SendBatch(&batch));     // must end by itself
#ifndef FAULTLINE_TRANSPORTS_TESTING_TASK_RUNNER_H_
#define FAULTLINE_TRANSPORTS_TESTING_TASK_RUNNER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/check.h"
#include "runtime/executor.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"

namespace faultline::testing {

// A task that was started and may be asked to stop. Outlives the task.
template <typename T>
class Started {
 public:
  bool done() const { return state_->result.has_value(); }
  // Not before it is done.
  T& result() {
    FAULTLINE_CHECK(done()) << "the task still waits";
    return *state_->result;
  }
  void RequestStop() { state_->stop.RequestStop(); }

 private:
  friend class TaskRunner;
  struct State {
    StopSource stop;
    std::optional<T> result;
  };
  std::unique_ptr<State> state_ = std::make_unique<State>();
};

class TaskRunner {
 public:
  TaskRunner() : executor_(&ready_), tasks_(std::in_place, &executor_) {}

  template <typename T>
  [[nodiscard]] Started<T> Start(Task<T> task) {
    Started<T> started;
    tasks_->Spawn(Store(started.state_.get(), std::move(task)));
    return started;
  }
  void Spawn(Task<void> task) { tasks_->Spawn(std::move(task)); }

  // Until every task has ended or waits.
  void Run() {
    while (Step()) {
    }
  }
  // Resumes one task; false if none is ready.
  bool Step() {
    Resumable* next = ready_.Pop();
    if (next == nullptr) return false;
    next->task()->executor->Resume(next);
    return true;
  }

  // Runs everything until `task` has ended; it must not wait for anything outside of the loop.
  template <typename T>
  T Await(Task<T> task) {
    Started<T> started = Start(std::move(task));
    Run();
    return std::move(started.result());
  }

  // Destroys every task where it stands, as a crash does.
  void Crash() { tasks_.emplace(&executor_); }

  // Tasks that have not ended.
  size_t live() const { return tasks_->live(); }

 private:
  template <typename T>
  static Task<void> Store(typename Started<T>::State* state, Task<T> task) {
    state->result.emplace(co_await WithStop(&state->stop, std::move(task)));
  }

  ReadyQueue ready_;
  Executor executor_;
  std::optional<Scope> tasks_;
};

}  // namespace faultline::testing

#endif  // FAULTLINE_TRANSPORTS_TESTING_TASK_RUNNER_H_
