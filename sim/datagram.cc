#include "sim/datagram.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"
#include "runtime/frame_pool.h"
#include "sim/host.h"
#include "sim/wire.h"
#include "xxhash.h"

namespace faultline::sim {
namespace {

constexpr uint64_t kDatagramTag = 6;
// What the length fields hold: 65,535 minus the headers of IPv4 and UDP; IPv6's does not count its
// own header.
constexpr size_t kMaxPayload = 65'507;
constexpr size_t kMaxIpv6Payload = 65'527;
constexpr size_t kHeaderBytes = 28;
constexpr size_t kBufferOverhead = 64;  // what the kernel accounts beside a small payload
constexpr uint64_t kCopy = 0;

void RecordDrop(World* world, Host* host, size_t size, DatagramDrop why) {
  world->Record(TraceKind::kDatagramDrop, host->id(), size, 0, static_cast<uint8_t>(why));
}

const char* FateOf(DatagramDrop why) {
  switch (why) {
    case DatagramDrop::kLost:
      return "lost";
    case DatagramDrop::kPartition:
      return "lost: partition";
    case DatagramDrop::kTooLong:
      return "lost: too long for the link";
    case DatagramDrop::kQueueFull:
      return "lost: the queue of the link is full";
    case DatagramDrop::kHostDown:
      return "lost: the host is down";
    case DatagramDrop::kNoSocket:
      return "lost: nobody listens";
    case DatagramDrop::kBufferFull:
      return "lost: the receive buffer is full";
  }
  return nullptr;
}

size_t MaxPayload(const Endpoint& to) {
  return to.family() == Endpoint::Family::kIpv6 ? kMaxIpv6Payload : kMaxPayload;
}

// What goes to 0.0.0.0 or [::] goes to the host itself.
Endpoint TargetOf(const Endpoint& to) {
  if (!to.is_any()) return to;
  return to.family() == Endpoint::Family::kIpv4 ? Endpoint::Ipv4Loopback(to.port())
                                                : Endpoint::Ipv6Loopback(to.port());
}

}  // namespace

// A datagram on its way, and later in a receive buffer: header and payload in one piece of recycled
// memory.
class SimDatagramSocket::InFlight final : public Actor, public PathUser {
 public:
  static InFlight* New(Host* to, Path* path, const Endpoint& source, const Endpoint& target,
                       std::span<const std::byte> bytes, Ecn ecn, uint64_t number) {
    void* memory = internal::FramePool::Allocate(sizeof(InFlight) + bytes.size());
    auto* datagram = new (memory) InFlight(to, path, source, target, bytes, ecn, number);
    if (!bytes.empty()) std::memcpy(datagram->payload(), bytes.data(), bytes.size());
    return datagram;
  }
  void Delete() {
    size_t bytes = sizeof(InFlight) + size_;
    this->~InFlight();
    internal::FramePool::Free(this, bytes);
  }

  std::byte* payload() { return reinterpret_cast<std::byte*>(this + 1); }
  size_t size() const { return size_; }
  const Endpoint& from() const { return from_; }
  Ecn ecn() const { return ecn_; }
  uint64_t hash() const { return hash_; }
  // Whether one that left after it has been delivered before it. Once, when it is delivered.
  bool overtaken() const { return number_ != kCopy && path_->NoteDelivery(number_); }
  void Corrupt(uint64_t draw) {
    payload()[(draw >> 8) % size_] ^= static_cast<std::byte>(1 + (draw & 0xff) % 255);
    hash_ = XXH3_64bits(payload(), size_);
    corrupted_ = true;
  }
  bool corrupted() const { return corrupted_; }
  bool is_copy() const { return number_ == kCopy; }

  void Fire() override {
    World* world = to_->world();
    Passage passage = path_->passage();
    if (passage == Passage::kHold) {
      world->effects()->Bite(Fault::kHold);
      path_->Register(this);
      return;
    }
    DatagramDrop why = DatagramDrop::kPartition;
    SimDatagramSocket* socket = nullptr;
    if (passage == Passage::kDrop) {
      world->effects()->Bite(path_->blocked_by());
    } else if (!to_->up()) {
      why = DatagramDrop::kHostDown;
    } else {
      socket = to_->ports()->datagrams()->Find(target_);
      why = DatagramDrop::kNoSocket;
    }
    if (world->wire() != nullptr) Show(world, socket != nullptr ? nullptr : FateOf(why));
    if (socket != nullptr) return socket->OnDatagram(this);
    RecordDrop(world, to_, size_, why);
    Delete();
  }
  void OnQueueDestroyed() override { Delete(); }
  void OnPathDestroyed() override { Delete(); }
  void OnPassageChange(Path*, Passage) override {
    if (path_->passage() == Passage::kHold) return;
    ListNode::Unlink();
    to_->world()->events()->Schedule(this, to_->world()->now());
  }

 private:
  InFlight(Host* to, Path* path, const Endpoint& from, const Endpoint& target,
           std::span<const std::byte> bytes, Ecn ecn, uint64_t number)
      : to_(to),
        path_(path),
        from_(from),
        target_(target),
        size_(bytes.size()),
        hash_(XXH3_64bits(bytes.data(), bytes.size())),
        ecn_(ecn),
        number_(number) {}
  ~InFlight() override = default;

  // To the observer of the wire, when it arrives.
  void Show(World* world, const char* fate) {
    if (fate == nullptr && corrupted_) fate = "corrupted: one byte changed on the way";
    if (fate == nullptr && is_copy()) fate = "duplicate";
    world->wire()->OnUdp(
        world->wall_now(),
        {.from = from_, .to = target_, .payload = {payload(), size_}, .fate = fate});
  }

  Host* const to_;
  Path* const path_;
  const Endpoint from_;
  const Endpoint target_;
  const size_t size_;
  uint64_t hash_;
  const Ecn ecn_;
  bool corrupted_ = false;
  const uint64_t number_;  // on its path; kCopy for the second of a duplicate
};

SimDatagramSocket::SimDatagramSocket(Process* process, const Endpoint& local,
                                     const BindOptions& options)
    : process_(process),
      local_(local),
      own_receive_buffer_(options.receive_buffer_bytes),
      receive_several_(options.receive_several),
      chooser_(process->host()->world()->choices(),
               ChooserId({kDatagramTag, process->host()->id(), local.port(),
                          process->host()->NextDatagramOrdinal(local.port())})) {
  process->host()->ports()->datagrams()->Add(local, options.v6_only, this);
}

// In a crash destructors run, in any order; the host's table of ports goes as a whole.
void SimDatagramSocket::DieSilently() {
  if (receiving_ == nullptr) return;
  std::exchange(receiving_, nullptr)->Fail(absl::CancelledError("the process crashed"));
}

SimDatagramSocket::~SimDatagramSocket() {
  (void)Close();
  for (; !received_.empty(); received_.pop_front()) received_.front()->Delete();
}

absl::Status SimDatagramSocket::Close() {
  if (std::exchange(closed_, true)) return absl::OkStatus();
  if (process_->crashing()) return DieSilently(), absl::OkStatus();
  FAULTLINE_CHECK(receiving_ == nullptr) << "close with a receive pending: stop and await it first";
  process_->host()->ports()->datagrams()->Remove(local_);
  process_->ReturnDescriptor();
  return absl::OkStatus();
}

// --- Sending ---

absl::Status SimDatagramSocket::CheckSend(const SendOp& op) const {
  if (closed_) return absl::FailedPreconditionError("send: the socket is closed");
  if (op.bytes().size() > MaxPayload(op.to()))
    return ErrnoStatus(EMSGSIZE, absl::StrCat("send ", op.bytes().size(), " bytes"));
  if (!op.to().is_ip() || op.to().family() != local_.family()) {
    return ErrnoStatus(EAFNOSUPPORT, absl::StrCat("send to ", op.to().ToString()));
  }
  return op.Check();
}

bool SimDatagramSocket::StartSend(SendOp* op) {
  World* world = process_->host()->world();
  if (absl::Status status = CheckSend(*op); !status.ok()) {
    op->Fail(std::move(status));
    return true;
  }
  World::Located located = world->Locate(op->to(), process_->host());
  if (located.host == nullptr) {
    op->Fail(ErrnoStatus(ENETUNREACH, absl::StrCat("send to ", op->to().ToString())));
    return true;
  }
  Path* path = world->PathBetween(process_->host()->id(), located.host->id(), located.plane);
  std::span<const std::byte> left = op->bytes();
  do {
    size_t size = std::min(left.size(), op->segment_bytes());
    SendOnPath({op->to(), left.first(size), op->ecn()}, located.host, path);
    left = left.subspan(size);
  } while (!left.empty());
  op->Succeed(op->bytes().size());
  return true;
}

void SimDatagramSocket::SendOnPath(const Outgoing& datagram, Host* to, Path* path) {
  World* world = process_->host()->world();
  size_t size = datagram.bytes.size();
  if (size + kHeaderBytes > path->link().mtu) {
    world->effects()->Bite(Fault::kMtu);
    ShowLost(datagram, path, DatagramDrop::kTooLong);
    return RecordDrop(world, process_->host(), size, DatagramDrop::kTooLong);
  }
  std::optional<MonotonicTime> arrival =
      path->Depart(world->now(), size + kHeaderBytes, &chooser_, Choice::kLatency);
  if (!arrival.has_value()) {
    ShowLost(datagram, path, DatagramDrop::kQueueFull);
    return RecordDrop(world, process_->host(), size, DatagramDrop::kQueueFull);
  }
  if (chooser_.Chance(Choice::kLoss, path->link().loss)) {
    world->effects()->Bite(Fault::kLoss);
    ShowLost(datagram, path, DatagramDrop::kLost);
    return RecordDrop(world, process_->host(), size, DatagramDrop::kLost);
  }
  if (chooser_.Chance(Choice::kReorder, path->link().reorder)) {
    *arrival += path->link().reorder_delay.Sample(&chooser_, Choice::kReorderDelay);
  }
  if (chooser_.Chance(Choice::kDuplicate, path->link().duplicate)) {
    Launch(datagram, to, path, path->DepartSmall(world->now(), &chooser_, Choice::kLatency), kCopy);
  }
  Launch(datagram, to, path, *arrival, path->NextDatagram());
}

Ecn SimDatagramSocket::CarriedEcn(Ecn ecn, const Path& path) {
  if (ecn == Ecn::kNotEct || path.link().bleach_ecn) return Ecn::kNotEct;
  return chooser_.Chance(Choice::kMarkCe, path.link().mark_ce) ? Ecn::kCe : ecn;
}

void SimDatagramSocket::Launch(const Outgoing& datagram, Host* to, Path* path,
                               MonotonicTime arrival, uint64_t number) {
  World* world = process_->host()->world();
  InFlight* flying =
      InFlight::New(to, path, SourceFor(path->plane(), datagram.target), TargetOf(datagram.target),
                    datagram.bytes, CarriedEcn(datagram.ecn, *path), number);
  world->Record(TraceKind::kDatagramSend, process_->host()->id(), flying->size(), flying->hash(),
                static_cast<uint8_t>(flying->ecn()));
  if (flying->size() > 0 && chooser_.Chance(Choice::kCorrupt, path->link().corrupt)) {
    flying->Corrupt(chooser_.Next(Choice::kCorruptPosition));
  }
  world->events()->Schedule(flying, arrival);
}

// To the observer of the wire, when it leaves.
void SimDatagramSocket::ShowLost(const Outgoing& datagram, Path* path, DatagramDrop why) const {
  World* world = process_->host()->world();
  if (world->wire() == nullptr) return;
  world->wire()->OnUdp(world->wall_now(), {.from = SourceFor(path->plane(), datagram.target),
                                           .to = TargetOf(datagram.target),
                                           .payload = datagram.bytes,
                                           .fate = FateOf(why)});
}

Endpoint SimDatagramSocket::SourceFor(Plane plane, const Endpoint& to) const {
  return local_.is_any() ? process_->host()->SourceFor(to, plane, local_.port()) : local_;
}

// --- Receiving ---

void SimDatagramSocket::Complete(ReceiveOp* op, InFlight* datagram) {
  const iovec& buffer = op->buffers().front();
  size_t size = std::min(buffer.iov_len, datagram->size());
  if (size > 0) std::memcpy(buffer.iov_base, datagram->payload(), size);
  if (op->info() != nullptr) {
    *op->info() = {datagram->from(), size < datagram->size(), datagram->ecn()};
  }
  datagram->Delete();
  op->Succeed(size);
}

SimDatagramSocket::InFlight* SimDatagramSocket::TakeReceived() {
  InFlight* datagram = received_.front();
  received_.pop_front();
  buffered_ -= datagram->size() + kBufferOverhead;
  return datagram;
}

// As many as follow, of its size, from its sender; a shorter one is the last.
void SimDatagramSocket::AddFollowers(ReceiveOp* op, size_t size, Ecn ecn, const Endpoint& from) {
  const iovec& buffer = op->buffers().front();
  size_t filled = size;
  for (size_t count = 1; count < kSegmentsMax && !received_.empty(); ++count) {
    InFlight* next = received_.front();
    if (next->size() == 0 || next->size() > size || next->ecn() != ecn) break;
    if (next->from() != from || filled + next->size() > buffer.iov_len) break;
    std::memcpy(static_cast<std::byte*>(buffer.iov_base) + filled, next->payload(), next->size());
    filled += next->size();
    bool last = next->size() < size;
    TakeReceived()->Delete();
    if (last) break;
  }
  if (filled > size) op->info()->segment_bytes = size;
  op->Succeed(filled);
}

size_t SimDatagramSocket::ReceiveBuffer() const {
  if (own_receive_buffer_ != 0) return own_receive_buffer_;
  return process_->host()->config().limits.receive_buffer_bytes;
}

// The doing of a fault if a healthy host's buffer would have had room.
void SimDatagramSocket::NoteFull(size_t charge) const {
  const Host* host = process_->host();
  if (own_receive_buffer_ != 0) return;
  if (buffered_ + charge > host->healthy_limits().receive_buffer_bytes) return;
  host->world()->effects()->Bite(Fault::kSmallBuffers);
}

void SimDatagramSocket::OnDatagram(InFlight* datagram) {
  World* world = process_->host()->world();
  size_t charge = datagram->size() + kBufferOverhead;
  if (receiving_ == nullptr && buffered_ + charge > ReceiveBuffer()) {
    NoteFull(charge);
    RecordDrop(world, process_->host(), datagram->size(), DatagramDrop::kBufferFull);
    return datagram->Delete();
  }
  if (datagram->overtaken()) world->effects()->Bite(Fault::kReordering);
  if (datagram->is_copy()) world->effects()->Bite(Fault::kDuplication);
  if (datagram->corrupted()) world->effects()->Bite(Fault::kCorruption);
  world->Record(TraceKind::kDatagramDeliver, process_->host()->id(), datagram->size(),
                datagram->hash());
  if (receiving_ != nullptr) return Complete(std::exchange(receiving_, nullptr), datagram);
  buffered_ += charge;
  received_.push_back(datagram);
}

bool SimDatagramSocket::StartReceive(ReceiveOp* op) {
  FAULTLINE_CHECK(receiving_ == nullptr) << "one receive at a time";
  if (closed_) {
    op->Fail(absl::FailedPreconditionError("receive: the socket is closed"));
    return true;
  }
  if (received_.empty()) {
    receiving_ = op;
    return false;
  }
  InFlight* datagram = TakeReceived();
  const size_t size = datagram->size();
  Complete(op, datagram);
  if (receive_several_ && op->info() != nullptr && size > 0 && !op->info()->truncated) {
    AddFollowers(op, size, op->info()->ecn, op->info()->from);
  }
  return true;
}

void SimDatagramSocket::CancelReceive(ReceiveOp* op) {
  receiving_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

}  // namespace faultline::sim
