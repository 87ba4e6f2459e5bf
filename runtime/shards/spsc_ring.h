// SpscRing: a bounded queue from one thread to another, without a lock.
//
//   SpscRing<Parcel> ring(256);
//   if (!ring.TryPush(&parcel)) ...          // the producer's thread: full
//   if (ring.TryPop(&parcel)) ...            // the consumer's thread
//
// Positions count from 0 and never wrap (at a thousand million a second they last 500 years); the
// slot of a position is its remainder. `tail_` is written by the producer alone, `head_` by the
// consumer alone, each on a cache line of its own with what that thread last saw of the other.
//
// Invariants
//  1. head <= tail <= head + capacity.
//  2. The slots from head to tail belong to the consumer, the others to the producer.
//
// Why that is correct (C++20, [intro.races]): the producer fills a slot and then stores `tail_`; a
// consumer that loads the new value has the store, and what was before it, happen before whatever
// it does next: the load acquires what the store released. The same holds for `head_` and the slot
// that was emptied. So no slot is ever touched by both at once.
//
// The stores, and the loads that look again, are sequentially consistent, which is more than that
// needs: whoever goes to sleep relies on it (post_office.h).
#ifndef FAULTLINE_RUNTIME_SHARDS_SPSC_RING_H_
#define FAULTLINE_RUNTIME_SHARDS_SPSC_RING_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/check.h"

namespace faultline::shards {

inline constexpr size_t kLine = 64;

// `T` is default-constructible; one that was moved from owns nothing.
template <typename T>
class SpscRing {
 public:
  // At least 1. The storage is taken once, here.
  explicit SpscRing(size_t capacity) : capacity_(capacity), slots_(std::bit_ceil(capacity)) {
    FAULTLINE_CHECK(capacity > 0) << "a ring holds at least one item";
  }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  size_t capacity() const { return capacity_; }

  // --- The producer ---

  // False when full; `item` is moved from only on success.
  bool TryPush(T* item) {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ == capacity_) {
      head_seen_ = head_.load(std::memory_order_seq_cst);
      if (tail - head_seen_ == capacity_) return false;
    }
    slots_[tail & (slots_.size() - 1)] = std::move(*item);
    tail_.store(tail + 1, std::memory_order_seq_cst);
    return true;
  }

  // --- The consumer ---

  // False when empty.
  bool TryPop(T* into) {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_seq_cst);
      if (head == tail_seen_) return false;
    }
    *into = std::move(slots_[head & (slots_.size() - 1)]);
    head_.store(head + 1, std::memory_order_seq_cst);
    return true;
  }

 private:
  const size_t capacity_;
  std::vector<T> slots_;  // a power of two
  alignas(kLine) std::atomic<uint64_t> tail_{0};
  uint64_t head_seen_ = 0;  // the producer's
  alignas(kLine) std::atomic<uint64_t> head_{0};
  uint64_t tail_seen_ = 0;  // the consumer's
};

}  // namespace faultline::shards

#endif  // FAULTLINE_RUNTIME_SHARDS_SPSC_RING_H_
