// PostOffice: the mailboxes between the shards of a program, and how a shard that sleeps is woken.
//
// A parcel crosses without a lock and without a system call, unless the receiver sleeps. The
// protocol, with each line a sequentially consistent operation:
//
//   sender:    S1  store tail (the parcel is there)      sleeper:  L1  asleep = true
//              S2  load asleep of the receiver                     L2  load tail of each mailbox
//              S3  if true: asleep = false; if it was              L3  if all are empty: wait for
//                  true still, write to its eventfd                    events, its eventfd's too
//
// Nothing is missed: all of these operations have one order that every thread agrees on
// ([atomics.order]). If S2 reads false, then S2 comes before L1, hence S1 before L2: the sleeper
// finds the parcel and does not wait. If S2 reads true, one of those who read so writes to the
// eventfd, after L1; the wait ends because of it, or does not begin. (With release and acquire
// alone S2 could read false although L2 had read the old tail: each of the two may still sit in a
// store buffer.) `asleep` is set only while a task waits for mail or for room.
//
// A sender that finds a mailbox full waits in the same way with the roles changed: it stores
// `wants_room`, and then looks at the head once more; a receiver stores the head, and then looks at
// `wants_room`, and at `asleep` of the sender.
//
// A shard that has ended closes its mailboxes (a store of `closed`), and empties them. A parcel
// that was pushed by somebody who had not seen that yet is found by a later look: its shard goes on
// looking until all others have ended as well.
#ifndef FAULTLINE_RUNTIME_SHARDS_POST_OFFICE_H_
#define FAULTLINE_RUNTIME_SHARDS_POST_OFFICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/kernel/remote.h"
#include "runtime/parcel.h"
#include "runtime/shard.h"
#include "runtime/shards/spsc_ring.h"

namespace faultline::shards {

class PostOffice {
 public:
  // `capacity` parcels wait in a mailbox.
  PostOffice(uint32_t shards, size_t capacity);
  PostOffice(const PostOffice&) = delete;
  PostOffice& operator=(const PostOffice&) = delete;

  // How shard `index` is woken. Before anybody sends.
  void SetRemote(uint32_t index, std::shared_ptr<kernel::Remote> remote) {
    bells_[index].remote = std::move(remote);
  }

  // --- Shard `from` ---
  ShardLink::Push TryPush(uint32_t from, uint32_t to, Parcel* parcel, bool await_room);

  // --- Shard `to` ---
  bool TryPop(uint32_t from, uint32_t to, Parcel* into);
  void Close(uint32_t to);

  // --- Shard `index` ---
  // L1. Look at everything after it.
  void GoToSleep(uint32_t index) { bells_[index].asleep.store(true, std::memory_order_seq_cst); }
  void WakeUp(uint32_t index) { bells_[index].asleep.store(false, std::memory_order_relaxed); }

  // --- Any thread ---
  void RequestStop();
  bool stop_requested() const { return stop_requested_.load(std::memory_order_seq_cst); }
  // The main of one more shard has ended, and its mailboxes are closed.
  void NoteEnd();
  bool all_ended() const { return ended_.load(std::memory_order_seq_cst) == shards_; }

 private:
  struct Mailbox {
    explicit Mailbox(size_t capacity) : ring(capacity) {}
    SpscRing<Parcel> ring;
    alignas(kLine) std::atomic<bool> wants_room{false};
    std::atomic<bool> closed{false};
  };
  struct alignas(kLine) Bell {
    std::atomic<bool> asleep{false};
    std::shared_ptr<kernel::Remote> remote;  // others outlive the loop: shared
  };

  Mailbox& mailbox(uint32_t from, uint32_t to) { return *mailboxes_[from * shards_ + to]; }
  void Ring(uint32_t index);
  void RingAll();

  const uint32_t shards_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  std::vector<Bell> bells_;
  std::atomic<bool> stop_requested_{false};
  std::atomic<uint32_t> ended_{0};
};

// What one shard has of it.
class MailLink final : public ShardLink {
 public:
  MailLink(PostOffice* office, uint32_t index) : office_(office), index_(index) {}

  Push TryPush(uint32_t to, Parcel* parcel, bool await_room) override {
    return office_->TryPush(index_, to, parcel, await_room);
  }
  bool TryPop(uint32_t from, Parcel* into) override { return office_->TryPop(from, index_, into); }
  void Close() override { office_->Close(index_); }
  void RequestStop() override { office_->RequestStop(); }

 private:
  PostOffice* const office_;
  const uint32_t index_;
};

}  // namespace faultline::shards

#endif  // FAULTLINE_RUNTIME_SHARDS_POST_OFFICE_H_
