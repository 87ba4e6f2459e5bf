// What the observer of the wire is shown of TCP: real headers for packets that the simulation keeps
// as records. Nothing here changes a flow.
#include <algorithm>
#include <vector>

#include "sim/host.h"
#include "sim/tcp.h"
#include "sim/wire.h"
#include "xxhash.h"

namespace faultline::sim {

// The first number of a direction follows from its identity: nothing is drawn for it.
uint32_t TcpFlow::SequenceAt(uint64_t offset) const {
  const uint64_t who = id();
  return static_cast<uint32_t>(XXH3_64bits(&who, sizeof(who)) + 1 + offset);
}

uint32_t TcpFlow::Acknowledged() const { return SequenceAt(delivered_ + (fin_received_ ? 1 : 0)); }

uint32_t TcpFlow::AnnouncedWindow() const {
  const uint64_t edge = std::max(advertised_, read_ + receive_buffer_);
  return static_cast<uint32_t>(edge - std::min(edge, delivered_));
}

void TcpFlow::Show(const Segment& segment, uint64_t offset, const char* fate) const {
  if (fate != nullptr && *fate == 0) return;
  const TcpFlow& other = connection_->flow(1 - sender_);
  const bool probe = (segment.flags & kProbe) != 0;
  uint8_t flags = kTcpAck;
  if (segment.bytes > 0) flags |= kTcpPsh;
  if (segment.flags & kFin) flags |= kTcpFin;
  if (segment.flags & kReset) flags |= kTcpRst;
  std::vector<std::byte> payload(segment.bytes);
  if (!payload.empty()) bytes_.Peek(offset - read_, payload.data(), payload.size());
  connection_->world()->wire()->OnTcp(connection_->world()->wall_now(),
                                      {.from = connection_->address(sender_),
                                       .to = connection_->address(1 - sender_),
                                       .sequence = SequenceAt(offset) - (probe ? 1 : 0),
                                       .acknowledgement = other.Acknowledged(),
                                       .flags = flags,
                                       .window = other.AnnouncedWindow(),
                                       .payload = payload,
                                       .fate = fate});
}

// From the receiver of this direction to its sender.
void TcpFlow::ShowAcknowledgement(const char* fate) const {
  const TcpFlow& other = connection_->flow(1 - sender_);
  connection_->world()->wire()->OnTcp(connection_->world()->wall_now(),
                                      {.from = connection_->address(1 - sender_),
                                       .to = connection_->address(sender_),
                                       .sequence = other.Acknowledged(),
                                       .acknowledgement = Acknowledged(),
                                       .flags = kTcpAck,
                                       .window = AnnouncedWindow(),
                                       .fate = fate});
}

void TcpConnection::ShowHandshake(const char* fate) const {
  switch (handshake_.stage) {
    case Stage::kSyn:
      return ShowControl(0, kTcpSyn, fate);
    case Stage::kSynAck:
      return ShowControl(1, kTcpSyn | kTcpAck, fate);
    case Stage::kRefusal:
      return ShowControl(1, kTcpRst | kTcpAck, fate);
    default:
      return;
  }
}

// A SYN stands one before the first byte, and everything else behind the last one.
void TcpConnection::ShowControl(int side, uint8_t flags, const char* fate) const {
  WireObserver* wire = world_->wire();
  if (wire == nullptr || unix_) return;
  const bool syn = (flags & kTcpSyn) != 0;
  const TcpFlow& out = flows_[side];
  wire->OnTcp(world_->wall_now(), {.from = addresses_[side],
                                   .to = addresses_[1 - side],
                                   .sequence = syn ? out.SequenceAt(0) - 1 : out.Acknowledged(),
                                   .acknowledgement = flows_[1 - side].Acknowledged(),
                                   .flags = flags,
                                   .window = flows_[1 - side].AnnouncedWindow(),
                                   .mss = static_cast<uint16_t>(syn ? out.mss() : 0),
                                   .fate = fate});
}

}  // namespace faultline::sim
