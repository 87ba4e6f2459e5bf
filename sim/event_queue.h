// EventQueue: what is going to happen, ordered by (time, sequence).
//
// An `Actor` knows what to do next; it appears at most once in the queue. Whoever has several
// things to come (a flow of segments, the timers of a process) keeps them itself and queues only
// the first. Two events of the same instant fire in the order of their sequence numbers, which are
// given out in the order in which things were decided: nothing else breaks a tie.
//
// What comes next lies in a short sorted run; what comes later in the buckets of a radix heap
// (Ahuja, Mehlhorn, Orlin, Tarjan, 1990), by the highest hexadecimal digit in which its time
// differs from `floor_`, and by what that digit is. Time only goes forward, so that an event moves
// to lower buckets alone: scheduling, cancelling and popping cost the same few nanoseconds with ten
// events pending as with ten thousand, and events that are far away are not touched. Nothing is
// allocated once the vectors have grown.
//
// The run also tells which actors are next, so that the world can fetch their memory while it works
// for those before them (see `World::FetchAhead`). It is filled up again before it is empty, so
// that there is always somebody to look ahead to.
//
// Invariants
//  1. Every event of the run comes before every event of the buckets.
//  2. The run is empty only if the queue is.
//  3. No event of the buckets comes before `floor_`; those of bucket 0 come at `floor_`, those of
//     bucket 1 + 16 n + d have d as digit n, where `floor_` has less, and all higher digits of it.
#ifndef FAULTLINE_SIM_EVENT_QUEUE_H_
#define FAULTLINE_SIM_EVENT_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/check.h"
#include "runtime/fetch.h"
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

  // A hint for the processor's caches: this fires soon. The queue asks for the first line of the
  // actor; then this is called with 1, 2 and so on up to `kFetchDepth`, each time when what was
  // asked for before has come: to ask for what lies one pointer further. Nothing may change.
  static constexpr int kFetchDepth = 5;
  virtual void Fetch(int) const {}

  bool queued() const { return queue_ != nullptr; }

 private:
  friend class EventQueue;
  EventQueue* queue_ = nullptr;
  uint32_t slot_ = 0;  // valid while queued
};

class EventQueue {
 public:
  EventQueue() = default;
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  ~EventQueue();

  bool empty() const { return run_head_ == run_tail_; }
  size_t size() const { return run_tail_ - run_head_ + in_buckets_; }
  // Of the first event; the queue is not empty.
  MonotonicTime next_time() const { return MonotonicTime(Duration(run_[run_head_].when)); }

  // The actor that fires after `ahead` others, as things stand; null if it is not known, or if
  // there is none. Nothing of the actor is touched.
  const Actor* Upcoming(size_t ahead) const {
    return run_head_ + ahead < run_tail_ ? run_[run_head_ + ahead].actor : nullptr;
  }

  // The next place in the order of decisions.
  uint64_t NextSequence() { return ++last_sequence_; }

  // Queues `event`, which must not be queued.
  void Schedule(Actor* event, MonotonicTime when) { Schedule(event, when, NextSequence()); }
  // With a place in the order that was taken earlier by `NextSequence`.
  void Schedule(Actor* event, MonotonicTime when, uint64_t sequence) {
    FAULTLINE_CHECK(event->queue_ == nullptr) << "an event is queued once";
    event->queue_ = this;
    event->slot_ = TakeSlot();
    const Entry entry{when.time_since_epoch().count(), sequence, event, event->slot_};
    if (BelongsToRun(entry)) {
      InsertIntoRun(entry);
    } else {
      InsertIntoBuckets(entry);
    }
  }
  // Does nothing if it is not queued.
  void Cancel(Actor* event);

  // Takes the first event out; the queue is not empty.
  Actor* Pop() {
    Actor* first = run_[run_head_++].actor;
    Release(first);
    if (in_buckets_ > 0 && run_tail_ - run_head_ < kRunLow) RefillRun();
    return first;
  }

 private:
  // 32 bytes, so that two share a cache line. The slot is here so that moving an event does not
  // touch its actor.
  struct Entry {
    int64_t when;
    uint64_t sequence;
    Actor* actor;
    uint32_t slot;

    bool Before(const Entry& other) const {
      return when != other.when ? when < other.when : sequence < other.sequence;
    }
  };
  // Where the event of a slot is: so that it can be cancelled.
  struct Place {
    uint32_t bucket;
    uint32_t index;  // in the bucket
  };

  static constexpr uint32_t kDigitBits = 4;
  static constexpr uint32_t kBuckets = 1 + (64 / kDigitBits << kDigitBits);
  static constexpr uint32_t kRun = kBuckets;  // as a bucket: one more than there are
  static constexpr size_t kRunCapacity = 64;
  static constexpr size_t kRunTarget = 24;  // it is filled up to so many, or at most twice that
  static constexpr size_t kRunKept = 16;    // so many stay when it overflows
  static constexpr size_t kRunLow = 16;     // with fewer it is filled up

  bool BelongsToRun(const Entry& entry) const {
    if (in_buckets_ == 0 && run_tail_ - run_head_ < kRunTarget) return true;
    return entry.Before(run_[run_tail_ - 1]);
  }
  uint32_t BucketOf(int64_t when) const {
    uint64_t differing = static_cast<uint64_t>(when) ^ static_cast<uint64_t>(floor_);
    if (differing == 0) return 0;
    const uint32_t digit = (63 - static_cast<uint32_t>(__builtin_clzll(differing))) / kDigitBits;
    const uint64_t value = static_cast<uint64_t>(when) >> digit * kDigitBits;
    return 1 + (digit << kDigitBits) + static_cast<uint32_t>(value & ((1 << kDigitBits) - 1));
  }

  uint32_t TakeSlot() {
    if (free_slots_.empty()) return NewSlot();
    uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  void Release(Actor* actor) {
    actor->queue_ = nullptr;
    free_slots_.push_back(actor->slot_);
  }

  uint32_t NewSlot();
  uint32_t LowestBucket() const;
  void Empty(uint32_t index);
  void InsertIntoRun(const Entry& entry);
  void InsertIntoBuckets(const Entry& entry);
  void Put(const Entry& entry);
  void RemoveFromRun(const Actor* actor);
  void RemoveFromBucket(Place place);
  void RefillRun();
  void TakeAll(uint32_t index);
  void TakeInstant();
  void SortInstant();
  void Split(uint32_t index);
  void SpillRun();
  void LowerFloor(int64_t floor);

  // Sorted: the entries from `run_head_` to `run_tail_`.
  std::array<Entry, kRunCapacity> run_;
  size_t run_head_ = 0;
  size_t run_tail_ = 0;

  std::array<std::vector<Entry>, kBuckets> buckets_;
  std::array<uint64_t, kBuckets / 64 + 1> occupied_{};  // bit b: bucket b is not empty
  size_t in_buckets_ = 0;
  int64_t floor_ = 0;
  // Bucket 0 is taken out piece by piece: what lies before `instant_head_` has left.
  size_t instant_head_ = 0;
  bool instant_sorted_ = true;

  std::vector<Place> places_;  // by slot
  std::vector<uint32_t> free_slots_;
  uint64_t last_sequence_ = 0;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_EVENT_QUEUE_H_
