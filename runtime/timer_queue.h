// TimerQueue: the timers of one clock on one structure, ordered by (time, order of arming).
//
// For clocks: epoll's loop and a simulated process keep theirs here. A 4-ary heap with the timer's
// own `clock_slot` as its position, so that disarming costs O(log n) and nothing is allocated once
// the vector has grown.
#ifndef FAULTLINE_RUNTIME_TIMER_QUEUE_H_
#define FAULTLINE_RUNTIME_TIMER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/check.h"
#include "runtime/clock.h"
#include "runtime/fetch.h"

namespace faultline {

class TimerQueue {
 public:
  TimerQueue() = default;
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  ~TimerQueue() { FAULTLINE_CHECK(heap_.empty()) << "timers outlived their clock"; }

  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  // Of the first timer; kInfiniteFuture if there is none.
  MonotonicTime next_time() const {
    return heap_.empty() ? kInfiniteFuture : heap_.front()->when();
  }

  // Hints for the processor's caches: the first timer fires soon. One after the other, each when
  // what the one before it asked for has come.
  void FetchHeap() const { FetchLines(heap_.data(), kCacheLine); }
  void FetchFirst() const {
    if (heap_.empty()) return;
    FetchLines(heap_.front(), sizeof(Timer), kAround);
  }
  void FetchBehindFirst() const {
    if (!heap_.empty()) heap_.front()->Fetch();
  }

  void Add(Timer* timer) {
    timer->clock_sequence = ++last_sequence_;
    heap_.push_back(timer);
    SiftUp(heap_.size() - 1);
  }

  void Remove(Timer* timer) {
    size_t index = timer->clock_slot;
    FAULTLINE_CHECK(index < heap_.size() && heap_[index] == timer) << "the timer is not armed here";
    RemoveAt(index);
  }

  // Takes out the first timer if it is due at `now`; null otherwise.
  Timer* PopDue(MonotonicTime now) {
    if (heap_.empty() || heap_.front()->when() > now) return nullptr;
    Timer* first = heap_.front();
    RemoveAt(0);
    return first;
  }

 private:
  static constexpr size_t kArity = 4;
  static constexpr size_t kAround = 128;  // bytes: what a timer usually is a part of, a sleep

  static bool Before(const Timer* a, const Timer* b) {
    return a->when() != b->when() ? a->when() < b->when() : a->clock_sequence < b->clock_sequence;
  }

  void Place(size_t index, Timer* timer) {
    heap_[index] = timer;
    timer->clock_slot = index;
  }

  void RemoveAt(size_t index) {
    Timer* last = heap_.back();
    heap_.pop_back();
    if (index == heap_.size()) return;
    Place(index, last);
    if (index > 0 && Before(last, heap_[(index - 1) / kArity])) {
      SiftUp(index);
    } else {
      SiftDown(index);
    }
  }

  void SiftUp(size_t index) {
    Timer* moving = heap_[index];
    while (index > 0) {
      size_t parent = (index - 1) / kArity;
      if (!Before(moving, heap_[parent])) break;
      Place(index, heap_[parent]);
      index = parent;
    }
    Place(index, moving);
  }

  void SiftDown(size_t index) {
    Timer* moving = heap_[index];
    while (true) {
      size_t first = index * kArity + 1;
      if (first >= heap_.size()) break;
      size_t end = first + kArity < heap_.size() ? first + kArity : heap_.size();
      size_t least = first;
      for (size_t child = first + 1; child < end; ++child) {
        if (Before(heap_[child], heap_[least])) least = child;
      }
      if (!Before(heap_[least], moving)) break;
      Place(index, heap_[least]);
      index = least;
    }
    Place(index, moving);
  }

  std::vector<Timer*> heap_;
  uint64_t last_sequence_ = 0;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_TIMER_QUEUE_H_
