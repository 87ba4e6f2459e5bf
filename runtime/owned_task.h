// OwnedTask: a task that belongs to an object instead of an awaiting frame: the pump of a stream
// that stands on another stream.
//
//   class Relay {
//     ...
//     OwnedTask pump_;                       // last: dies before what it uses
//   };
//   pump_ = OwnedTask(executor, Pump(this));  // starts from the loop, later
//
// Whoever owns it may let it go at any suspension: its frame is destroyed where it stands, as in a
// crash, so it may hold no `Scope` with children then. Never from inside the task itself. Nobody
// stops it but its owner: its stop token never fires.
#ifndef FAULTLINE_RUNTIME_OWNED_TASK_H_
#define FAULTLINE_RUNTIME_OWNED_TASK_H_

#include <coroutine>
#include <utility>

#include "runtime/executor.h"
#include "runtime/task.h"

namespace faultline {

class OwnedTask {
 public:
  OwnedTask() = default;
  OwnedTask(Executor* executor, Task<void> task) : handle_(Run(executor, std::move(task)).handle) {
    auto& promise = handle_.promise();
    promise.start.Bind(handle_, &promise.context);
    executor->MakeReady(&promise.start);
  }
  OwnedTask(OwnedTask&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  OwnedTask& operator=(OwnedTask&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~OwnedTask() {
    if (handle_) handle_.destroy();
  }

  // It has ended, or never was.
  bool done() const { return !handle_ || handle_.done(); }

 private:
  struct Root {
    struct promise_type : internal::PromiseBase {
      promise_type(Executor* executor, Task<void>&) {
        context.executor = executor;
        context.id = executor->NextTaskId();
        task = &context;
      }
      Root get_return_object() {
        return {std::coroutine_handle<promise_type>::from_promise(*this)};
      }
      std::suspend_always final_suspend() noexcept { return {}; }
      void return_void() {}

      TaskContext context;
      Resumable start;
    };
    std::coroutine_handle<promise_type> handle;
  };

  static Root Run(Executor*, Task<void> task) { co_await std::move(task); }

  std::coroutine_handle<Root::promise_type> handle_;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_OWNED_TASK_H_
