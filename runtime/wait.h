// Wait: the base of everything that a task awaits for longer than an instant.
//
// A wait lives in the awaiting frame. It is completed exactly once, by whatever it waits for or by
// a stop request, and then resumes its task through the ready queue. Derived classes say what to do
// when a stop is requested (`OnStop`) and undo their registration in their own destructor, because
// a frame can be destroyed at any suspension.
//
// States:  idle --Suspend--> pending --Complete--> completed --the loop--> resumed
// Invariant: `OnStop` is called only while pending, at most once.
//
// What need not wait (an event that is set, a stop that was requested already) completes without
// suspending, but only so many times in a row: see `CompleteAtOnce`.
#ifndef FAULTLINE_RUNTIME_WAIT_H_
#define FAULTLINE_RUNTIME_WAIT_H_

#include <coroutine>
#include <cstddef>
#include <type_traits>

#include "runtime/executor.h"
#include "runtime/stop.h"
#include "runtime/task.h"

namespace faultline {

class Wait {
 public:
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  bool pending() const { return pending_; }
  // The task that waits; null before it suspends.
  TaskContext* task() const { return resumable_.task(); }
  // A hint for the processor's caches, where this is already: it completes soon.
  void Fetch() const {
    resumable_.Fetch();
    stop_hook_.FetchNeighbours();
  }
  // And when that is here: who awaits the task's innermost coroutine, which goes on next, and where
  // it looks for a stop.
  void FetchAwaiter() const {
    const auto waiting =
        std::coroutine_handle<internal::PromiseBase>::from_address(resumable_.handle().address());
    const internal::PromiseBase& promise = waiting.promise();
    if (promise.continuation) FetchLines(promise.continuation.address(), Resumable::kFrame);
    if (promise.stop.source() != nullptr) FetchLines(promise.stop.source(), sizeof(StopSource));
  }

 protected:
  Wait() : stop_hook_(this) {}
  ~Wait() = default;

  // A stop was requested: complete soon, or go on if it is too late for that.
  virtual void OnStop() = 0;

  // Notes who waits. Before `Suspend` or `CompleteNow`.
  template <typename Promise>
  void Bind(std::coroutine_handle<Promise> self) {
    static_assert(std::is_base_of_v<internal::PromiseBase, Promise> &&
                      alignof(Promise) <= alignof(std::max_align_t),
                  "the promise lies where `FetchAwaiter` looks for it");
    resumable_.Bind(self, self.promise().task);
  }

  void Suspend(StopToken stop) {
    pending_ = true;
    stop.Subscribe(&stop_hook_);
  }

  // Makes the task ready. The result is stored by then.
  void Complete() {
    pending_ = false;
    stop_hook_.Unlink();
    resumable_.task()->executor->MakeReady(&resumable_);
  }

  // For what completed without waiting, well or not. True: go through the ready queue, others must
  // have their turn. A loop that retries after Cancelled starves nobody, and is seen as a livelock.
  bool CompleteAtOnce() {
    Executor* executor = resumable_.task()->executor;
    if (executor->TakeSyncBudget()) return false;
    executor->MakeReady(&resumable_);
    return true;
  }

 private:
  struct StopHook : StopCallback {
    explicit StopHook(Wait* wait) : StopCallback(&Forward), wait(wait) {}
    static void Forward(StopCallback* self) { static_cast<StopHook*>(self)->wait->OnStop(); }
    Wait* const wait;
  };

  Resumable resumable_;
  StopHook stop_hook_;
  bool pending_ = false;
};

// What an operation that is a `Task` awaits first, so that one which always fails at once has the
// same bound as a wait: a loop that retries it starves nobody, and is seen as a livelock.
class [[nodiscard]] TurnTaken final : private Wait {
 public:
  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    Bind(self);
    return CompleteAtOnce();
  }
  void await_resume() const noexcept {}

 private:
  void OnStop() override {}
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_WAIT_H_
