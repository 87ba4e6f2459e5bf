// Outbox: the frames that wait for one connection's writer. Bounded in number and in bytes.
//
//   if (!outbox.TryPush(frame)) ...              // full or closed: dropped; never suspends
//
//   while (!outbox.drained()) {                  // the writer
//     if (outbox.empty()) co_await outbox.WaitForFrames();
//     outbox.MoveTo(&batch, 256);
//     ... send the batch ...
//   }
//
// A frame larger than the byte limit is taken when the queue is empty: else it would never go.
//
// A budget, if there is one, bounds what the outboxes that share it hold together, in bytes of
// memory, from the push of a frame until it is written or dropped.
#ifndef FAULTLINE_SCENARIOS_LEDGER_OUTBOX_H_
#define FAULTLINE_SCENARIOS_LEDGER_OUTBOX_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/event.h"
#include "runtime/frozen.h"

namespace faultline::ledger {

// What a frame takes of a buffer pool: a power of two from 4 KiB on, unless it is too large to be
// pooled. In bytes.
inline size_t MemoryOf(const Frozen& frame) {
  constexpr size_t kLargestPooled = size_t{1} << 20;
  if (frame.size() > kLargestPooled) return frame.size();
  return std::bit_ceil(std::max(frame.size(), kBufferAlignment));
}

// Bytes that many may use, together no more than a limit.
class ByteBudget {
 public:
  explicit ByteBudget(size_t limit) : limit_(limit) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  size_t used() const { return used_; }
  bool HasRoomFor(size_t bytes) const { return bytes <= limit_ - used_; }
  bool TryTake(size_t bytes) {
    if (!HasRoomFor(bytes)) return false;
    used_ += bytes;
    return true;
  }
  void Return(size_t bytes) {
    FAULTLINE_CHECK(bytes <= used_) << "more is returned than was taken";
    used_ -= bytes;
  }

 private:
  const size_t limit_;
  size_t used_ = 0;
};

class Outbox {
 public:
  // `budget` may be null; else it outlives the outbox.
  Outbox(size_t capacity, size_t max_bytes, ByteBudget* budget = nullptr)
      : ring_(capacity), max_bytes_(max_bytes), budget_(budget) {
    FAULTLINE_CHECK(capacity > 0) << "an outbox holds at least one frame";
  }
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  ~Outbox() {
    if (budget_ != nullptr) budget_->Return(held_);
  }

  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == ring_.size() || bytes_ >= max_bytes_; }
  bool closed() const { return closed_; }
  // Nothing is queued and nothing will come.
  bool drained() const { return closed_ && empty(); }
  size_t size() const { return size_; }
  size_t capacity() const { return ring_.size(); }
  size_t bytes() const { return bytes_; }
  // Memory of what is queued or being written, in bytes.
  size_t held() const { return held_; }
  // Whether it would take `frame` if the budget did.
  bool HasRoomFor(const Frozen& frame) const {
    if (closed_ || size_ == ring_.size()) return false;
    return size_ == 0 || bytes_ + frame.size() <= max_bytes_;
  }

  // False when full or closed, or when the budget is used up.
  bool TryPush(Frozen frame) {
    if (!HasRoomFor(frame)) return false;
    const size_t memory = MemoryOf(frame);
    if (budget_ != nullptr && !budget_->TryTake(memory)) return false;
    held_ += memory;
    bytes_ += frame.size();
    ring_[(head_ + size_++) % ring_.size()] = std::move(frame);
    frames_.Set();
    return true;
  }

  // No more frames; those that are queued are still written.
  void Close() {
    closed_ = true;
    frames_.Set();
    room_.Set();
  }

  // No more frames, and those that are queued are dropped.
  void CloseAndDrop() {
    for (; size_ > 0; --size_) {
      bytes_ -= ring_[head_].size();
      LetGo(MemoryOf(ring_[head_]));
      ring_[head_] = Frozen();
      head_ = (head_ + 1) % ring_.size();
    }
    Close();
  }

  // Moves up to `limit` frames to `batch`, in order, as many as it has room for.
  void MoveTo(FrozenBatch* batch, size_t limit) {
    for (; limit > 0 && size_ > 0 && !batch->full(); --limit) {
      bytes_ -= ring_[head_].size();
      moved_ += MemoryOf(ring_[head_]);
      batch->Add(std::exchange(ring_[head_], Frozen()));
      head_ = (head_ + 1) % ring_.size();
      --size_;
    }
    room_.Set();
  }
  // Everything that was moved out has been written.
  void OnWritten() { LetGo(std::exchange(moved_, 0)); }

  // Completes when a frame is pushed or the outbox is closed. Errors: Cancelled.
  Event::WaitOp WaitForFrames() {
    frames_.Reset();
    return frames_.Wait();
  }
  // Completes when frames are taken out or the outbox is closed. Errors: Cancelled.
  Event::WaitOp WaitForRoom() {
    room_.Reset();
    return room_.Wait();
  }

 private:
  void LetGo(size_t memory) {
    held_ -= memory;
    if (budget_ != nullptr) budget_->Return(memory);
  }

  std::vector<Frozen> ring_;
  const size_t max_bytes_;
  ByteBudget* const budget_;
  size_t head_ = 0;
  size_t size_ = 0;
  size_t bytes_ = 0;
  size_t held_ = 0;
  size_t moved_ = 0;  // of that, not queued any more
  bool closed_ = false;
  Event frames_;
  Event room_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_OUTBOX_H_
