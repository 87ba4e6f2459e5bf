// Scope: owns the tasks that it spawned, and is joined before it ends.
//
//   Scope scope(co_await ThisTask());
//   scope.Spawn(Serve(std::move(stream)));
//   ...
//   scope.RequestStop();
//   co_await scope.Join();
//
// Nothing is detached. A scope that ends in a running task with children alive kills the program:
// that is our bug. A scope that dies because its frame is destroyed while suspended (a simulated
// crash, the end of a world) destroys its children with it; they are not resumed again.
//
// States:  open --Join--> joining --the last child has ended, the joiner runs--> open
// Invariant: the joiner is in the ready queue exactly while no child is alive. A task that is
// spawned before the joiner runs takes it out again: `Join` returns when nobody is left, not when
// nobody was.
#ifndef FAULTLINE_RUNTIME_SCOPE_H_
#define FAULTLINE_RUNTIME_SCOPE_H_

#include <coroutine>
#include <cstddef>

#include "runtime/check.h"
#include "runtime/executor.h"
#include "runtime/list.h"
#include "runtime/stop.h"
#include "runtime/task.h"

namespace faultline {

class Scope {
 public:
  // A scope in a task: runs on its executor, and its children stop when the task is asked to stop.
  explicit Scope(const TaskInfo& owner) : executor_(owner.executor), stop_(owner.stop) {}
  // A root: for the loop that owns `executor`.
  explicit Scope(Executor* executor) : executor_(executor) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope();

  // Starts `task` from the loop, later. Its context has the next id of the executor.
  void Spawn(Task<void> task);

  // Asks every child, present and future, to stop. Does not wait.
  void RequestStop() { stop_.RequestStop(); }
  StopToken stop_token() { return stop_.token(); }

  // Returns when no child is left. Not cancellable: a stop request reaches the children, whose end
  // it awaits. One joiner at a time. The scope may be used again afterwards.
  class JoinOp;
  JoinOp Join();

  size_t live() const { return live_; }
  Executor* executor() const { return executor_; }

 private:
  class Child;

  void OnChildEnd();

  Executor* const executor_;
  StopSource stop_;
  List<ListNode> children_;
  size_t live_ = 0;
  JoinOp* joiner_ = nullptr;
};

class [[nodiscard]] Scope::JoinOp {
 public:
  explicit JoinOp(Scope* scope) : scope_(scope) {}
  JoinOp(const JoinOp&) = delete;
  JoinOp& operator=(const JoinOp&) = delete;
  ~JoinOp() { Leave(); }

  bool await_ready() noexcept { return scope_->live_ == 0; }
  template <typename Promise>
  void await_suspend(std::coroutine_handle<Promise> self) {
    FAULTLINE_CHECK(scope_->joiner_ == nullptr) << "a scope has one joiner";
    resumable_.Bind(self, self.promise().task);
    scope_->joiner_ = this;
  }
  void await_resume() noexcept { Leave(); }

 private:
  friend class Scope;

  void Wake() { resumable_.task()->executor->MakeReady(&resumable_); }
  void Leave() {
    if (scope_ != nullptr && scope_->joiner_ == this) scope_->joiner_ = nullptr;
  }

  Scope* scope_;  // null if it died first: in a crash, frames die in any order
  Resumable resumable_;
};

inline Scope::JoinOp Scope::Join() { return JoinOp(this); }

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_SCOPE_H_
