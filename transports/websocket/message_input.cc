#include "transports/websocket/message_input.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "transports/message/frame_error.h"
#include "transports/message/validate.h"

namespace faultline::websocket {
namespace {

using message::FrameError;
using message::FrameErrorStatus;
using message::kHeaderSize;
using message::Planted;
using message::TransportBugs;

constexpr size_t kAlignment = alignof(message::Header);
// What is read when a large message is expected: its headers, or a few small frames.
constexpr size_t kHeadBytes = 1024;
// RFC 6455, section 5.2: the first bit of a length of 64 is 0.
constexpr uint64_t kMaxPayload = ~uint64_t{0} >> 1;
// The longest control frame.
constexpr size_t kMaxControlFrame = kMaxFrameHeader + 125;

// What a close frame says of a message that is not valid.
int CodeOf(const absl::Status& invalid) {
  return message::FrameErrorOf(invalid) == FrameError::kSizeAboveMaximum
             ? CloseReason::kTooBig
             : CloseReason::kInvalidPayload;
}

// Of a close frame, still masked: the mask stands before it.
int CodeIn(const std::byte* payload, bool masked) {
  std::array<uint8_t, 2> code{};
  for (size_t i = 0; i < code.size(); ++i) {
    const std::byte key = masked ? *(payload + i - kMaskSize) : std::byte{0};
    code[i] = static_cast<uint8_t>(payload[i] ^ key);
  }
  return code[0] << 8 | code[1];
}

absl::Status Wrong(const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("websocket: ", what));
}

}  // namespace

MessageInput::MessageInput(Session* session, BufferPool* pool, const InputOptions& options,
                           const TransportBugs* bugs)
    : session_(session),
      pool_(pool),
      options_(options),
      bugs_(bugs),
      packer_(pool),
      wanted_(options.receive_buffer_bytes) {
  FAULTLINE_CHECK(options.receive_buffer_bytes >= kMinReceiveBuffer)
      << "a receive buffer of " << options.receive_buffer_bytes << " bytes";
}

MessageInput::Found MessageInput::Find(size_t max_message_size, message::Message* out) {
  if (Planted(bugs_, &TransportBugs::maximum_size_ignored)) max_message_size = SIZE_MAX;
  for (;;) {
    if (!failure_.ok()) return Found::kFailed;
    if (session_->peer_closed()) return Found::kPeerClosed;
    if (left_ > 0) {
      if (begin_ == end_) return Found::kNeedBytes;
      if (!TakePayload(max_message_size).ok()) return Found::kFailed;
      continue;
    }
    if (assembling_ && final_frame_ && !dropping_) return FinishMessage(out);
    std::optional<Found> found = FindFrame(max_message_size, out);
    if (found.has_value()) return *found;
  }
}

std::optional<MessageInput::Found> MessageInput::FindFrame(size_t max_message_size,
                                                           message::Message* out) {
  std::optional<FrameHeader> header = ReadFrameHeader(unread());
  needed_ = needed_skip_ = 0;
  if (!header.has_value()) return Found::kNeedBytes;
  if (!CheckHeader(*header, max_message_size).ok()) return Found::kFailed;
  if (header->control()) return TakeControl(*header);
  if (header->final && !assembling_ && !dropping_ && header->opcode == Opcode::kBinary) {
    const size_t size = header->header_size + header->payload_size;
    if (size <= end_ - begin_) return TakeWhole(*header, max_message_size, out);
    if (size <= buffer_.size() / 2 && !ExpectsLarge()) {
      needed_ = size;
      needed_skip_ = header->header_size;
      return Found::kNeedBytes;
    }
  }
  if (!ParseBytes(buffer_.data() + begin_, header->header_size).ok()) return Found::kFailed;
  begin_ += header->header_size;
  left_ = header->payload_size;
  final_frame_ = header->final;
  assembling_ = true;
  return std::nullopt;
}

// What the engine does not check, and what has to be known before it is asked.
absl::Status MessageInput::CheckHeader(const FrameHeader& header, size_t max_message_size) {
  if (header.masked == session_->client()) {
    return Check(Wrong(header.masked ? "a masked frame from a server"
                                     : "a frame without a mask from a client"),
                 CloseReason::kProtocolError);
  }
  if (header.opcode == Opcode::kText) {
    return Check(Wrong("a text message"), CloseReason::kUnsupportedData);
  }
  if (header.reserved) return Check(Wrong("a reserved bit"), CloseReason::kProtocolError);
  if (!header.shortest) {
    return Check(Wrong("a length in more bytes than it needs"), CloseReason::kProtocolError);
  }
  if (header.payload_size > kMaxPayload) {
    return Check(Wrong("a length with its first bit set"), CloseReason::kProtocolError);
  }
  return header.control() || dropping_ ? absl::OkStatus() : CheckSize(header, max_message_size);
}

absl::Status MessageInput::CheckSize(const FrameHeader& header, size_t max_message_size) {
  const size_t before = assembling_ ? filled_ : 0;
  if (header.payload_size > max_message_size - std::min(before, max_message_size)) {
    return Check(FrameErrorStatus(
                     FrameError::kSizeAboveMaximum,
                     absl::StrCat("websocket: a message of ", before, " + ", header.payload_size,
                                  " bytes, at most ", max_message_size, " are accepted")),
                 CloseReason::kTooBig);
  }
  return absl::OkStatus();
}

std::optional<MessageInput::Found> MessageInput::TakeControl(const FrameHeader& header) {
  const size_t size = header.header_size + std::min<size_t>(header.payload_size, kMaxControlFrame);
  const bool small = header.payload_size <= 125;  // the engine refuses others by their header
  if (small && size > end_ - begin_) {
    needed_ = size;
    return Found::kNeedBytes;
  }
  if (header.opcode == Opcode::kClose && small) {
    if (!ParseClose(header).ok()) return Found::kFailed;
  } else if (!ParseBytes(buffer_.data() + begin_, small ? size : header.header_size).ok()) {
    return Found::kFailed;
  }
  begin_ += size;
  // The answer to a close frame is for those who know what is still to be sent.
  session_->AnswerPing();
  return std::nullopt;
}

// The engine puts 1002 in the place of a code that it does not like, and likes some that are wrong.
absl::Status MessageInput::ParseClose(const FrameHeader& header) {
  std::byte* frame = buffer_.data() + begin_;
  int code = CloseReason::kNoCode;
  if (header.payload_size >= 2) {
    code = CodeIn(frame + header.header_size, header.masked);
    if (!CloseReason::MayBeSent(code)) {
      return Check(absl::InvalidArgumentError(absl::StrCat("websocket: the close code ", code,
                                                           ", which no frame may say")),
                   CloseReason::kProtocolError);
    }
  }
  const size_t size = header.header_size + header.payload_size;
  absl::Status parsed = session_->ParseClose({frame, size}, code);
  return parsed.ok() ? parsed : Check(std::move(parsed), session_->error_code());
}

MessageInput::Found MessageInput::TakeWhole(const FrameHeader& header, size_t max_message_size,
                                            message::Message* out) {
  std::byte* frame = buffer_.data() + begin_;
  const size_t size = header.payload_size;
  if (!ParseBytes(frame, header.header_size + size).ok()) return Found::kFailed;
  std::span<const std::byte> message(frame + header.header_size, size);
  begin_ += header.header_size + size;
  absl::Status valid = message::ValidateFrame(message, max_message_size);
  if (!valid.ok()) return Fail(valid, CodeOf(valid));
  last_size_ = size;
  *out = message::Message(message::AlreadyValidated(), Own(message));
  return Found::kMessage;
}

Frozen MessageInput::Own(std::span<const std::byte> message) {
  const auto offset = static_cast<size_t>(message.data() - buffer_.data());
  if (offset % kAlignment == 0 && !options_.own_buffers) {
    return buffer_.Share(offset, message.size());
  }
  Unfrozen own =
      options_.own_buffers ? pool_->Allocate(message.size()) : packer_.Allocate(message.size());
  std::memcpy(own.data(), message.data(), message.size());
  return std::move(own).Freeze();
}

// What has arrived of the payload goes to the engine, and to the message.
absl::Status MessageInput::TakePayload(size_t max_message_size) {
  std::byte* bytes = buffer_.data() + begin_;
  const size_t size = std::min<uint64_t>(left_, end_ - begin_);
  if (!ParseBytes(bytes, size).ok()) return failure_;
  begin_ += size;
  left_ -= size;
  return Append({bytes, size}, max_message_size);
}

absl::Status MessageInput::Append(std::span<const std::byte> payload, size_t max_message_size) {
  if (dropping_) return absl::OkStatus();
  if (body_.size() == 0) {
    const size_t size = std::min(payload.size(), kHeaderSize - filled_);
    std::memcpy(head_.data() + filled_, payload.data(), size);
    filled_ += size;
    payload = payload.subspan(size);
    if (filled_ < kHeaderSize) return absl::OkStatus();
    if (!StartBody(max_message_size).ok()) return failure_;
  }
  if (payload.size() > body_.size() - filled_) {
    return Check(FrameErrorStatus(FrameError::kLengthMismatch,
                                  absl::StrCat("websocket: a message of ", body_.size(),
                                               " bytes in frames of more")),
                 CloseReason::kInvalidPayload);
  }
  if (!payload.empty()) std::memcpy(body_.data() + filled_, payload.data(), payload.size());
  filled_ += payload.size();
  return absl::OkStatus();
}

absl::Status MessageInput::StartBody(size_t max_message_size) {
  message::HeaderBytes header(head_);
  absl::Status valid = message::ValidateHeader(header, max_message_size);
  if (!valid.ok()) return Check(valid, CodeOf(valid));
  body_ = pool_->Allocate(message::SizeOf(header));
  std::memcpy(body_.data(), head_.data(), kHeaderSize);
  return absl::OkStatus();
}

MessageInput::Found MessageInput::FinishMessage(message::Message* out) {
  if (body_.size() == 0) {
    return Fail(
        FrameErrorStatus(FrameError::kTornHeader,
                         absl::StrCat("torn header: ", filled_, " of ", kHeaderSize, " bytes")),
        CloseReason::kInvalidPayload);
  }
  if (filled_ < body_.size()) {
    return Fail(FrameErrorStatus(FrameError::kLengthMismatch,
                                 absl::StrCat("websocket: a message of ", body_.size(),
                                              " bytes in frames of ", filled_)),
                CloseReason::kInvalidPayload);
  }
  absl::Status valid = message::ValidateBody(message::HeaderBytes(body_.data(), kHeaderSize),
                                             body_.bytes().subspan(kHeaderSize));
  if (!valid.ok()) return Fail(std::move(valid), CloseReason::kInvalidPayload);
  assembling_ = false;
  filled_ = 0;
  last_size_ = body_.size();
  *out = message::Message(message::AlreadyValidated(), std::exchange(body_, Unfrozen()).Freeze());
  return Found::kMessage;
}

void MessageInput::DropMessages() {
  dropping_ = true;
  body_ = Unfrozen();
  filled_ = 0;
}

std::span<const iovec> MessageInput::BeginRead(std::array<iovec, 2>* buffers) {
  FAULTLINE_CHECK(failure_.ok() && !session_->peer_closed()) << "nothing is to be read any more";
  MakeRoom();
  const iovec behind = {buffer_.data() + end_, ReadLimit()};
  offered_ = behind.iov_len;
  direct_ = body_.size() == 0 ? 0 : std::min<uint64_t>(left_, body_.size() - filled_);
  if (direct_ == 0) {
    (*buffers)[0] = behind;
    return std::span(*buffers).first(1);
  }
  (*buffers)[0] = {body_.data() + filled_, direct_};
  (*buffers)[1] = behind;
  offered_ += direct_;
  return *buffers;
}

absl::Status MessageInput::OnRead(size_t bytes) {
  if (bytes == offered_ && wanted_ < options_.receive_buffer_max_bytes) {
    wanted_ = std::min(wanted_ * 2, options_.receive_buffer_max_bytes);
  }
  const size_t direct = std::min(bytes, direct_);
  end_ += bytes - direct;
  if (direct == 0) return absl::OkStatus();
  if (!ParseBytes(body_.data() + filled_, direct).ok()) return failure_;
  filled_ += direct;
  left_ -= direct;
  return absl::OkStatus();
}

// A message that is received next should be where it can be shared: behind a frame's header of the
// usual size.
size_t MessageInput::StartOffset() const {
  const size_t header = needed_skip_ != 0 ? needed_skip_ : session_->client() ? 4 : 8;
  return (kAlignment - header % kAlignment) % kAlignment;
}

// What was not taken goes to the front, once nobody shares the buffer; or stays, as long as half of
// it is free; or goes to another buffer.
void MessageInput::MakeRoom() {
  const size_t rest = end_ - begin_;
  const size_t start = StartOffset();
  // Only the head of an upgrade, which has a limit of its own, asks for more than frames do.
  if (rest > buffer_.size() / 2) wanted_ = std::max(wanted_, 2 * buffer_.size());
  const bool stays = end_ <= buffer_.size() / 2 && begin_ + needed_ <= buffer_.size();
  if (buffer_.size() >= wanted_ && stays && (rest > 0 || !buffer_.unshared())) return;
  Slab old;
  const bool stale = begin_ > 0 && Planted(bugs_, &TransportBugs::compaction_off_by_one);
  const std::byte* from = buffer_.data() + begin_ - (stale ? 1 : 0);
  if (buffer_.size() < wanted_ || !buffer_.unshared()) {
    old = std::exchange(buffer_, Slab(pool_->Allocate(wanted_)));
  }
  if (rest > 0) std::memmove(buffer_.data() + start, from, rest);
  begin_ = start;
  end_ = start + rest;
}

bool MessageInput::ExpectsLarge() const {
  return last_size_ >= std::max(options_.direct_bytes, buffer_.size() / 2);
}

size_t MessageInput::ReadLimit() const {
  const size_t room = buffer_.size() - end_;
  return ExpectsLarge() && end_ - begin_ < kHeadBytes ? std::min(room, kHeadBytes) : room;
}

absl::Status MessageInput::EndOfStream() const {
  if (assembling_ && body_.size() != 0) {
    if (Planted(bugs_, &TransportBugs::torn_body_is_clean_end)) return message::ConnectionClosed();
    return FrameErrorStatus(FrameError::kTornBody,
                            absl::StrCat("torn body: ", filled_ - kHeaderSize, " of ",
                                         body_.size() - kHeaderSize, " bytes"));
  }
  if (assembling_ || begin_ != end_) return TornFrame();
  return absl::DataLossError("websocket: the stream ended without a close frame");
}

// A part of a frame, of which the engine has seen nothing, or of a message's header.
absl::Status MessageInput::TornFrame() const {
  const std::optional<FrameHeader> header = ReadFrameHeader(unread());
  const bool body = header.has_value() && unread().size() >= header->header_size + kHeaderSize;
  if (Planted(bugs_, body ? &TransportBugs::torn_body_is_clean_end
                          : &TransportBugs::torn_header_is_clean_end)) {
    return message::ConnectionClosed();
  }
  return FrameErrorStatus(body ? FrameError::kTornBody : FrameError::kTornHeader,
                          "websocket: the stream ended within a frame");
}

void MessageInput::OnCancelled() {
  if (!Planted(bugs_, &TransportBugs::cancelled_read_loses_bytes)) return;
  begin_ = end_;
  body_ = Unfrozen();
  filled_ = 0;
  left_ = 0;
  assembling_ = false;
}

absl::Status MessageInput::ParseBytes(std::byte* bytes, size_t size) {
  absl::Status parsed = session_->Parse({bytes, size});
  return parsed.ok() ? parsed : Check(std::move(parsed), session_->error_code());
}

absl::Status MessageInput::Check(absl::Status status, int close_code) {
  failure_ = std::move(status);
  close_code_ = close_code;
  return failure_;
}

MessageInput::Found MessageInput::Fail(absl::Status status, int close_code) {
  (void)Check(std::move(status), close_code);
  return Found::kFailed;
}

}  // namespace faultline::websocket
