// Shard: one of the threads of a program, as its own tasks see it: which one it is, and how to send
// to the others. In simulation a process has shards too, and the same code runs on them.
//
//   Task<absl::Status> Main(Shard* shard) {                       // runs on each shard
//     if (shard->index() != 0) co_return co_await Serve(shard);
//     absl::Status sent = co_await shard->Send(1, Parcel::Of(Hello{7}));
//     absl::StatusOr<Delivery> next = co_await shard->Receive();  // from whichever
//     ...
//   }
//
// Shards share nothing but parcels. Between each two of them, and for each with itself, there is a
// bounded mailbox: what one shard sends to another arrives once and in order. Between different
// pairs there is no order at all: not even of what was sent because of a message that came later
// (docs/decisions/shards.md).
//
// A shard has ended when its main has. Nobody receives what is sent to it after that: it is
// destroyed on its own thread, and counted. A main that ends with an error asks all others to stop.
#ifndef FAULTLINE_RUNTIME_SHARD_H_
#define FAULTLINE_RUNTIME_SHARD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/check.h"
#include "runtime/list.h"
#include "runtime/parcel.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "runtime/wait.h"

namespace faultline {

// What `Shard::Receive` brings.
struct Delivery {
  uint32_t from = 0;
  Parcel parcel;
};

// The mailboxes of one shard, as its world has them. Called by that shard alone.
class ShardLink {
 public:
  enum class Push : uint8_t { kTaken, kFull, kEnded };

  virtual ~ShardLink() = default;

  // Moves from `parcel` if it is taken. With `await_room`, one that is full makes the world call
  // `Shard::Look` once there may be room, or that shard has ended.
  virtual Push TryPush(uint32_t to, Parcel* parcel, bool await_room) = 0;
  // The first parcel from that shard. The world calls `Look` whenever there may be a new one.
  virtual bool TryPop(uint32_t from, Parcel* into) = 0;
  // Pushes to this shard are answered with `kEnded` from now on; a few may still come.
  virtual void Close() = 0;
  // Of all shards.
  virtual void RequestStop() = 0;
};

class Shard {
 public:
  class SendOp;
  class ReceiveOp;

  // `link` outlives it. Made by worlds.
  Shard(uint32_t index, uint32_t count, const Runtime& runtime, ShardLink* link);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  uint32_t index() const { return index_; }  // from 0
  uint32_t count() const { return static_cast<uint32_t>(senders_.size()); }
  const Runtime& runtime() const { return runtime_; }

  // Waits for room in the mailbox to shard `to`; several sends to one shard are served in order.
  // Errors: Cancelled (a stop or a deadline: it was not sent, and is destroyed here);
  // FailedPrecondition (that shard has ended: likewise).
  SendOp Send(uint32_t to, Parcel parcel);
  // False if there is no room, if others wait for it, or if that shard has ended; `parcel` is moved
  // from only on success.
  bool TrySend(uint32_t to, Parcel& parcel);

  // Waits for the next parcel. Shards that have sent take turns; several receivers are served in
  // order. What was handed to a receiver is its own even if a stop is requested before it runs.
  // Error: Cancelled; what has come stays, for `TryReceive`.
  ReceiveOp Receive();
  std::optional<Delivery> TryReceive();

  // Asks the main tasks of all shards to stop, this one's too. Does not wait.
  void RequestStop() { link_->RequestStop(); }

  // --- For the world ---

  // Completes what can be completed: mail or room may have come.
  void Look();
  // Whether somebody would be told by `Look`.
  bool waiting() const { return waiting_senders_ > 0 || !receivers_.empty() || ended_; }
  // The main has ended: what has come, and what still comes, is destroyed.
  void End();
  // How many parcels were.
  uint64_t undelivered() const { return undelivered_; }

 private:
  static absl::Status Ended(uint32_t shard);
  void CheckCaller(const TaskContext* task) const {
    FAULTLINE_CHECK(task->executor == runtime_.executor)
        << "the mailboxes of shard " << index_ << " belong to its own tasks";
  }
  bool Pop(Delivery* into);
  void ServeReceivers();
  void ServeSenders(uint32_t to);
  void Discard();

  const uint32_t index_;
  const Runtime runtime_;
  ShardLink* const link_;
  uint32_t next_from_ = 0;  // whose turn it is
  bool ended_ = false;
  uint64_t undelivered_ = 0;
  size_t waiting_senders_ = 0;
  std::vector<List<SendOp>> senders_;  // by the shard that they wait for
  List<ReceiveOp> receivers_;
};

class [[nodiscard]] Shard::SendOp : public ListNode, private Wait {
 public:
  SendOp(Shard* shard, uint32_t to, Parcel parcel)
      : shard_(shard), to_(to), parcel_(std::move(parcel)) {
    FAULTLINE_CHECK(to < shard->count()) << "there is no shard " << to;
    FAULTLINE_CHECK(!parcel_.empty()) << "an empty parcel";
  }
  ~SendOp() {
    if (pending()) Leave();
  }

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    StopToken stop = self.promise().stop;
    shard_->CheckCaller(self.promise().task);
    Bind(self);
    if (stop.stop_requested()) {
      status_ = absl::CancelledError("stop requested");
      return CompleteAtOnce();
    }
    if (shard_->senders_[to_].empty() && Try()) return CompleteAtOnce();
    shard_->senders_[to_].PushBack(this);
    ++shard_->waiting_senders_;
    Suspend(stop);
    return true;
  }
  absl::Status await_resume() { return std::move(status_); }

 private:
  friend class Shard;

  // True if it is over, one way or the other.
  bool Try() {
    const ShardLink::Push pushed = shard_->link_->TryPush(to_, &parcel_, true);
    if (pushed == ShardLink::Push::kEnded) status_ = Ended(to_);
    return pushed != ShardLink::Push::kFull;
  }
  void Leave() {
    Unlink();
    --shard_->waiting_senders_;
  }
  void Finish() {
    Leave();
    Complete();
  }
  void OnStop() override {
    status_ = absl::CancelledError("stop requested");
    Finish();
  }

  Shard* const shard_;
  const uint32_t to_;
  Parcel parcel_;
  absl::Status status_;
};

class [[nodiscard]] Shard::ReceiveOp : public ListNode, private Wait {
 public:
  explicit ReceiveOp(Shard* shard) : shard_(shard) {}

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    StopToken stop = self.promise().stop;
    shard_->CheckCaller(self.promise().task);
    Bind(self);
    if (stop.stop_requested()) {
      cancelled_ = true;
      return CompleteAtOnce();
    }
    if (shard_->receivers_.empty() && shard_->Pop(&delivery_)) return CompleteAtOnce();
    shard_->receivers_.PushBack(this);
    Suspend(stop);
    return true;
  }
  absl::StatusOr<Delivery> await_resume() {
    if (cancelled_) return absl::CancelledError("stop requested");
    return std::move(delivery_);
  }

 private:
  friend class Shard;

  void Finish() {
    Unlink();
    Complete();
  }
  void OnStop() override {
    cancelled_ = true;
    Finish();
  }

  Shard* const shard_;
  Delivery delivery_;
  bool cancelled_ = false;
};

inline Shard::SendOp Shard::Send(uint32_t to, Parcel parcel) {
  return SendOp(this, to, std::move(parcel));
}
inline Shard::ReceiveOp Shard::Receive() { return ReceiveOp(this); }

// The main of a shard; called once on each. Its captures outlive the run, and are seen by every
// shard.
using ShardMain = std::function<Task<absl::Status>(Shard*)>;

// How all shards have ended.
struct ShardsReport {
  struct One {
    absl::Status status;       // of its main
    uint64_t undelivered = 0;  // parcels that it was sent and did not receive
  };

  std::vector<One> shards;

  // OK if all are. Otherwise the first error by number, but for Cancelled only if there is no
  // other, with its shard and with how many others have failed.
  absl::Status status() const;
  uint64_t undelivered() const;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_SHARD_H_
