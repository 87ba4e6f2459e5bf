// EventQueue: what is going to happen, ordered by (time, sequence).
//
// An `Actor` is an actor that knows what to do next; it appears at most once in the queue. Whoever
// has several things to come (a flow of segments, the timers of a process) keeps them itself and
// queues only the first. Two events of the same instant fire in the order of their sequence
// numbers, which are given out in the order in which things were decided: nothing else breaks a
// tie.
//
// A 4-ary heap of (time, sequence, event): pushing and popping cost O(log n), cancelling too;
// nothing is allocated once the vector has grown.
#ifndef FAULTLINE_SIM_EVENT_QUEUE_H_
#define FAULTLINE_SIM_EVENT_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/check.h"
#include "runtime/time.h"

namespace faultline::sim {

class EventQueue;

class Actor {
 public:
  Actor() = default;
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  // Leaves the queue.
  virtual ~Actor();

  // Called from the loop, no longer queued, at its time.
  virtual void Fire() = 0;
  // The queue is being destroyed with this in it. An actor that owns itself deletes itself.
  virtual void OnQueueDestroyed() {}

  bool queued() const { return queue_ != nullptr; }

 private:
  friend class EventQueue;
  EventQueue* queue_ = nullptr;
  size_t index_ = 0;
};

class EventQueue {
 public:
  EventQueue() = default;
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  ~EventQueue() {
    for (Entry& entry : heap_) entry.event->queue_ = nullptr;
    for (Entry& entry : heap_) entry.event->OnQueueDestroyed();
  }

  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  // Of the first event; the queue is not empty.
  MonotonicTime next_time() const { return MonotonicTime(Duration(heap_.front().when)); }

  // The next place in the order of decisions.
  uint64_t NextSequence() { return ++last_sequence_; }

  // Queues `event`, which must not be queued.
  void Schedule(Actor* event, MonotonicTime when) { Schedule(event, when, NextSequence()); }
  // With a place in the order that was taken earlier by `NextSequence`.
  void Schedule(Actor* event, MonotonicTime when, uint64_t sequence) {
    FAULTLINE_CHECK(event->queue_ == nullptr) << "an event is queued once";
    event->queue_ = this;
    heap_.push_back({when.time_since_epoch().count(), sequence, event});
    SiftUp(heap_.size() - 1);
  }
  // Does nothing if it is not queued.
  void Cancel(Actor* event);

  // Takes the first event out; the queue is not empty.
  Actor* Pop() {
    Actor* first = heap_.front().event;
    first->queue_ = nullptr;
    RemoveAt(0);
    return first;
  }

 private:
  struct Entry {
    int64_t when;
    uint64_t sequence;
    Actor* event;
    bool Before(const Entry& other) const {
      return when != other.when ? when < other.when : sequence < other.sequence;
    }
  };

  static constexpr size_t kArity = 4;

  void Place(size_t index, const Entry& entry) {
    heap_[index] = entry;
    entry.event->index_ = index;
  }

  void RemoveAt(size_t index) {
    Entry last = heap_.back();
    heap_.pop_back();
    if (index == heap_.size()) return;
    Place(index, last);
    if (index > 0 && last.Before(heap_[(index - 1) / kArity])) {
      SiftUp(index);
    } else {
      SiftDown(index);
    }
  }

  void SiftUp(size_t index) {
    Entry moving = heap_[index];
    while (index > 0) {
      size_t parent = (index - 1) / kArity;
      if (!moving.Before(heap_[parent])) break;
      Place(index, heap_[parent]);
      index = parent;
    }
    Place(index, moving);
  }

  void SiftDown(size_t index) {
    Entry moving = heap_[index];
    const size_t size = heap_.size();
    while (true) {
      size_t first = index * kArity + 1;
      if (first >= size) break;
      size_t end = first + kArity < size ? first + kArity : size;
      size_t least = first;
      for (size_t child = first + 1; child < end; ++child) {
        if (heap_[child].Before(heap_[least])) least = child;
      }
      if (!heap_[least].Before(moving)) break;
      Place(index, heap_[least]);
      index = least;
    }
    Place(index, moving);
  }

  std::vector<Entry> heap_;
  uint64_t last_sequence_ = 0;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_EVENT_QUEUE_H_
