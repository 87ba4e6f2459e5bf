#include "transports/message/frame_buffer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/errors.h"
#include "transports/message/frame_error.h"
#include "transports/message/header_check.h"

namespace faultline::message {
namespace {

// What is read into the receive buffer when a large frame is expected: its header, or a few small
// frames.
constexpr size_t kHeadBytes = 1024;

// Two headers: room to go on behind the rest of one.
constexpr size_t kMinReceiveBuffer = 2 * kHeaderSize;

constexpr size_t AlignUp(size_t offset, size_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

HeaderBytes HeaderOf(const std::byte* frame) { return HeaderBytes(frame, kHeaderSize); }

// `arrived` and `size` count the header.
absl::Status TornBody(size_t arrived, size_t size) {
  return FrameErrorStatus(
      FrameError::kTornBody,
      absl::StrCat("torn body: ", arrived - kHeaderSize, " of ", size - kHeaderSize, " bytes"));
}

}  // namespace

FrameBuffer::FrameBuffer(BufferPool* pool, const FrameReaderOptions& options,
                         const TransportBugs* bugs)
    : pool_(pool), options_(options), bugs_(bugs), wanted_(options.receive_buffer_bytes) {
  FAULTLINE_CHECK(options.receive_buffer_bytes >= kMinReceiveBuffer)
      << "a receive buffer of " << options.receive_buffer_bytes << " bytes";
}

// What each frame passes through: inlined, and what is rare is not.
[[gnu::always_inline]] inline std::span<const std::byte> FrameBuffer::FindBuffered(
    size_t max_message_size) {
  if (buffered() < kHeaderSize) return {};
  const std::byte* frame = buffer_.data() + begin_;
  HeaderBytes header = HeaderOf(frame);
  if (!internal::IsValidHeader(header, max_message_size)) {
    return Fail(ValidateHeader(header, max_message_size));
  }
  size_t size = SizeOf(header);
  last_size_ = size;
  if (size > buffered()) return {};
  std::span<const std::byte> body(frame + kHeaderSize, size - kHeaderSize);
  if (!internal::IsValidBody(header, body)) return Fail(ValidateBody(header, body));
  begin_ += size;
  return {frame, size};
}

Frozen FrameBuffer::LendOrCopy(std::span<const std::byte> frame) {
  if (lent_.size() != 0) return std::exchange(lent_, Unfrozen()).Freeze();
  Unfrozen own = pool_->Allocate(frame.size());
  std::memcpy(own.data(), frame.data(), frame.size());
  return std::move(own).Freeze();
}

std::span<const std::byte> FrameBuffer::Find(size_t max_message_size) {
  if (Planted(bugs_, &TransportBugs::maximum_size_ignored)) max_message_size = SIZE_MAX;
  if (lent_.size() != 0) lent_ = Unfrozen();
  if (partial_.size() != 0) return FindPartial(max_message_size);
  return FindBuffered(max_message_size);
}

void FrameBuffer::StartPartial(size_t size) {
  partial_ = pool_->Allocate(size);
  partial_filled_ = buffered();
  std::memcpy(partial_.data(), buffer_.data() + begin_, partial_filled_);
  begin_ = end_;
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
  MakeRoom();
  iovec behind = {buffer_.data() + end_, ReadLimit()};
  offered_ = behind.iov_len;
  if (partial_.size() == 0) {
    (*buffers)[0] = behind;
    return std::span(*buffers).first(1);
  }
  (*buffers)[0] = {partial_.data() + partial_filled_, partial_.size() - partial_filled_};
  (*buffers)[1] = behind;
  offered_ += (*buffers)[0].iov_len;
  return *buffers;
}

// What was not given out goes where the next frame can be shared: to the front, once nobody shares
// the buffer; behind the messages that do, as long as half of it is free; or to another buffer.
void FrameBuffer::MakeRoom() {
  const bool grows = buffer_.size() < wanted_;
  if (partial_.size() == 0 && buffered() >= kHeaderSize) {
    const size_t size = SizeOf(HeaderOf(buffer_.data() + begin_));  // `Find` has validated it
    if (!grows && FitsBehind(size)) return;
    const size_t in_front = grows ? wanted_ : buffer_.unshared() ? buffer_.size() : 0;
    if (!StaysShared() || size > in_front) StartPartial(size);
  }
  if (grows) return MoveRestToNewBuffer();
  size_t begin = AlignUp(begin_, kShareAlignment);
  if (buffer_.unshared()) {
    MoveRest(buffer_.data(), 0);
  } else if (begin + buffered() <= buffer_.size() / 2) {
    MoveRest(buffer_.data(), begin);
  } else {
    MoveRestToNewBuffer();
  }
}

// Whether the frame of which a part has arrived is to be received to its end in the receive buffer.
bool FrameBuffer::StaysShared() const { return !options_.own_buffers && !ExpectsLarge(); }

// And can be where it is.
bool FrameBuffer::FitsBehind(size_t size) const {
  return StaysShared() && begin_ % kShareAlignment == 0 && begin_ + size <= buffer_.size();
}

void FrameBuffer::MoveRestToNewBuffer() {
  Slab old = std::exchange(buffer_, Slab(pool_->Allocate(wanted_)));
  MoveRest(old.data(), 0);
}

// A part of one frame: whole ones were given out.
void FrameBuffer::MoveRest(std::byte* from, size_t to) {
  size_t rest = buffered();
  if (rest > 0 && from + begin_ != buffer_.data() + to) {
    size_t stale = Planted(bugs_, &TransportBugs::compaction_off_by_one) && begin_ > 0 ? 1 : 0;
    std::memmove(buffer_.data() + to, from + begin_ - stale, rest);
  }
  begin_ = to;
  end_ = to + rest;
}

// How many bytes the next read may take into the receive buffer.
size_t FrameBuffer::ReadLimit() const {
  size_t room = buffer_.size() - end_;
  return ExpectsLarge() ? std::min(room, kHeadBytes - buffered()) : room;
}

bool FrameBuffer::ExpectsLarge() const {
  size_t large = options_.direct_bytes;
  if (!options_.own_buffers) large = std::max(large, buffer_.size() / 2);
  return last_size_ >= large;
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
  if (bytes == offered_ && wanted_ < options_.receive_buffer_max_bytes) {
    wanted_ = std::min(wanted_ * 2, options_.receive_buffer_max_bytes);
  }
  size_t of_partial = std::min(bytes, partial_.size() - partial_filled_);
  partial_filled_ += of_partial;
  end_ += bytes - of_partial;
}

void FrameBuffer::OnEnd() {
  if (partial_.size() != 0 && !Planted(bugs_, &TransportBugs::torn_body_is_clean_end)) {
    Fail(TornBody(partial_filled_, partial_.size()));
  } else if (buffered() >= kHeaderSize && !Planted(bugs_, &TransportBugs::torn_body_is_clean_end)) {
    Fail(TornBody(buffered(), SizeOf(HeaderOf(buffer_.data() + begin_))));
  } else if (buffered() != 0 && buffered() < kHeaderSize &&
             !Planted(bugs_, &TransportBugs::torn_header_is_clean_end)) {
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

std::vector<std::byte> FrameBuffer::TakeUnread() {
  FAULTLINE_CHECK(!reading_) << "a read is pending";
  const std::span<const std::byte> partial = partial_.bytes();
  std::vector<std::byte> unread(partial.begin(),
                                partial.begin() + static_cast<ptrdiff_t>(partial_filled_));
  if (end_ > begin_) unread.insert(unread.end(), buffer_.data() + begin_, buffer_.data() + end_);
  Fail(absl::FailedPreconditionError("the stream has been detached"));
  return unread;
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
  partial_filled_ = 0;
  begin_ = end_;
}

std::span<const std::byte> FrameBuffer::Fail(absl::Status status) {
  final_ = std::move(status);
  Forget();
  buffer_ = Slab();
  begin_ = end_ = 0;
  return {};
}

}  // namespace faultline::message
