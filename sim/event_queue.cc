#include "sim/event_queue.h"

namespace faultline::sim {

Actor::~Actor() {
  if (queue_ != nullptr) queue_->Cancel(this);
}

void EventQueue::Cancel(Actor* event) {
  if (event->queue_ == nullptr) return;
  FAULTLINE_CHECK(event->queue_ == this) << "the event is in another queue";
  event->queue_ = nullptr;
  RemoveAt(event->index_);
}

}  // namespace faultline::sim
