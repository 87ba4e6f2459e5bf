#include "transports/message/message.h"

#include <cstring>
#include <limits>

#include "absl/status/status.h"
#include "transports/message/validate.h"

namespace faultline::message {
namespace {

bool IsAligned(const std::byte* data) {
  size_t space = sizeof(Header);
  void* pointer = const_cast<std::byte*>(data);
  return std::align(alignof(Header), sizeof(Header), pointer, space) == data;
}

size_t FrameSize(size_t body_size) {
  FAULTLINE_CHECK(body_size <= std::numeric_limits<uint32_t>::max() - kHeaderSize)
      << "a body of " << body_size << " bytes";
  return kHeaderSize + body_size;
}

}  // namespace

absl::StatusOr<Message> Message::Parse(Frozen frame, size_t max_message_size) {
  FAULTLINE_CHECK(IsAligned(frame.data())) << "headers are read where they lie";
  absl::Status valid = ValidateFrame(frame.bytes(), max_message_size);
  if (!valid.ok()) return valid;
  return Message(AlreadyValidated(), std::move(frame));
}

MessageBuilder::MessageBuilder(BufferPool* pool, size_t body_size)
    : frame_(pool->Allocate(FrameSize(body_size))) {}

MessageBuilder::MessageBuilder(BufferPacker* packer, size_t body_size)
    : frame_(packer->Allocate(FrameSize(body_size))) {}

Message MessageBuilder::Seal() && {
  FAULTLINE_CHECK(CommandName(header_.command) != "unknown") << "a message has a command";
  header_.size = static_cast<uint32_t>(frame_.size());
  header_.checksum_body = ChecksumOf(body());
  std::memcpy(frame_.data(), &header_, kHeaderSize);
  Uint128 seal = SealOf(frame_.bytes().first<kHeaderSize>());
  std::memcpy(frame_.data() + offsetof(Header, checksum), &seal, sizeof(seal));
  return Message(AlreadyValidated(), std::move(frame_).Freeze());
}

Message MakeMessage(BufferPool* pool, const Header& header, std::span<const std::byte> body) {
  MessageBuilder builder(pool, body.size());
  builder.header() = header;
  if (!body.empty()) std::memcpy(builder.body().data(), body.data(), body.size());
  return std::move(builder).Seal();
}

}  // namespace faultline::message
