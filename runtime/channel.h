// Channel<T>: a bounded first-in first-out queue between tasks of one shard.
//
//   Channel<Frozen> outbox(256);
//   if (!outbox.TrySend(message)) ...                              // full: never suspends
//   absl::Status sent = co_await outbox.Send(std::move(message));  // waits for room
//   absl::StatusOr<Frozen> next = co_await outbox.Receive();       // waits for an item
//   outbox.Close();                              // receivers drain, then see the end
//
// Items are handed over directly: an item given to a receiver belongs to it even if a stop is
// requested before it runs; an item whose send was cancelled was not sent. Senders and receivers
// are served in order.
//
// Errors: Cancelled (stop requested); OutOfRange (Receive: closed and drained); FailedPrecondition
// (Send: closed).
#ifndef FAULTLINE_RUNTIME_CHANNEL_H_
#define FAULTLINE_RUNTIME_CHANNEL_H_

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/check.h"
#include "runtime/list.h"
#include "runtime/stop.h"
#include "runtime/wait.h"

namespace faultline {

template <typename T>
class Channel {
 public:
  class SendOp;
  class ReceiveOp;

  // `capacity` is at least 1; the storage is taken once, here.
  explicit Channel(size_t capacity) : ring_(capacity) {
    FAULTLINE_CHECK(capacity > 0) << "a channel holds at least one item";
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  size_t size() const { return size_; }
  size_t capacity() const { return ring_.size(); }
  bool closed() const { return closed_; }

  // False when full or closed; `item` is moved from only on success.
  bool TrySend(T& item) {
    if (closed_) return false;
    if (ReceiveOp* receiver = receivers_.PopFront()) {
      receiver->Deliver(std::move(item));
      return true;
    }
    if (size_ == ring_.size()) return false;
    Push(std::move(item));
    return true;
  }

  std::optional<T> TryReceive() {
    if (size_ == 0) return std::nullopt;
    return PopAndRefill();
  }

  // Waits for room. The channel must outlive the operation.
  SendOp Send(T item) { return SendOp(this, std::move(item)); }
  // Waits for an item. The channel must outlive the operation.
  ReceiveOp Receive() { return ReceiveOp(this); }

  // No more sends; items already in are received. Waiting senders fail, waiting receivers see the
  // end.
  void Close() {
    closed_ = true;
    while (SendOp* sender = senders_.PopFront()) sender->Fail(ClosedForSend());
    while (ReceiveOp* receiver = receivers_.PopFront()) receiver->Fail(EndOfItems());
  }

 private:
  static absl::Status ClosedForSend() { return absl::FailedPreconditionError("channel is closed"); }
  static absl::Status EndOfItems() { return absl::OutOfRangeError("end of channel"); }

  void Push(T item) {
    ring_[(head_ + size_) % ring_.size()].emplace(std::move(item));
    ++size_;
  }

  // Takes the first item; the first waiting sender fills the room that this makes.
  T PopAndRefill() {
    std::optional<T>& slot = ring_[head_];
    T item = std::move(*slot);
    slot.reset();
    head_ = (head_ + 1) % ring_.size();
    --size_;
    if (SendOp* sender = senders_.PopFront()) {
      Push(std::move(sender->item_));
      sender->Finish();
    }
    return item;
  }

  std::vector<std::optional<T>> ring_;
  size_t head_ = 0;
  size_t size_ = 0;
  bool closed_ = false;
  List<SendOp> senders_;
  List<ReceiveOp> receivers_;
};

template <typename T>
class [[nodiscard]] Channel<T>::SendOp : public ListNode, private Wait {
 public:
  SendOp(Channel* channel, T item) : channel_(channel), item_(std::move(item)) {}

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    StopToken stop = self.promise().stop;
    Bind(self);
    if (stop.stop_requested()) {
      status_ = absl::CancelledError("stop requested");
      return CompleteAtOnce();
    }
    if (channel_->closed_) {
      status_ = ClosedForSend();
      return CompleteAtOnce();
    }
    if (channel_->TrySend(item_)) return CompleteAtOnce();
    channel_->senders_.PushBack(this);
    Suspend(stop);
    return true;
  }
  absl::Status await_resume() { return std::move(status_); }

 private:
  friend class Channel;

  void OnStop() override {
    Unlink();
    Fail(absl::CancelledError("stop requested"));
  }
  void Finish() { Complete(); }
  void Fail(absl::Status status) {
    status_ = std::move(status);
    Complete();
  }

  Channel* const channel_;
  T item_;
  absl::Status status_;
};

template <typename T>
class [[nodiscard]] Channel<T>::ReceiveOp : public ListNode, private Wait {
 public:
  explicit ReceiveOp(Channel* channel) : channel_(channel) {}

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    StopToken stop = self.promise().stop;
    Bind(self);
    if (stop.stop_requested()) {
      status_ = absl::CancelledError("stop requested");
      return CompleteAtOnce();
    }
    if (channel_->size_ > 0) {
      item_.emplace(channel_->PopAndRefill());
      return CompleteAtOnce();
    }
    if (channel_->closed_) {
      status_ = EndOfItems();
      return CompleteAtOnce();
    }
    channel_->receivers_.PushBack(this);
    Suspend(stop);
    return true;
  }
  absl::StatusOr<T> await_resume() {
    if (item_.has_value()) return *std::move(item_);
    return std::move(status_);
  }

 private:
  friend class Channel;

  void OnStop() override {
    Unlink();
    Fail(absl::CancelledError("stop requested"));
  }
  void Deliver(T item) {
    item_.emplace(std::move(item));
    Complete();
  }
  void Fail(absl::Status status) {
    status_ = std::move(status);
    Complete();
  }

  Channel* const channel_;
  std::optional<T> item_;
  absl::Status status_;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_CHANNEL_H_
