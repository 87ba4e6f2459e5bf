// Task<T>: a lazy coroutine that is awaited where it was made.
//
//   Task<absl::StatusOr<int>> Answer(Clock* clock) {
//     co_await clock->SleepFor(1s);
//     co_return 42;
//   }
//   ... absl::StatusOr<int> answer = co_await Answer(clock);
//
// A task starts when it is awaited, runs on the awaiting task's executor, under its stop token, and
// resumes the awaiter directly. Its frame is recycled (frame_pool.h). Destroying a task that is
// suspended is safe at every suspension: each waiter of this library unlinks itself.
//
// A coroutine takes data by value and collaborators by pointer. A lambda that captures and is a
// coroutine does not compile: its captures die with the lambda, long before the frame. Pass
// arguments instead. (A coroutine may take a capturing lambda by value: that copy lives in the
// frame.)
#ifndef FAULTLINE_RUNTIME_TASK_H_
#define FAULTLINE_RUNTIME_TASK_H_

#include <coroutine>
#include <exception>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "runtime/check.h"
#include "runtime/executor.h"
#include "runtime/frame_pool.h"
#include "runtime/stop.h"

namespace faultline {
namespace internal {

// Whether T is the closure of a lambda. The language has no trait for it; the compilers' names of
// types do ("(lambda at f.cc:1:2)" in Clang, "<lambda(...)>" with its scope before it in GCC).
template <typename T>
consteval bool IsClosure() {
  std::string_view name = __PRETTY_FUNCTION__;
  size_t start = name.find("T = ");
  if (start == std::string_view::npos) return false;
  name.remove_prefix(start + 4);
  return name.starts_with("(lambda") || name.starts_with("<lambda") ||
         name.find("::<lambda") != std::string_view::npos;
}

template <typename T>
inline constexpr bool kIsCapturingLambda = IsClosure<std::remove_cv_t<T>>() && !std::is_empty_v<T>;

// What each coroutine of the library carries. Awaiting hands `task` and `stop` down.
struct PromiseBase : Pooled {
  void unhandled_exception() noexcept { std::terminate(); }
  std::suspend_always initial_suspend() noexcept { return {}; }

  TaskContext* task = nullptr;
  StopToken stop;
  std::coroutine_handle<> continuation;
};

struct ResumeContinuation {
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
    return self.promise().continuation;
  }
  void await_resume() noexcept {}
};

template <typename T>
struct TaskPromise;

}  // namespace internal

template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;
  using value_type = T;
  using Handle = std::coroutine_handle<promise_type>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  class Awaiter {
   public:
    explicit Awaiter(Handle handle) : handle_(handle) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    // The awaiter owns the frame: it dies with the awaiting frame or when the result has been
    // taken. Not at the end of the expression, where the next task may be awaited for long: its
    // frame is this one, which is still in the cache.
    ~Awaiter() {
      if (handle_) handle_.destroy();
    }

    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
      auto& promise = handle_.promise();
      promise.task = parent.promise().task;
      if (promise.stop.source() == nullptr && !promise.shielded)
        promise.stop = parent.promise().stop;
      promise.continuation = parent;
      return handle_;
    }
    T await_resume() {
      const Handle done = std::exchange(handle_, nullptr);
      if constexpr (std::is_void_v<T>) {
        done.destroy();
      } else {
        T result = done.promise().Take();
        done.destroy();
        return result;
      }
    }

   private:
    Handle handle_;
  };

  Awaiter operator co_await() && {
    FAULTLINE_CHECK(handle_) << "a task is awaited once";
    return Awaiter(std::exchange(handle_, nullptr));
  }
  // A task is awaited once, which consumes it: co_await std::move(task).
  Awaiter operator co_await() & = delete;

 private:
  friend promise_type;
  template <typename U>
  friend Task<U> WithStop(StopSource* source, Task<U> task);
  template <typename U>
  friend Task<U> Shielded(Task<U> task);

  explicit Task(Handle handle) : handle_(handle) {}

  Handle handle_;
};

namespace internal {

template <typename T>
struct TaskPromise : PromiseBase {
  Task<T> get_return_object() { return Task<T>(Task<T>::Handle::from_promise(*this)); }
  ResumeContinuation final_suspend() noexcept { return {}; }
  template <typename U = T>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T Take() { return *std::move(value); }

  std::optional<T> value;
  bool shielded = false;
};

template <>
struct TaskPromise<void> : PromiseBase {
  Task<void> get_return_object() { return Task<void>(Task<void>::Handle::from_promise(*this)); }
  ResumeContinuation final_suspend() noexcept { return {}; }
  void return_void() {}
  void Take() {}

  bool shielded = false;
};

// The promise of a member function of `Object`, such as a lambda. Inside a lambda's body its type
// is not complete yet; the constructor's body is compiled at the end of the file, when it is. Adds
// nothing to the layout of its base, by whose type the handles know it.
template <typename T, typename Object>
struct MemberTaskPromise : TaskPromise<T> {
  MemberTaskPromise() {
    static_assert(sizeof(MemberTaskPromise) == sizeof(TaskPromise<T>) &&
                  alignof(MemberTaskPromise) == alignof(TaskPromise<T>));
    static_assert(
        !kIsCapturingLambda<Object>,
        "a coroutine lambda must not capture: its captures die before its frame; pass them "
        "as parameters");
  }
};

}  // namespace internal
}  // namespace faultline

// The first argument is a reference where the coroutine is a member function (the operator() of a
// lambda), or takes a reference, which coroutines of this library do not.
template <typename T, typename Object, typename... Rest>
struct std::coroutine_traits<faultline::Task<T>, Object&, Rest...> {
  using promise_type = faultline::internal::MemberTaskPromise<T, Object>;
};

namespace faultline {

// `task` listens to `source` instead of its awaiter's token. `source` must outlive the await.
template <typename T>
Task<T> WithStop(StopSource* source, Task<T> task) {
  task.handle_.promise().stop = source->token();
  return task;
}

// `task` hears no stop request of its awaiter: for the bounded clean-up that follows one. Give it a
// deadline inside, `Shielded(Deadline(clock, when, CleanUp()))`: a `WithStop` or `Deadline` outside
// of it would bring its own source, which the awaiter's stop has stopped already.
template <typename T>
Task<T> Shielded(Task<T> task) {
  task.handle_.promise().shielded = true;
  return task;
}

// Where a task runs and what stops it: what a `Scope` needs to know of its owner.
struct TaskInfo {
  Executor* executor = nullptr;
  TaskContext* context = nullptr;
  StopToken stop;
};

// TaskInfo info = co_await ThisTask();  Never suspends.
struct [[nodiscard]] ThisTask {
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
    auto& promise = self.promise();
    info_ = TaskInfo{promise.task->executor, promise.task, promise.stop};
    return false;
  }
  TaskInfo await_resume() noexcept { return info_; }

 private:
  TaskInfo info_;
};

// StopToken stop = co_await CurrentStop();  Never suspends.
struct [[nodiscard]] CurrentStop {
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
    token_ = self.promise().stop;
    return false;
  }
  StopToken await_resume() noexcept { return token_; }

 private:
  StopToken token_;
};

// co_await Yield();  Goes to the end of the ready queue (or wherever the policy says).
class [[nodiscard]] Yield {
 public:
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  void await_suspend(std::coroutine_handle<Promise> self) {
    TaskContext* task = self.promise().task;
    resumable_.Bind(self, task);
    task->executor->MakeReady(&resumable_);
  }
  void await_resume() noexcept {}

 private:
  Resumable resumable_;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_TASK_H_
