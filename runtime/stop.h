// Stop requests: how work is asked to end.
//
// Cancelling is requesting, then awaiting. A `StopSource` is where a stop is requested; a
// `StopToken` is the right to look and to be told. Each task carries a token, inherited by whatever
// it awaits; each wait of the library listens to it and then completes with `absl::CancelledError`
// (or with what it had already transferred). Nobody needs to pass tokens by hand.
//
// A source may have a parent: a stop of the parent stops it too. Sources live in the frame of the
// task that made them, so each outlives the tasks below it.
//
//   StopSource stop(co_await CurrentStop());
//   ... co_await WithStop(&stop, Pump(stream));     // elsewhere: stop.RequestStop();
#ifndef FAULTLINE_RUNTIME_STOP_H_
#define FAULTLINE_RUNTIME_STOP_H_

#include "runtime/list.h"

namespace faultline {

class StopSource;

// Called at most once, when the stop is requested. Unlinks itself when destroyed.
class StopCallback : public ListNode {
 public:
  using Function = void (*)(StopCallback*);
  explicit StopCallback(Function function) : function_(function) {}

 private:
  friend class StopSource;
  const Function function_;
};

// Copyable; must not outlive its source. A default token never stops.
class StopToken {
 public:
  StopToken() = default;
  explicit StopToken(StopSource* source) : source_(source) {}
  inline bool stop_requested() const;
  // Calls `callback` on a later request; the caller has seen that none was made yet.
  inline void Subscribe(StopCallback* callback) const;
  StopSource* source() const { return source_; }

 private:
  StopSource* source_ = nullptr;
};

class StopSource {
 public:
  explicit StopSource(StopToken parent = StopToken()) : link_(this) {
    if (parent.stop_requested()) {
      requested_ = true;
    } else {
      parent.Subscribe(&link_);
    }
  }
  StopSource(const StopSource&) = delete;
  StopSource& operator=(const StopSource&) = delete;

  StopToken token() { return StopToken(this); }
  bool stop_requested() const { return requested_; }

  // Calls each subscriber once, in order of subscription. Asking again does nothing.
  void RequestStop() {
    if (requested_) return;
    requested_ = true;
    while (StopCallback* callback = callbacks_.PopFront()) callback->function_(callback);
  }

 private:
  friend class StopToken;

  struct Link : StopCallback {
    explicit Link(StopSource* owner) : StopCallback(&Forward), source(owner) {}
    static void Forward(StopCallback* self) { static_cast<Link*>(self)->source->RequestStop(); }
    StopSource* const source;
  };

  bool requested_ = false;
  List<StopCallback> callbacks_;
  Link link_;
};

inline bool StopToken::stop_requested() const {
  return source_ != nullptr && source_->stop_requested();
}

inline void StopToken::Subscribe(StopCallback* callback) const {
  if (source_ != nullptr) source_->callbacks_.PushBack(callback);
}

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_STOP_H_
