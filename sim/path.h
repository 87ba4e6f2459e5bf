// Path: one direction between two hosts in one plane: delays, drops, holds.
//
// Everything that travels asks its path twice: when it leaves (`Depart`: how long it takes) and
// when it arrives (`passage`: whether it gets through), so that a packet in flight obeys a
// partition that begins after it left.
//
// Partitions overlap: each adds a block and takes it away again; a path is open when no block is
// left, holds if all its blocks hold, and drops otherwise.
#ifndef FAULTLINE_SIM_PATH_H_
#define FAULTLINE_SIM_PATH_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "runtime/frame_pool.h"
#include "runtime/list.h"
#include "runtime/time.h"
#include "sim/choices.h"
#include "sim/config.h"
#include "sim/effects.h"

namespace faultline::sim {

class Path;

enum class Passage : uint8_t { kOpen, kDrop, kHold };

// Something whose progress depends on a path. Told when the passage changes, in order of
// registration.
class PathUser : public ListNode {
 public:
  // `before` is what it was until now.
  virtual void OnPassageChange(Path* path, Passage before) = 0;
  // While nothing but its link shapes what travels on the path (no block, no clog), `link` is that;
  // otherwise null. Told on registration and at each change, before `OnPassageChange`. Who keeps it
  // need not look at the path for most of what he sends: one cache line less, of two a packet.
  virtual void OnPlain(const LinkConfig* link) { (void)link; }
  // The path is being destroyed with this registered. A user that owns itself deletes itself.
  virtual void OnPathDestroyed() {}

 protected:
  ~PathUser() = default;
};

class Path : public internal::Pooled {
 public:
  // `link` outlives the path: it is its plane's, until `SetLink` gives the path one of its own.
  Path(uint32_t from, uint32_t to, Plane plane, const LinkConfig* link, FaultEffects* effects)
      : link_(link), from_(from), to_(to), effects_(effects), plane_(plane) {}
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;
  ~Path() {
    while (PathUser* user = users_.PopFront()) user->OnPathDestroyed();
  }

  uint32_t from() const { return from_; }
  uint32_t to() const { return to_; }
  Plane plane() const { return plane_; }
  const LinkConfig& link() const { return *link_; }
  // From now on as `link`, a copy of which the path keeps; or as its plane's again.
  void SetLink(const LinkConfig& link) {
    own_link_ = std::make_unique<LinkConfig>(link);
    link_ = own_link_.get();
    TellPlain();
  }
  void ShareLink(const LinkConfig* link) {
    link_ = link;
    own_link_.reset();
    TellPlain();
  }

  Passage passage() const {
    if (drops_ > 0) return Passage::kDrop;
    return holds_ > 0 ? Passage::kHold : Passage::kOpen;
  }
  // The family that a refused passage is accounted to, while it is not open.
  Fault blocked_by() const {
    if (drops_ == 0) return Fault::kHold;
    return one_way_drops_ == drops_ ? Fault::kOneWayPartition : Fault::kPartition;
  }

  // Adds or removes a block; `symmetric` says which family it is accounted to.
  void Block(Passage how, bool symmetric);
  void Unblock(Passage how, bool symmetric);

  // Everything that leaves takes `extra` longer. Zero ends it.
  void SetClog(Duration extra) {
    clog_ = extra;
    TellPlain();
  }
  Duration clog() const { return clog_; }
  bool clogged() const { return clog_ != Duration::zero(); }

  // Datagrams are numbered as they leave; the receiver notes each as it is delivered. True if it
  // was overtaken by one that left after it.
  uint64_t NextDatagram() { return ++last_datagram_; }
  bool NoteDelivery(uint64_t datagram) {
    if (datagram < latest_delivered_) return true;
    latest_delivered_ = datagram;
    return false;
  }

  void Register(PathUser* user) {
    users_.PushBack(user);
    user->OnPlain(plain());
  }

  // When a packet of `bytes` that leaves at `now` arrives; nothing if it fell off the queue of a
  // limited link. `kind` is the choice that the latency is drawn as.
  std::optional<MonotonicTime> Depart(MonotonicTime now, size_t bytes, Chooser* chooser,
                                      Choice kind) {
    if (link_->bytes_per_second == 0 && clog_ == Duration::zero())
      return now + link_->latency.Sample(chooser, kind);
    return DepartShaped(now, bytes, chooser, kind);
  }
  // For what is too small to queue: handshakes, retransmissions.
  MonotonicTime DepartSmall(MonotonicTime now, Chooser* chooser, Choice kind) {
    if (clogged()) effects_->Bite(Fault::kClog);
    return DepartAck(now, chooser, kind);
  }
  // For acknowledgements, whose delay only the waiting notice: the caller accounts for it.
  MonotonicTime DepartAck(MonotonicTime now, Chooser* chooser, Choice kind) {
    return now + link_->latency.Sample(chooser, kind) + clog_;
  }

 private:
  std::optional<MonotonicTime> DepartShaped(MonotonicTime now, size_t bytes, Chooser* chooser,
                                            Choice kind);
  const LinkConfig* plain() const {
    return passage() == Passage::kOpen && !clogged() ? link_ : nullptr;
  }
  void TellPlain();
  void Notify(Passage before);

  // First what everything that travels looks at: one cache line. Almost all paths of a plane share
  // one link, so that it is in the cache too.
  const LinkConfig* link_;
  uint32_t drops_ = 0;
  uint32_t holds_ = 0;
  Duration clog_{};
  MonotonicTime busy_until_{};
  uint64_t last_datagram_ = 0;
  uint64_t latest_delivered_ = 0;
  const uint32_t from_;
  const uint32_t to_;
  FaultEffects* const effects_;
  uint32_t one_way_drops_ = 0;  // of `drops_`
  const Plane plane_;
  std::unique_ptr<LinkConfig> own_link_;
  List<PathUser> users_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_PATH_H_
