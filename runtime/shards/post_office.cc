#include "runtime/shards/post_office.h"

namespace faultline::shards {

PostOffice::PostOffice(uint32_t shards, size_t capacity) : shards_(shards), bells_(shards) {
  for (uint32_t i = 0; i < shards * shards; ++i) {
    mailboxes_.push_back(std::make_unique<Mailbox>(capacity));
  }
}

ShardLink::Push PostOffice::TryPush(uint32_t from, uint32_t to, Parcel* parcel, bool await_room) {
  Mailbox& box = mailbox(from, to);
  bool pushed = false;
  for (bool told = !await_room;; told = true) {
    if (box.closed.load(std::memory_order_seq_cst)) return ShardLink::Push::kEnded;
    pushed = box.ring.TryPush(parcel);
    if (pushed || told) break;
    box.wants_room.store(true, std::memory_order_seq_cst);  // and look again
  }
  if (!pushed) return ShardLink::Push::kFull;
  Ring(to);
  return ShardLink::Push::kTaken;
}

bool PostOffice::TryPop(uint32_t from, uint32_t to, Parcel* into) {
  Mailbox& box = mailbox(from, to);
  if (!box.ring.TryPop(into)) return false;
  // Taken back before `asleep` is looked at: whoever sleeps after that has asked again.
  if (box.wants_room.load(std::memory_order_seq_cst) &&
      box.wants_room.exchange(false, std::memory_order_seq_cst)) {
    Ring(from);
  }
  return true;
}

void PostOffice::Close(uint32_t to) {
  for (uint32_t from = 0; from < shards_; ++from) {
    Mailbox& box = mailbox(from, to);
    box.closed.store(true, std::memory_order_seq_cst);
    if (box.wants_room.load(std::memory_order_seq_cst)) Ring(from);
  }
}

// S2 and S3.
void PostOffice::Ring(uint32_t index) {
  Bell& bell = bells_[index];
  if (!bell.asleep.load(std::memory_order_seq_cst)) return;
  if (bell.asleep.exchange(false, std::memory_order_seq_cst)) bell.remote->Wake();
}

void PostOffice::RingAll() {
  for (Bell& bell : bells_) bell.remote->Wake();
}

void PostOffice::RequestStop() {
  if (!stop_requested_.exchange(true, std::memory_order_seq_cst)) RingAll();
}

void PostOffice::NoteEnd() {
  if (ended_.fetch_add(1, std::memory_order_seq_cst) + 1 == shards_) RingAll();
}

}  // namespace faultline::shards
