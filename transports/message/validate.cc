#include "transports/message/validate.h"

#include <cstring>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "transports/message/fields.h"
#include "transports/message/frame_error.h"
#include "xxhash.h"

namespace faultline::message {
namespace {

// Where the seal begins: behind itself.
constexpr size_t kSealedFrom = sizeof(Header::checksum);
constexpr size_t kFieldsAt = offsetof(Header, reserved_command);

template <typename T>
T Load(HeaderBytes header, size_t offset) {
  T value;
  std::memcpy(&value, header.data() + offset, sizeof(T));
  return value;
}

absl::Status Unknown(FrameError error, std::string_view what, uint64_t value) {
  return FrameErrorStatus(
      error, absl::StrCat("unknown ", absl::string_view(what.data(), what.size()), " ", value));
}

absl::Status CheckSize(uint32_t size, size_t max_message_size) {
  if (size < kHeaderSize) {
    return FrameErrorStatus(
        FrameError::kSizeBelowHeader,
        absl::StrCat("frame size ", size, " is below the ", kHeaderSize, " bytes of a header"));
  }
  if (size > max_message_size) {
    return FrameErrorStatus(
        FrameError::kSizeAboveMaximum,
        absl::StrCat("frame size ", size, " is above the maximum of ", max_message_size, " bytes"));
  }
  return absl::OkStatus();
}

// The enumeration `E`, without gaps from `first` to `last`, at `offset` of the command's fields.
template <typename E>
absl::Status CheckEnumeration(HeaderBytes header, size_t offset, E first, E last,
                              std::string_view what) {
  using Raw = std::underlying_type_t<E>;
  Raw value = Load<Raw>(header, kFieldsAt + offset);
  if (value >= static_cast<Raw>(first) && value <= static_cast<Raw>(last)) return absl::OkStatus();
  return Unknown(FrameError::kUnknownEnumeration, what, value);
}

absl::Status CheckOperation(HeaderBytes header, size_t offset) {
  return CheckEnumeration(header, offset, Operation::kAppend, Operation::kRead, "operation");
}

absl::Status CheckReply(HeaderBytes header) {
  absl::Status operation = CheckOperation(header, offsetof(ReplyFields, operation));
  if (!operation.ok()) return operation;
  return CheckEnumeration(header, offsetof(ReplyFields, status), ReplyStatus::kOk,
                          ReplyStatus::kRefused, "reply status");
}

absl::Status CheckRole(HeaderBytes header) {
  static_assert(offsetof(PingFields, role) == offsetof(PongFields, role));
  return CheckEnumeration(header, offsetof(PingFields, role), Role::kReplica, Role::kReader,
                          "role");
}

absl::Status CheckEnumerations(HeaderBytes header) {
  auto command = Load<uint8_t>(header, offsetof(Header, command));
  switch (static_cast<Command>(command)) {
    case Command::kRequest:
      return CheckOperation(header, offsetof(RequestFields, operation));
    case Command::kReply:
      return CheckReply(header);
    case Command::kPrepare:
      return CheckOperation(header, offsetof(PrepareFields, operation));
    case Command::kPing:
    case Command::kPong:
      return CheckRole(header);
    case Command::kReject:
      return CheckEnumeration(header, offsetof(RejectFields, reason), RejectReason::kNotPrimary,
                              RejectReason::kNotReady, "reject reason");
    case Command::kPrepareOk:
    case Command::kCommit:
    case Command::kCatchUpRequest:
    case Command::kCatchUpData:
      return absl::OkStatus();
  }
  return Unknown(FrameError::kUnknownCommand, "command", command);
}

}  // namespace

Uint128 ChecksumOf(std::span<const std::byte> bytes) {
  return {.low = XXH3_64bits(bytes.data(), bytes.size())};
}

Uint128 SealOf(HeaderBytes header) {
  return {.low = XXH3_64bits(header.data() + kSealedFrom, kHeaderSize - kSealedFrom)};
}

absl::Status ValidateHeader(HeaderBytes header, size_t max_message_size) {
  absl::Status status = CheckSize(SizeOf(header), max_message_size);
  if (!status.ok()) return status;
  status = CheckEnumerations(header);
  if (!status.ok()) return status;
  if (Load<Uint128>(header, offsetof(Header, checksum)) == SealOf(header)) return status;
  return FrameErrorStatus(FrameError::kCorruptedHeader, "the header does not match its seal");
}

absl::Status ValidateBody(HeaderBytes header, std::span<const std::byte> body) {
  if (Load<Uint128>(header, offsetof(Header, checksum_body)) == ChecksumOf(body)) {
    return absl::OkStatus();
  }
  return FrameErrorStatus(
      FrameError::kCorruptedBody,
      absl::StrCat("the body of ", body.size(), " bytes does not match its checksum"));
}

absl::Status ValidateFrame(std::span<const std::byte> frame, size_t max_message_size) {
  if (frame.size() < kHeaderSize) {
    return FrameErrorStatus(FrameError::kTornHeader, absl::StrCat("torn header: ", frame.size(),
                                                                  " of ", kHeaderSize, " bytes"));
  }
  HeaderBytes header = frame.first<kHeaderSize>();
  absl::Status status = ValidateHeader(header, max_message_size);
  if (!status.ok()) return status;
  if (SizeOf(header) != frame.size()) {
    return FrameErrorStatus(
        FrameError::kLengthMismatch,
        absl::StrCat("a frame of size ", SizeOf(header), " came as ", frame.size(), " bytes"));
  }
  return ValidateBody(header, frame.subspan(kHeaderSize));
}

}  // namespace faultline::message
