#include "transports/quic/stream_state.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::quic {

StreamState::StreamState(StreamHost* host, int64_t id, size_t capacity)
    : host_(host), id_(id), capacity_(capacity) {}

// --- Reading ---

bool StreamState::StartRead(ReadOp* op) {
  FAULTLINE_CHECK(reading_ == nullptr) << "one read at a time";
  if (TryRead(op)) return true;
  reading_ = op;
  return false;
}

bool StreamState::TryRead(ReadOp* op) {
  if (shut_) {
    op->Fail(absl::FailedPreconditionError("read: the stream is closed"));
  } else if (!received_.empty()) {
    size_t taken = received_.TakeInto(op->buffers());
    host_->OnRead(id_, taken);
    op->Succeed(taken);
  } else if (ended_) {
    op->Succeed(0);
  } else if (!read_error_.ok()) {
    op->Fail(read_error_);
  } else {
    return false;
  }
  return true;
}

void StreamState::CancelRead(ReadOp* op) {
  reading_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

void StreamState::OnData(std::span<const std::byte> bytes, bool last) {
  if (shut_) {
    host_->OnRead(id_, bytes.size());
  } else {
    received_.Append(bytes);
  }
  ended_ |= last;
}

void StreamState::OnReset(const absl::Status& status) {
  if (!ended_) read_error_.Update(status);
}

// --- Writing ---

bool StreamState::StartWrite(WriteOp* op) {
  FAULTLINE_CHECK(writing_ == nullptr) << "one write at a time";
  if (TryWrite(op)) return true;
  writing_ = op;
  return false;
}

bool StreamState::TryWrite(WriteOp* op) {
  if (shut_) {
    op->Fail(absl::FailedPreconditionError("write: the stream is closed"));
  } else if (!write_error_.ok()) {
    op->Fail(write_error_);
  } else if (finishing_) {
    op->Fail(ErrnoStatus(EPIPE, "write after a half-close"));
  } else if (capacity_ - sending_.size() >= std::min(op->capacity(), capacity_ / 4)) {
    op->Succeed(Accept(op->buffers()));
    host_->Wake();
  } else {
    return false;
  }
  return true;
}

size_t StreamState::Accept(std::span<const iovec> buffers) {
  size_t before = sending_.size();
  for (const iovec& buffer : buffers) {
    size_t count = std::min(buffer.iov_len, capacity_ - sending_.size());
    sending_.Append({static_cast<const std::byte*>(buffer.iov_base), count});
    if (count < buffer.iov_len) break;
  }
  return sending_.size() - before;
}

void StreamState::CancelWrite(WriteOp* op) {
  writing_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

absl::Status StreamState::ShutdownWrite() {
  FAULTLINE_CHECK(writing_ == nullptr)
      << "half-close with a write pending: stop and await it first";
  if (shut_ || !write_error_.ok()) return ErrnoStatus(ENOTCONN, "half-close");
  finishing_ = true;
  host_->Wake();
  return absl::OkStatus();
}

bool StreamState::HasToSend() const {
  if (broken_ || forgotten_) return false;
  return announcing_ || HasBytesToSend() || (finishing_ && !finish_sent_);
}

StreamState::Piece StreamState::NextPiece(std::span<iovec> room) {
  Piece piece{sending_.Peek(sent_, room)};
  size_t bytes = 0;
  for (const iovec& part : piece.bytes) bytes += part.iov_len;
  piece.last = finishing_ && sent_ + bytes == sending_.size();
  return piece;
}

void StreamState::OnSent(size_t bytes, bool last) {
  announcing_ = false;
  sent_ += bytes;
  if (!last || sent_ < sending_.size()) return;
  finish_sent_ = true;
  finish_sent_alone_ = bytes == 0;
}

// A frame that carries the end and no bytes is told by 0 bytes; one that carries both is told by
// its bytes, which are then the last.
void StreamState::OnAcknowledged(size_t bytes) {
  sending_.Drop(bytes);
  sent_ -= bytes;
  if (finish_sent_alone_ && bytes == 0) finish_alone_acknowledged_ = true;
  if (!finish_sent_ || !sending_.empty()) return;
  finish_acknowledged_ |= finish_alone_acknowledged_ || !finish_sent_alone_;
}

bool StreamState::WaitsForPeer() const {
  return !finish_sent_ && (writing_ != nullptr || HasToSend());
}

void StreamState::OnRefused() {
  write_error_.Update(ErrnoStatus(EPIPE, "quic: the peer has stopped reading"));
  broken_ = true;
}

bool StreamState::Delivered() const {
  return forgotten_ || broken_ || (finishing_ && finish_acknowledged_ && sending_.empty());
}

// --- Both ---

void StreamState::Shut() {
  shut_ = true;
  if (reading_ != nullptr) std::exchange(reading_, nullptr)->Fail(ErrnoStatus(ECANCELED, "read"));
  if (writing_ != nullptr) std::exchange(writing_, nullptr)->Fail(ErrnoStatus(ECANCELED, "write"));
  if (received_.empty()) return;
  host_->OnRead(id_, received_.size());
  received_.Drop(received_.size());
}

void StreamState::OnForgotten() {
  if (writing_ != nullptr) OnRefused();
  forgotten_ = true;
}

void StreamState::OnSessionEnd(const absl::Status& status) {
  broken_ = true;
  forgotten_ = true;
  write_error_.Update(status);
  if (!ended_) read_error_.Update(status);
  Deliver();
}

void StreamState::Deliver() {
  if (reading_ != nullptr && TryRead(reading_)) reading_ = nullptr;
  if (writing_ != nullptr && TryWrite(writing_)) writing_ = nullptr;
}

}  // namespace faultline::quic
