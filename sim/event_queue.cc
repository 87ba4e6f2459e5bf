#include "sim/event_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace faultline::sim {

Actor::~Actor() {
  if (queue_ != nullptr) queue_->Cancel(this);
}

EventQueue::~EventQueue() {
  std::vector<Actor*> actors;
  for (size_t i = run_head_; i < run_tail_; ++i) actors.push_back(run_[i].actor);
  for (size_t b = 0; b < buckets_.size(); ++b) {
    for (size_t i = b == 0 ? instant_head_ : 0; i < buckets_[b].size(); ++i) {
      actors.push_back(buckets_[b][i].actor);
    }
  }
  for (Actor* actor : actors) actor->queue_ = nullptr;
  for (Actor* actor : actors) actor->OnQueueDestroyed();
}

uint32_t EventQueue::NewSlot() {
  places_.push_back({});
  free_slots_.reserve(places_.size());
  return static_cast<uint32_t>(places_.size() - 1);
}

void EventQueue::Cancel(Actor* event) {
  if (event->queue_ == nullptr) return;
  FAULTLINE_CHECK(event->queue_ == this) << "the event is in another queue";
  Place place = places_[event->slot_];
  Release(event);
  if (place.bucket == kRun) {
    RemoveFromRun(event);
    if (in_buckets_ > 0 && run_head_ == run_tail_) RefillRun();
  } else {
    RemoveFromBucket(place);
  }
}

// --- The run ---

// Moves whichever side of the place is shorter and has room.
void EventQueue::InsertIntoRun(const Entry& entry) {
  if (run_tail_ - run_head_ == kRunCapacity) {
    SpillRun();
    if (!BelongsToRun(entry)) return InsertIntoBuckets(entry);
  }
  if (run_tail_ == kRunCapacity) {
    std::move(run_.begin() + run_head_, run_.end(), run_.begin());
    run_tail_ -= std::exchange(run_head_, 0);
  }
  size_t at = run_tail_;
  if (run_head_ > 0 && run_head_ < run_tail_ && entry.Before(run_[run_head_])) {
    at = --run_head_;
  } else {
    for (; at > run_head_ && entry.Before(run_[at - 1]); --at) run_[at] = run_[at - 1];
    ++run_tail_;
  }
  run_[at] = entry;
  places_[entry.slot] = {kRun, 0};
}

void EventQueue::RemoveFromRun(const Actor* actor) {
  size_t at = run_head_;
  while (run_[at].actor != actor) ++at;
  std::move(run_.begin() + at + 1, run_.begin() + run_tail_, run_.begin() + at);
  --run_tail_;
}

// The later part goes back to the buckets.
void EventQueue::SpillRun() {
  const size_t kept = run_head_ + kRunKept;
  const size_t end = std::exchange(run_tail_, kept);
  for (size_t i = kept; i < end; ++i) InsertIntoBuckets(run_[i]);
}

// Appends what comes next to the run, which has room for it.
void EventQueue::RefillRun() {
  std::move(run_.begin() + run_head_, run_.begin() + run_tail_, run_.begin());
  run_tail_ -= std::exchange(run_head_, 0);
  while (in_buckets_ > 0 && run_tail_ < kRunTarget) {
    const uint32_t lowest = LowestBucket();
    if (lowest == 0) {
      TakeInstant();
    } else if (buckets_[lowest].size() <= kRunTarget) {
      TakeAll(lowest);
    } else {
      Split(lowest);
    }
  }
}

void EventQueue::TakeAll(uint32_t index) {
  std::vector<Entry>& bucket = buckets_[index];
  const size_t first = run_tail_;
  for (const Entry& entry : bucket) {
    size_t at = run_tail_++;
    for (; at > first && entry.Before(run_[at - 1]); --at) run_[at] = run_[at - 1];
    run_[at] = entry;
    places_[entry.slot] = {kRun, 0};
  }
  in_buckets_ -= bucket.size();
  Empty(index);
}

// The first events of one instant, of which there may be many.
void EventQueue::TakeInstant() {
  if (!instant_sorted_) SortInstant();
  std::vector<Entry>& bucket = buckets_[0];
  const size_t count = std::min(bucket.size() - instant_head_, kRunTarget);
  for (size_t i = 0; i < count; ++i) {
    run_[run_tail_++] = bucket[instant_head_ + i];
    places_[bucket[instant_head_ + i].slot] = {kRun, 0};
  }
  instant_head_ += count;
  in_buckets_ -= count;
  if (instant_head_ < bucket.size()) return;
  Empty(0);
}

// --- The buckets ---

// There is one that is not empty.
uint32_t EventQueue::LowestBucket() const {
  uint32_t word = 0;
  while (occupied_[word] == 0) ++word;
  return word * 64 + static_cast<uint32_t>(__builtin_ctzll(occupied_[word]));
}

void EventQueue::Empty(uint32_t index) {
  buckets_[index].clear();
  occupied_[index / 64] &= ~(uint64_t{1} << index % 64);
  if (index == 0) instant_head_ = 0;
}

void EventQueue::InsertIntoBuckets(const Entry& entry) {
  if (entry.when < floor_) LowerFloor(std::min(entry.when, run_[run_head_].when));
  ++in_buckets_;
  Put(entry);
}

void EventQueue::Put(const Entry& entry) {
  const uint32_t index = BucketOf(entry.when);
  std::vector<Entry>& bucket = buckets_[index];
  if (index == 0) {
    if (bucket.empty()) instant_sorted_ = true;
    if (!bucket.empty() && entry.Before(bucket.back())) instant_sorted_ = false;
  }
  places_[entry.slot] = {index, static_cast<uint32_t>(bucket.size())};
  bucket.push_back(entry);
  occupied_[index / 64] |= uint64_t{1} << index % 64;
}

// The last one takes the place of the one that leaves.
void EventQueue::RemoveFromBucket(Place place) {
  std::vector<Entry>& bucket = buckets_[place.bucket];
  --in_buckets_;
  if (place.index + 1 != bucket.size()) {
    bucket[place.index] = bucket.back();
    places_[bucket[place.index].slot].index = place.index;
    if (place.bucket == 0) instant_sorted_ = false;
  }
  bucket.pop_back();
  if (bucket.size() > (place.bucket == 0 ? instant_head_ : 0)) return;
  Empty(place.bucket);
}

void EventQueue::SortInstant() {
  std::vector<Entry>& bucket = buckets_[0];
  bucket.erase(bucket.begin(), bucket.begin() + static_cast<ptrdiff_t>(instant_head_));
  instant_head_ = 0;
  std::sort(bucket.begin(), bucket.end(),
            [](const Entry& a, const Entry& b) { return a.Before(b); });
  for (size_t i = 0; i < bucket.size(); ++i)
    places_[bucket[i].slot].index = static_cast<uint32_t>(i);
  instant_sorted_ = true;
}

// Bucket `index` is the lowest that is not empty. Its first event becomes the floor; each of its
// events then agrees with the floor in one digit more at least.
void EventQueue::Split(uint32_t index) {
  std::vector<Entry> moving = std::move(buckets_[index]);
  Empty(index);
  floor_ = std::min_element(moving.begin(), moving.end(), [](const Entry& a, const Entry& b) {
             return a.when < b.when;
           })->when;
  for (const Entry& entry : moving) Put(entry);
  moving.clear();
  buckets_[index] = std::move(moving);  // its storage
}

// An event came before the floor, while the run was being filled for the first time or had shrunk:
// rare.
void EventQueue::LowerFloor(int64_t floor) {
  std::vector<Entry> moving;
  for (size_t b = 0; b < buckets_.size(); ++b) {
    size_t first = b == 0 ? std::exchange(instant_head_, 0) : 0;
    moving.insert(moving.end(), buckets_[b].begin() + static_cast<ptrdiff_t>(first),
                  buckets_[b].end());
    buckets_[b].clear();
  }
  occupied_ = {};
  floor_ = floor;
  for (const Entry& entry : moving) Put(entry);
}

}  // namespace faultline::sim
