#include "scenarios/ledger/pipe.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

// What names a frame: the seal of its header, which covers its body's.
Digest NameOf(const message::Uint128& seal) { return {seal.low, seal.high}; }

Digest NameOf(const Frozen& frame) {
  message::Uint128 seal;
  static_assert(offsetof(message::Header, checksum) == 0);
  std::memcpy(&seal, frame.data(), sizeof(seal));
  return NameOf(seal);
}

}  // namespace

Pipe::Pipe(const Party& self, const PeerInfo& peer, const ConnectionId& id,
           const PipeLimits& limits, StopToken parent, Clock* clock, ConnectionObserver* observer,
           const LedgerBugs* bugs, ByteBudget* budget)
    : self_(self),
      peer_(peer),
      id_(id),
      limits_(limits),
      clock_(clock),
      observer_(observer),
      bugs_(bugs),
      outbox_(limits.queue_frames, limits.queue_bytes, budget),
      stop_(parent),
      grace_(this),
      last_heard_(clock->Now()) {}

bool Pipe::Send(Frozen frame) {
  if (observer_ == nullptr) return outbox_.TryPush(std::move(frame));
  const Digest name = NameOf(frame);
  if (!outbox_.TryPush(std::move(frame))) return false;
  observer_->OnFrameQueued(self_, id_, name);
  return true;
}

void Pipe::Finish() {
  if (ending()) return;
  finishing_ = true;
  outbox_.Close();
  grace_.Arm(clock_, clock_->Now() + limits_.close_grace);
}

void Pipe::Fail(absl::Status reason) {
  if (failed()) return;
  status_ = std::move(reason);
  grace_.Disarm();
  outbox_.CloseAndDrop();
  stop_.RequestStop();
}

void Pipe::GraceTimer::OnTimer(Timer* timer) {
  static_cast<GraceTimer*>(timer)->pipe->Fail(
      absl::DeadlineExceededError("the peer did not end its side in time"));
}

bool Pipe::OnFrame(PipeHandler* handler, const message::Message& frame) {
  if (failed()) return false;
  if (observer_ != nullptr) observer_->OnFrameReceived(self_, id_, NameOf(frame.header().checksum));
  if (finishing_) return true;
  absl::Status handled = handler->OnFrame(this, frame);
  if (!handled.ok()) Fail(std::move(handled));
  return !failed();
}

void Pipe::OnReadEnd(const absl::Status& status) {
  if (message::IsConnectionClosed(status)) {
    ended_by_peer_ = !ending();
    Finish();
  } else {
    Fail(status);
  }
}

void Pipe::OnWriterIdle() {
  if (observer_ != nullptr) observer_->OnWriterIdle(self_, id_, outbox_.size());
}

size_t Pipe::batch_limit(bool full) const {
  if (full && Planted(bugs_, &LedgerBugs::lost_wake_up)) {
    return std::max<size_t>(1, outbox_.size() / 2);
  }
  return std::min(limits_.max_batch, FrozenBatch::kMaxBuffers);
}

}  // namespace faultline::ledger
