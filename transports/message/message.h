// Message: a valid frame in an immutable shared buffer; and how one is made.
//
//   MessageBuilder builder(pool, text.size());
//   builder.header().cluster = cluster;
//   builder.header().SetFields(RequestFields{.client = me, .request = 7});
//   ... fill builder.body() ...
//   Message request = std::move(builder).Seal();
//   batch.Add(request.frozen());                        // shares the buffer, copies nothing
//
// A message that exists is valid: it was sealed here, or checked when it was read.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_MESSAGE_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_MESSAGE_H_

#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "runtime/buffer_packer.h"
#include "runtime/check.h"
#include "runtime/frozen.h"
#include "transports/message/fields.h"
#include "transports/message/header.h"

namespace faultline::message {

// Says that the caller has validated a frame.
struct AlreadyValidated {};

// Copying shares the buffer.
class Message {
 public:
  // Holds nothing; only to be assigned to.
  Message() = default;

  // Validates a whole frame (validate.h) and wraps it. Its bytes start at a multiple of 8, as those
  // of every buffer from a pool do. Errors: those of `ValidateFrame`.
  static absl::StatusOr<Message> Parse(Frozen frame, size_t max_message_size);
  // Wraps a frame whose header and body the caller has validated. Its start is a multiple of 8.
  explicit Message(AlreadyValidated, Frozen frame) : frame_(std::move(frame)) {}

  bool empty() const { return frame_.empty(); }
  // Valid as long as this message, or a copy of it, lives. Not when empty.
  const Header& header() const {
    FAULTLINE_CHECK(!frame_.empty()) << "an empty message has no header";
    return *reinterpret_cast<const Header*>(frame_.data());
  }
  Command command() const { return header().command; }
  // As `Header::Fields`.
  template <CommandFields T>
  T Fields() const {
    return header().Fields<T>();
  }
  // Valid as long as this message, or a copy of it, lives.
  std::span<const std::byte> body() const { return frame_.bytes().subspan(kHeaderSize); }
  // Header and body, in bytes.
  size_t size() const { return frame_.size(); }

  // The whole frame, for the wire.
  const Frozen& frozen() const& { return frame_; }
  Frozen frozen() && { return std::move(frame_); }

 private:
  Frozen frame_;
};

// A valid frame that lies where it was received, at any alignment: valid as long as whoever gave it
// out says. Copies nothing but what is asked for.
class MessageView {
 public:
  // Holds nothing; only to be assigned to.
  MessageView() = default;
  MessageView(AlreadyValidated, std::span<const std::byte> frame) : frame_(frame) {}

  bool empty() const { return frame_.empty(); }

  // By value: 256 bytes. This and what follows: not when empty.
  Header header() const {
    Header header;
    std::memcpy(&header, frame_.data(), sizeof(header));
    return header;
  }
  Command command() const { return static_cast<Command>(frame_[offsetof(Header, command)]); }
  // As `Header::Fields`.
  template <CommandFields T>
  T Fields() const {
    FAULTLINE_CHECK(command() == T::kCommand)
        << "a " << CommandName(command()) << " read as a " << CommandName(T::kCommand);
    T fields;
    std::memcpy(&fields, frame_.data() + offsetof(Header, reserved_command), sizeof(fields));
    return fields;
  }
  std::span<const std::byte> body() const { return frame_.subspan(kHeaderSize); }
  // Header and body.
  std::span<const std::byte> bytes() const { return frame_; }
  size_t size() const { return frame_.size(); }

 private:
  std::span<const std::byte> frame_;
};

// Fills one message. The header starts zeroed, the body uninitialised.
class MessageBuilder {
 public:
  // `pool` is used here only. The body is at most 4 GiB - 257 bytes.
  explicit MessageBuilder(BufferPool* pool, size_t body_size = 0);
  // Likewise: small messages lie packed, at multiples of 64 (buffer_packer.h).
  explicit MessageBuilder(BufferPacker* packer, size_t body_size = 0);

  // `size`, `checksum` and `checksum_body` are filled in by `Seal`.
  Header& header() { return header_; }
  std::span<std::byte> body() { return frame_.bytes().subspan(kHeaderSize); }

  // Makes the body shorter.
  void TruncateBody(size_t body_size) { frame_.Truncate(kHeaderSize + body_size); }

  // Sets the size, both checksums, and freezes. The command is set by then.
  Message Seal() &&;

 private:
  Header header_;
  Unfrozen frame_;
};

// A sealed message of `header` and a copy of `body`.
Message MakeMessage(BufferPool* pool, const Header& header, std::span<const std::byte> body = {});

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_MESSAGE_H_
