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
#ifndef FAULTLINE_SCENARIOS_LEDGER_OUTBOX_H_
#define FAULTLINE_SCENARIOS_LEDGER_OUTBOX_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/event.h"
#include "runtime/frozen.h"

namespace faultline::ledger {

class Outbox {
 public:
  Outbox(size_t capacity, size_t max_bytes) : ring_(capacity), max_bytes_(max_bytes) {
    FAULTLINE_CHECK(capacity > 0) << "an outbox holds at least one frame";
  }
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == ring_.size() || bytes_ >= max_bytes_; }
  bool closed() const { return closed_; }
  // Nothing is queued and nothing will come.
  bool drained() const { return closed_ && empty(); }
  size_t size() const { return size_; }
  size_t capacity() const { return ring_.size(); }
  size_t bytes() const { return bytes_; }

  // False when full or closed.
  bool TryPush(Frozen frame) {
    if (closed_ || size_ == ring_.size()) return false;
    if (size_ > 0 && bytes_ + frame.size() > max_bytes_) return false;
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

  // Moves up to `limit` frames to `batch`, in order, as many as it has room for.
  void MoveTo(FrozenBatch* batch, size_t limit) {
    for (; limit > 0 && size_ > 0 && !batch->full(); --limit) {
      bytes_ -= ring_[head_].size();
      batch->Add(std::exchange(ring_[head_], Frozen()));
      head_ = (head_ + 1) % ring_.size();
      --size_;
    }
    room_.Set();
  }

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
  std::vector<Frozen> ring_;
  const size_t max_bytes_;
  size_t head_ = 0;
  size_t size_ = 0;
  size_t bytes_ = 0;
  bool closed_ = false;
  Event frames_;
  Event room_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_OUTBOX_H_
