#include <algorithm>

#include "runtime/check.h"
#include "sim/host.h"
#include "sim/stream.h"
#include "sim/tcp.h"
#include "xxhash.h"

namespace faultline::sim {
namespace {

constexpr size_t kHeaderBytes = 40;  // IPv4 and TCP without options
constexpr uint64_t kFlowTag = 4;

}  // namespace

TcpFlow::TcpFlow(TcpConnection* connection, uint64_t connection_id, int sender, Path* forward,
                 Path* back, size_t mss, bool direct)
    : direct_(direct),
      sender_(static_cast<uint8_t>(sender & 1)),
      mss_(static_cast<uint16_t>(std::min<size_t>(mss, UINT16_MAX))),
      connection_(connection),
      forward_(forward),
      chooser_(connection->world()->choices(),
               ChooserId({kFlowTag, connection_id, static_cast<uint64_t>(sender)})),
      back_(back) {
  static_assert(sizeof(Actor) == 24 && sizeof(ByteRing) == 24 && sizeof(acks_) == 48 &&
                    sizeof(wire_) == 40 && sizeof(Chooser) == 104,
                "the hot lines are as they were");
  forward_user_.flow = this;
  back_user_.flow = this;
  ack_event_.flow = this;
  forward->Register(&forward_user_);
  back->Register(&back_user_);
}

// A segment arrives soon: it touches both flows, the bytes, the receiver's socket, and what that
// wakes.
void TcpFlow::Fetch(int depth) const {
  const TcpEnd& receiver = connection_->end(1 - sender_);
  switch (depth) {
    case 1:
      FetchLines(connection_, kCacheLine);
      FetchHot();
      return connection_->flow(1 - sender_).FetchHot();
    case 2:
      connection_->world()->trace()->FetchHost(receiver.id);
      FetchLines(bytes_.first(), std::min<size_t>(bytes_.size(), 256));
      if (receiver.socket != nullptr) FetchLines(receiver.socket, kCacheLine);
      return;
    default:
      if (receiver.socket != nullptr) receiver.socket->Fetch(depth - 3);
  }
}

MonotonicTime TcpFlow::now() const { return connection_->world()->now(); }

Duration TcpFlow::Rto(int retries) const {
  const TcpConfig& tcp = connection_->world()->config().tcp;
  Duration rto = tcp.min_rto;
  for (int i = 1; i < retries && rto < tcp.max_rto; ++i) rto *= 2;
  return std::min(rto, tcp.max_rto);
}

bool TcpFlow::SenderAlive() const {
  const TcpEnd& end = connection_->end(sender_);
  return end.alive() && !end.reset;
}

// Of a packet that its sender's kernel was to send at `resent_at_`.
bool TcpFlow::LeftBeforeCrash() const {
  const TcpEnd& end = connection_->end(sender_);
  return end.alive() || resent_at_ <= end.host->last_crash();
}

// A socket lives in a process.
bool TcpFlow::ReceiverHostUp() const {
  const TcpEnd& receiver = connection_->end(1 - sender_);
  return receiver.socket != nullptr || receiver.host->up();
}

// --- The sending end ---

size_t TcpFlow::Room() {
  SettleAcks();
  uint64_t buffered = written_ - acked_;
  return buffered >= send_buffer_ ? 0 : send_buffer_ - static_cast<size_t>(buffered);
}

void TcpFlow::Write(std::span<const iovec> buffers, size_t size) {
  uint64_t hash = 0;
  size_t left = size;
  for (const iovec& buffer : buffers) {
    size_t part = std::min(left, buffer.iov_len);
    if (part == 0) continue;
    bytes_.Append(static_cast<const std::byte*>(buffer.iov_base), part);
    hash = XXH3_64bits_withSeed(buffer.iov_base, part, hash);
    left -= part;
  }
  written_ += size;
  World* world = connection_->world();
  world->Record(TraceKind::kSend, connection_->end(sender_).id, id(), hash);
  Transmit();
  world->FetchOn();
}

void TcpFlow::Finish() {
  fin_queued_ = true;
  Transmit();
}

void TcpFlow::SendReset() {
  bytes_.Truncate(static_cast<size_t>(sent_ - read_));
  written_ = sent_;
  fin_queued_ = fin_sent_ = true;
  DisarmAckEvent();
  Push(0, kReset);
}

void TcpFlow::SendHandshakeAck() { Push(0, kHandshakeAck); }

void TcpFlow::ProbeIfStuck() {
  if (sent_ < written_ && wire_.empty() && SenderAlive()) Push(0, kProbe);
}

bool TcpFlow::HasSmallBuffers() const {
  return (!own_send_buffer_ && connection_->end(sender_).host->has_small_buffers()) ||
         (!own_receive_buffer_ && connection_->end(1 - sender_).host->has_small_buffers());
}

void TcpFlow::NoteFull() {
  if (HasSmallBuffers()) connection_->world()->effects()->Bite(Fault::kSmallBuffers);
}

void TcpFlow::SetWriterWaiting(bool waiting) {
  writer_waiting_ = waiting;
  if (waiting) ArmAckEvent();
}

void TcpFlow::Transmit() {
  while (sent_ < written_ && sent_ < window_edge_) {
    uint64_t allowed = std::min(written_, window_edge_) - sent_;
    uint32_t bytes = static_cast<uint32_t>(std::min<uint64_t>(mss_, allowed));
    sent_ += bytes;
    Push(bytes, 0);
  }
  if (fin_queued_ && !fin_sent_ && sent_ == written_) {
    fin_sent_ = true;
    Push(0, kFin);
  }
  bool stopped = sent_ < written_;
  if (stopped && !stopped_by_window_) NoteFull();
  stopped_by_window_ = stopped;
  if (stopped) ArmAckEvent();
}

// Puts a segment on the wire. TCP delivers in order: one that would overtake waits for those before
// it.
void TcpFlow::Push(uint32_t bytes, uint8_t flags) {
  if (direct_) return Deliver({now(), 0, bytes, flags, 0}, delivered_);
  World* world = connection_->world();
  Segment segment{now(), world->events()->NextSequence(), bytes, flags, 0};
  std::optional<MonotonicTime> arrival = Depart(bytes + kHeaderBytes);
  if (!arrival.has_value()) {
    segment.flags |= kFellOff;
    arrival = forward_->DepartSmall(now(), &chooser_, Choice::kLatency);
  }
  if (chooser_.Chance(Choice::kReorder, link().reorder)) {
    *arrival += link().reorder_delay.Sample(&chooser_, Choice::kReorderDelay);
    segment.flags |= kLate;
  }
  segment.arrival = *arrival;
  if (!wire_.empty() && wire_.back().arrival > segment.arrival) {
    segment.arrival = wire_.back().arrival;
    if (wire_.back().flags & kLate) {
      segment.flags |= kLate;
      world->effects()->Bite(Fault::kReordering);
    }
  }
  wire_.push_back(segment);
  if (wire_.size() == 1) ScheduleFirst();
}

std::optional<MonotonicTime> TcpFlow::Depart(size_t bytes) {
  if (plain_forward_ != nullptr && plain_forward_->bytes_per_second == 0) {
    return now() + plain_forward_->latency.Sample(&chooser_, Choice::kLatency);
  }
  return forward_->Depart(now(), bytes, &chooser_, Choice::kLatency);
}

void TcpFlow::ScheduleFirst() {
  const Segment& first = wire_.front();
  if (first.arrival >= now()) {
    connection_->world()->events()->Schedule(this, first.arrival, first.sequence);
  } else {
    connection_->world()->events()->Schedule(this, now());
  }
}

// --- The wire ---

void TcpFlow::Cut() {
  wire_.clear();
  held_ = reack_ = false;
  first_loss_ = kInfiniteFuture;
  resent_at_ = MonotonicTime();
  written_ = sent_ = delivered_;
  bytes_.Truncate(static_cast<size_t>(delivered_ - read_));
  fin_queued_ = fin_sent_ = true;
  connection_->world()->events()->Cancel(this);
  DisarmAckEvent();
}

void TcpFlow::Silence() {
  writer_waiting_ = false;
  DisarmAckEvent();
}

void TcpFlow::Fire() {
  if (direct_) return connection_->OnData(1 - sender_);
  const Passage passage = plain_forward_ != nullptr ? Passage::kOpen : forward_->passage();
  if (passage == Passage::kHold && !(wire_.front().flags & kLastWait)) return HoldFirst();
  if (const char* lost = LossOfFirst(passage)) {
    if (connection_->world()->wire() != nullptr) Show(wire_.front(), delivered_, lost);
    return OnLost();
  }
  Segment segment = wire_.front();
  wire_.pop_front();
  if (segment.retries > 0) first_loss_ = kInfiniteFuture;
  if (!wire_.empty()) ScheduleFirst();
  const uint64_t offset = delivered_;
  const bool twice = (segment.bytes > 0 || (segment.flags & kFin) != 0) &&
                     chooser_.Chance(Choice::kDuplicate, link().duplicate);
  const bool shown = connection_->world()->wire() != nullptr;
  if (shown) Show(segment, offset, nullptr);
  if (shown && twice) Show(segment, offset, "duplicate");
  Deliver(segment, offset);
  if (twice) Deliver(segment, offset);
}

// A sender whose segment is held for too long gives up, as if it were lost.
void TcpFlow::HoldFirst() {
  World* world = connection_->world();
  if (held_) {
    if (SenderAlive()) connection_->OnUserTimeout(sender_);
    return;
  }
  held_ = true;
  world->effects()->Bite(Fault::kHold);
  world->events()->Schedule(this, now() + world->config().tcp.user_timeout);
}

// Why the first segment does not arrive; null if it does.
const char* TcpFlow::LossOfFirst(Passage passage) {
  FaultEffects* effects = connection_->world()->effects();
  const LinkConfig& link = this->link();
  Segment& first = wire_.front();
  if (first.flags & kLastWait) return kNoPacket;
  if (passage == Passage::kDrop) {
    effects->Bite(forward_->blocked_by());
    return "lost: partition";
  }
  if (first.flags & kFellOff) {
    first.flags &= static_cast<uint8_t>(~kFellOff);
    return "lost: the queue of the link is full";
  }
  if (!ReceiverHostUp()) return "lost: the host is down";
  if (first.retries > 0 && !LeftBeforeCrash()) return kNoPacket;
  if (chooser_.Chance(Choice::kLoss, link.loss)) {
    effects->Bite(Fault::kLoss);
    return "lost";
  }
  if (chooser_.Chance(Choice::kCorrupt, link.corrupt)) {
    effects->Bite(Fault::kCorruption);
    return "lost: corrupted on the way";
  }
  const bool dropped = (first.flags & kHandshakeAck) != 0 && connection_->DropsHandshakeAck();
  return dropped ? "lost: the backlog is full" : nullptr;
}

void TcpFlow::OnLost() {
  World* world = connection_->world();
  Segment& segment = wire_.front();
  if (!SenderAlive()) return GiveUpFirst();
  if (segment.flags & kLastWait) return connection_->OnUserTimeout(sender_);
  if (first_loss_ == kInfiniteFuture) first_loss_ = now();
  resent_at_ = now() + Rto(++segment.retries);
  segment.sequence = world->events()->NextSequence();
  if (Exhausted(segment)) {
    segment.flags |= kLastWait;
    segment.arrival = resent_at_;
    return ScheduleFirst();
  }
  world->Record(TraceKind::kRetransmit, connection_->end(sender_).id, id(), segment.retries);
  segment.arrival = forward_->DepartSmall(resent_at_, &chooser_, Choice::kLatency);
  ScheduleFirst();
}

// Whether the next retransmission would come too late: Linux's tcp_retries2, or tcp_orphan_retries
// for what nobody holds open any more.
bool TcpFlow::Exhausted(const Segment& segment) const {
  const TcpConfig& tcp = connection_->world()->config().tcp;
  if (connection_->end(sender_).gone && segment.retries > tcp.orphan_retries) return true;
  return resent_at_ - first_loss_ >= tcp.user_timeout;
}

// Nobody sends it again, and what is behind it cannot be used without it. Except an RST, which is
// not sent again either: if that is lost the peer stays half-open.
void TcpFlow::GiveUpFirst() {
  bool reset_lost = wire_.front().flags & kReset;
  Segment last = wire_.back();
  Cut();
  if (reset_lost || !(last.flags & kReset)) return connection_->MaybeBury();
  wire_.push_back(last);
  ScheduleFirst();
}

void TcpFlow::OnForwardChange() {
  if (held_) {
    held_ = false;
    connection_->world()->events()->Cancel(this);
    connection_->world()->events()->Schedule(this, now());
  }
  connection_->OnPassageChange(forward_);
}

// --- The receiving end ---

// `offset` is where its bytes stand in the flow. What has been delivered before is discarded, and
// acknowledged again (RFC 9293, 3.10.7.4): for everything but data a second one says nothing new.
void TcpFlow::Deliver(const Segment& segment, uint64_t offset) {
  if (IsDuplicate(segment, offset)) {
    connection_->world()->Record(TraceKind::kDuplicateDrop, connection_->end(1 - sender_).id, id(),
                                 segment.bytes);
    return;
  }
  if (segment.flags & kReset) return connection_->OnReset(1 - sender_);
  if (segment.flags & kHandshakeAck) return connection_->OnHandshakeAck();
  const TcpEnd& receiver = connection_->end(1 - sender_);
  if ((receiver.socket == nullptr && !receiver.alive()) || receiver.reset) {
    delivered_ += segment.bytes;
    Discard();
    return connection_->AnswerWithReset(1 - sender_);
  }
  if (segment.flags & kProbe) return Acknowledge();
  if (segment.flags & kFin) {
    fin_received_ = true;
    Acknowledge();
    return connection_->OnFin(1 - sender_);
  }
  DeliverData(segment);
}

bool TcpFlow::IsDuplicate(const Segment& segment, uint64_t offset) const {
  if (segment.bytes > 0) return offset + segment.bytes <= delivered_;
  return (segment.flags & kFin) != 0 && fin_received_;
}

void TcpFlow::DeliverData(const Segment& segment) {
  TcpEnd& receiver = connection_->end(1 - sender_);
  delivered_ += segment.bytes;
  connection_->world()->Record(TraceKind::kDeliver, receiver.id, id(), segment.bytes);
  if (receiver.gone) {  // closed, and more comes: close(2) promised that nobody reads it
    Discard();
    connection_->AbortEnd(1 - sender_);
    return;
  }
  Acknowledge();
  if (!direct_) return connection_->OnData(1 - sender_);
  if (!queued()) connection_->world()->events()->Schedule(this, now() + WakeUpDelay());
}

void TcpFlow::Discard() {
  bytes_.Discard(unread());
  read_ = delivered_;
}

void TcpFlow::Read(std::span<const iovec> buffers, size_t size) {
  size_t left = size;
  for (const iovec& buffer : buffers) {
    size_t part = std::min(left, buffer.iov_len);
    if (part == 0) continue;
    bytes_.Take(static_cast<std::byte*>(buffer.iov_base), part);
    left -= part;
  }
  read_ += size;
  connection_->world()->Record(TraceKind::kRead, connection_->end(1 - sender_).id, id(), size);
  // A window update once the announced window has shrunk and there is a good piece more to announce
  // (RFC 9293, 3.8.6.2.2).
  uint64_t edge = read_ + receive_buffer_;
  bool shrunk = advertised_ < delivered_ + std::max<uint32_t>(receive_buffer_ / 2, 1);
  if (fin_received_) return;  // nothing more will come
  if (shrunk && edge >= advertised_ + std::min<size_t>(2 * size_t{mss_}, receive_buffer_ / 2))
    Acknowledge();
}

// --- Acknowledgements ---

void TcpFlow::Acknowledge() {
  advertised_ = std::max(advertised_, read_ + receive_buffer_);
  if (direct_) return AcknowledgeDirectly();
  if (connection_->world()->wire() != nullptr) {
    ShowAcknowledgement(back_->passage() == Passage::kOpen ? nullptr : "lost: partition");
  }
  MonotonicTime arrival;
  if (plain_back_ != nullptr) {
    arrival = now() + plain_back_->latency.Sample(&chooser_, Choice::kAckLatency);
  } else if (back_->passage() == Passage::kOpen) {
    if (waiting()) connection_->world()->effects()->Bite(Fault::kClog);
    arrival = back_->DepartAck(now(), &chooser_, Choice::kAckLatency);
  } else {
    if (waiting()) connection_->world()->effects()->Bite(back_->blocked_by());
    if (!reack_) reack_since_ = now();
    reack_ = true;
    return ArmAckEvent();
  }
  // Acknowledgements are cumulative: one that is overtaken says nothing new.
  while (!acks_.empty() && acks_.back().arrival >= arrival) acks_.pop_back();
  if (acks_.empty()) DisarmAckEvent();
  SendAck(arrival);
  if (waiting()) ArmAckEvent();
}

// The window never shrinks, and what was delivered lay in it.
void TcpFlow::SendAck(MonotonicTime arrival) {
  acks_.push_back({arrival, static_cast<uint32_t>(delivered_),
                   static_cast<uint32_t>(advertised_ - delivered_)});
}

void TcpFlow::SettleAcks() {
  while (!acks_.empty() && acks_.front().arrival <= now()) {
    const Ack& first = acks_.front();
    acked_ += first.delivered - static_cast<uint32_t>(acked_);
    window_edge_ = std::max(window_edge_, acked_ + first.window);
    acks_.pop_front();
  }
}

void TcpFlow::ArmAckEvent() {
  if (ack_armed_) return;
  if (!acks_.empty()) {
    ArmAckEventAt(std::max(now(), acks_.front().arrival));
  } else if (reack_ && SenderAlive()) {
    ArmAckEventAt(reack_since_ + connection_->world()->config().tcp.user_timeout);
  }
}

void TcpFlow::ArmAckEventAt(MonotonicTime when) {
  ack_armed_ = true;
  connection_->world()->events()->Schedule(&ack_event_, when);
}

void TcpFlow::DisarmAckEvent() {
  if (!ack_armed_) return;
  ack_armed_ = false;
  connection_->world()->events()->Cancel(&ack_event_);
}

void TcpFlow::OnAckEvent() {
  ack_armed_ = false;
  if (!SenderAlive()) return;
  if (reack_ && now() - reack_since_ >= connection_->world()->config().tcp.user_timeout) {
    return OnAckTimeout();
  }
  SettleAcks();
  Transmit();
  if (writer_waiting_ && Room() > 0) connection_->OnWritable(sender_);
  if (waiting() || reack_) ArmAckEvent();
}

// No acknowledgement has come for as long as the sender waits, if it has something unacknowledged.
void TcpFlow::OnAckTimeout() {
  if (acked_ == delivered_ && sent_ == written_ && !fin_received_) return;
  connection_->world()->effects()->Bite(back_->blocked_by());
  connection_->OnUserTimeout(sender_);
}

// Acknowledgements in flight obey a new block. After it, the sender's next retransmission brings a
// new one; a hold lets the old ones go.
void TcpFlow::OnBackChange(Passage before) {
  Passage passage = back_->passage();
  if (before == Passage::kOpen) {
    SettleAcks();
    if (acks_.empty()) return;
    acks_.clear();
    reack_ = true;
    reack_since_ = now();
    DisarmAckEvent();
    if (waiting()) connection_->world()->effects()->Bite(back_->blocked_by());
    return ArmAckEvent();
  }
  if (passage != Passage::kOpen || !reack_) return;
  reack_ = false;
  MonotonicTime again = now();
  if (before == Passage::kDrop) {
    int retries = 1;
    for (again = reack_since_ + Rto(1); again < now(); again += Rto(++retries)) {
    }
    connection_->world()->Record(TraceKind::kDuplicateDrop, forward_->to(), id());
  }
  SendAck(back_->DepartAck(again, &chooser_, Choice::kAckLatency));
  DisarmAckEvent();
  if (waiting()) ArmAckEvent();
}

// --- Unix streams: no wire; the flow's event wakes the reader, the acknowledgements' the writer
// ---

Duration TcpFlow::WakeUpDelay() {
  return forward_->link().latency.Sample(&chooser_, Choice::kLatency);
}

void TcpFlow::AcknowledgeDirectly() {
  acked_ = delivered_;
  window_edge_ = std::max(window_edge_, advertised_);
  if (waiting() && !ack_armed_) ArmAckEventAt(now() + WakeUpDelay());
}

}  // namespace faultline::sim
