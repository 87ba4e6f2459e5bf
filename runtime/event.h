// Event: a flag that tasks wait for. Stays set until it is reset.
//
//   Event ready;
//   absl::Status status = co_await ready.Wait();   // OK, or Cancelled after a stop request
//   ... ready.Set();
#ifndef FAULTLINE_RUNTIME_EVENT_H_
#define FAULTLINE_RUNTIME_EVENT_H_

#include "absl/status/status.h"
#include "runtime/list.h"
#include "runtime/stop.h"
#include "runtime/wait.h"

namespace faultline {

class Event {
 public:
  class WaitOp;

  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  bool is_set() const { return set_; }
  // Wakes every waiter, in order of arrival.
  inline void Set();
  void Reset() { set_ = false; }

  // Completes at once if the event is set, even after a stop request. Errors: Cancelled.
  // The event must outlive the wait, unless both die in the same crash.
  inline WaitOp Wait();

 private:
  bool set_ = false;
  List<WaitOp> waiters_;
};

class [[nodiscard]] Event::WaitOp : public ListNode, private faultline::Wait {
 public:
  explicit WaitOp(Event* event) : event_(event) {}

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    StopToken stop = self.promise().stop;
    Bind(self);
    if (event_->set_) return CompleteAtOnce();
    if (stop.stop_requested()) {
      cancelled_ = true;
      return CompleteAtOnce();
    }
    event_->waiters_.PushBack(this);
    Suspend(stop);
    return true;
  }
  absl::Status await_resume() {
    return cancelled_ ? absl::CancelledError("stop requested") : absl::OkStatus();
  }

 private:
  friend class Event;

  void OnStop() override {
    cancelled_ = true;
    Unlink();
    Complete();
  }

  Event* const event_;
  bool cancelled_ = false;
};

inline void Event::Set() {
  set_ = true;
  while (WaitOp* waiter = waiters_.PopFront()) waiter->Complete();
}

inline Event::WaitOp Event::Wait() { return WaitOp(this); }

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_EVENT_H_
