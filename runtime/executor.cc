#include "runtime/executor.h"

namespace faultline {

void ReadyQueue::MoveTo(ReadyQueue* to, const Executor* executor) {
  std::vector<Resumable*> moving;
  for (Resumable* item : items_) {
    if (item != nullptr && item->task_->executor == executor) moving.push_back(item);
  }
  for (Resumable* item : moving) {
    Remove(item);
    to->Push(item);
  }
}

// Policies see a dense vector, so that an index means the same in each run.
void ReadyQueue::Compact() {
  if (items_.size() == live_) return;  // nothing was taken out since the last time
  size_t kept = 0;
  for (Resumable* item : items_) {
    if (item == nullptr) continue;
    item->index_ = kept;
    items_[kept++] = item;
  }
  items_.resize(kept);
  head_ = 0;
}

Resumable* ReadyQueue::PopPicked() {
  Compact();
  size_t picked = live_ == 1 ? 0 : policy_->Pick(items_);
  FAULTLINE_CHECK(picked < items_.size()) << "the policy picked nothing";
  Resumable* item = items_[picked];
  // The last one takes its place: the order is a function of the run alone, and no element moves
  // twice.
  Resumable* last = items_.back();
  items_[picked] = last;
  last->index_ = picked;
  items_.pop_back();
  item->queue_ = nullptr;
  --live_;
  return item;
}

}  // namespace faultline
