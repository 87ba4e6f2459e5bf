#include "runtime/scope.h"

#include <utility>

#include "runtime/check.h"

namespace faultline {

// The outermost frame of a spawned task. It carries the task's identity and ends by itself.
class Scope::Child {
 public:
  struct promise_type : internal::PromiseBase, ListNode {
    explicit promise_type(Scope* owner, Task<void>&) : scope(owner) {
      context.executor = owner->executor_;
      context.id = owner->executor_->NextTaskId();
      task = &context;
      stop = owner->stop_token();
    }
    Child get_return_object() {
      return Child(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    auto final_suspend() noexcept { return End(); }
    void return_void() {}

    Scope* const scope;
    TaskContext context;
    Resumable start;
  };

  struct End {
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<promise_type> self) noexcept {
      Scope* scope = self.promise().scope;
      self.destroy();
      scope->OnChildEnd();
    }
    void await_resume() noexcept {}
  };

  static Child Run(Scope*, Task<void> task) { co_await std::move(task); }

  promise_type& promise() { return handle_.promise(); }
  std::coroutine_handle<promise_type> handle() { return handle_; }

 private:
  explicit Child(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

void Scope::Spawn(Task<void> task) {
  Child child = Child::Run(this, std::move(task));
  children_.PushBack(&child.promise());
  ++live_;
  if (joiner_ != nullptr) joiner_->resumable_.LeaveQueue();
  child.promise().start.Bind(child.handle(), &child.promise().context);
  executor_->MakeReady(&child.promise().start);
}

void Scope::OnChildEnd() {
  --live_;
  if (live_ == 0 && joiner_ != nullptr) joiner_->Wake();
}

Scope::~Scope() {
  FAULTLINE_CHECK(live_ == 0 || executor_->current() == nullptr)
      << "a scope ended with " << live_ << " live tasks: join it first";
  if (joiner_ != nullptr) joiner_->scope_ = nullptr;
  while (ListNode* node = children_.front()) {
    auto& promise = static_cast<Child::promise_type&>(*node);
    std::coroutine_handle<Child::promise_type>::from_promise(promise).destroy();
  }
}

}  // namespace faultline
