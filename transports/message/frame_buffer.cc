#include "transports/message/frame_buffer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/errors.h"
#include "transports/message/frame_error.h"

namespace faultline::message {
namespace {

// What is read into the receive buffer when a large frame is expected: its header, or a few small
// frames.
constexpr size_t kHeadBytes = 1024;

// Two headers: room to go on behind the rest of one.
constexpr size_t kMinReceiveBuffer = 2 * kHeaderSize;

HeaderBytes HeaderOf(const std::byte* frame) { return HeaderBytes(frame, kHeaderSize); }

}  // namespace

FrameBuffer::FrameBuffer(BufferPool* pool, const FrameReaderOptions& options,
                         const TransportBugs* bugs)
    : pool_(pool), options_(options), bugs_(bugs) {
  FAULTLINE_CHECK(options.receive_buffer_bytes >= kMinReceiveBuffer)
      << "a receive buffer of " << options.receive_buffer_bytes << " bytes";
}

std::span<const std::byte> FrameBuffer::Find(size_t max_message_size) {
  if (__builtin_expect(Planted(bugs_, &TransportBugs::maximum_size_ignored), false)) {
    max_message_size = SIZE_MAX;
  }
  if (lent_.size() != 0) lent_ = Unfrozen();
  if (partial_.size() != 0) return FindPartial(max_message_size);
  if (buffered() >= kHeaderSize) return FindBuffered(max_message_size);
  return {};
}

std::span<const std::byte> FrameBuffer::FindBuffered(size_t max_message_size) {
  const std::byte* frame = buffer_.data() + begin_;
  absl::Status valid = ValidateHeader(HeaderOf(frame), max_message_size);
  if (!valid.ok()) return Fail(std::move(valid));
  size_t size = SizeOf(HeaderOf(frame));
  last_size_ = size;
  if (size > buffered()) {
    StartPartial(size);
    return {};
  }
  valid = ValidateBody(HeaderOf(frame), {frame + kHeaderSize, size - kHeaderSize});
  if (!valid.ok()) return Fail(std::move(valid));
  begin_ += size;
  return {frame, size};
}

void FrameBuffer::StartPartial(size_t size) {
  partial_ = pool_->Allocate(size);
  partial_filled_ = buffered();
  std::memcpy(partial_.data(), buffer_.data() + begin_, partial_filled_);
  begin_ = end_ = 0;
}

std::span<const std::byte> FrameBuffer::FindPartial(size_t max_message_size) {
  HeaderBytes header = HeaderOf(partial_.data());
  if (partial_.size() > max_message_size) return Fail(ValidateHeader(header, max_message_size));
  if (partial_filled_ < partial_.size()) return {};
  absl::Status valid = ValidateBody(header, partial_.bytes().subspan(kHeaderSize));
  if (!valid.ok()) return Fail(std::move(valid));
  lent_ = std::exchange(partial_, Unfrozen());
  partial_filled_ = 0;
  return lent_.bytes();
}

std::span<const iovec> FrameBuffer::BeginRead(std::array<iovec, 2>* buffers) {
  if (buffer_.size() == 0) buffer_ = pool_->Allocate(options_.receive_buffer_bytes);
  MoveToFront();
  iovec behind = {buffer_.data() + end_, ReadLimit() - end_};
  if (partial_.size() == 0) {
    (*buffers)[0] = behind;
    return std::span(*buffers).first(1);
  }
  (*buffers)[0] = {partial_.data() + partial_filled_, partial_.size() - partial_filled_};
  (*buffers)[1] = behind;
  return *buffers;
}

// Leaves at most a part of a header: whole frames were given out, and of a longer part of a frame
// `partial_` was made.
void FrameBuffer::MoveToFront() {
  size_t rest = buffered();
  if (rest > 0 && begin_ > 0) {
    size_t stale = Planted(bugs_, &TransportBugs::compaction_off_by_one) ? 1 : 0;
    std::memmove(buffer_.data(), buffer_.data() + begin_ - stale, rest);
  }
  begin_ = 0;
  end_ = rest;
}

size_t FrameBuffer::ReadLimit() const {
  bool large = last_size_ >= options_.direct_bytes;
  return large ? std::min(buffer_.size(), kHeadBytes) : buffer_.size();
}

absl::Status FrameBuffer::OnRead(const absl::StatusOr<size_t>& read) {
  if (!read.ok()) return OnFault(read.status());
  if (*read > 0) {
    Account(*read);
  } else {
    OnEnd();
  }
  return final_;
}

void FrameBuffer::Account(size_t bytes) {
  size_t of_partial = std::min(bytes, partial_.size() - partial_filled_);
  partial_filled_ += of_partial;
  end_ += bytes - of_partial;
}

void FrameBuffer::OnEnd() {
  if (partial_.size() != 0 && !Planted(bugs_, &TransportBugs::torn_body_is_clean_end)) {
    Fail(FrameErrorStatus(FrameError::kTornBody,
                          absl::StrCat("torn body: ", partial_filled_ - kHeaderSize, " of ",
                                       partial_.size() - kHeaderSize, " bytes")));
  } else if (buffered() != 0 && !Planted(bugs_, &TransportBugs::torn_header_is_clean_end)) {
    Fail(FrameErrorStatus(FrameError::kTornHeader, absl::StrCat("torn header: ", buffered(), " of ",
                                                                kHeaderSize, " bytes")));
  } else {
    Fail(ConnectionClosed());
  }
}

absl::Status FrameBuffer::OnFault(const absl::Status& status) {
  if (!absl::IsCancelled(status)) {
    Fail(status);
  } else if (ErrnoOf(status) == ECANCELED) {
    // Not a stop request, but our other half: it has aborted the stream.
    Fail(ErrnoStatus(ECONNABORTED, "the connection was aborted on this side"));
  } else {
    if (Planted(bugs_, &TransportBugs::cancelled_read_loses_bytes)) Forget();
    return status;
  }
  return final_;
}

bool FrameBuffer::closed_cleanly() const { return IsConnectionClosed(final_); }

void FrameBuffer::SetReading() {
  FAULTLINE_CHECK(!reading_) << "a reader reads one message at a time";
  reading_ = true;
}

void FrameBuffer::Abandon() {
  reading_ = false;
  Fail(absl::AbortedError("a read was abandoned"));
}

void FrameBuffer::Forget() {
  partial_ = Unfrozen();
  partial_filled_ = begin_ = end_ = 0;
}

std::span<const std::byte> FrameBuffer::Fail(absl::Status status) {
  final_ = std::move(status);
  Forget();
  buffer_ = Unfrozen();
  return {};
}

}  // namespace faultline::message
