// The checks behind validate.h, inlined where frames are cut from a stream: what is wrong is told
// to a function of the caller's, and whoever only wants to know whether passes one that does
// nothing. Nobody else includes this.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_HEADER_CHECK_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_HEADER_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "transports/message/fields.h"
#include "transports/message/frame_error.h"
#include "transports/message/header.h"
#include "transports/message/validate.h"
#include "xxhash.h"

namespace faultline::message::internal {

// Where the seal begins: behind itself.
inline constexpr size_t kSealedFrom = sizeof(Header::checksum);
inline constexpr size_t kFieldsAt = offsetof(Header, reserved_command);

template <typename T>
T Load(HeaderBytes header, size_t offset) {
  T value;
  std::memcpy(&value, header.data() + offset, sizeof(T));
  return value;
}

inline Uint128 Hash(const std::byte* bytes, size_t size) {
  return {.low = XXH3_64bits(bytes, size)};
}

inline Uint128 SealIn(HeaderBytes header) {
  return Hash(header.data() + kSealedFrom, kHeaderSize - kSealedFrom);
}

// What is wrong: the kind, a name for it, and the value that should not be.
struct Ignore {
  void operator()(FrameError, std::string_view, uint64_t) const {}
};

// The enumeration `E`, without gaps from `first` to `last`, at `offset` of the command's fields.
template <typename E, typename Wrong>
bool CheckEnumeration(HeaderBytes header, size_t offset, E first, E last, std::string_view what,
                      Wrong wrong) {
  using Raw = std::underlying_type_t<E>;
  Raw value = Load<Raw>(header, kFieldsAt + offset);
  if (value >= static_cast<Raw>(first) && value <= static_cast<Raw>(last)) return true;
  wrong(FrameError::kUnknownEnumeration, what, value);
  return false;
}

template <typename Wrong>
bool CheckOperation(HeaderBytes header, size_t offset, Wrong wrong) {
  return CheckEnumeration(header, offset, Operation::kAppend, Operation::kRead, "operation", wrong);
}

template <typename Wrong>
bool CheckReply(HeaderBytes header, Wrong wrong) {
  return CheckOperation(header, offsetof(ReplyFields, operation), wrong) &&
         CheckEnumeration(header, offsetof(ReplyFields, status), ReplyStatus::kOk,
                          ReplyStatus::kRefused, "reply status", wrong);
}

template <typename Wrong>
bool CheckRole(HeaderBytes header, Wrong wrong) {
  static_assert(offsetof(PingFields, role) == offsetof(PongFields, role));
  return CheckEnumeration(header, offsetof(PingFields, role), Role::kReplica, Role::kReader, "role",
                          wrong);
}

template <typename Wrong>
bool CheckEnumerations(HeaderBytes header, Wrong wrong) {
  auto command = Load<uint8_t>(header, offsetof(Header, command));
  switch (static_cast<Command>(command)) {
    case Command::kRequest:
      return CheckOperation(header, offsetof(RequestFields, operation), wrong);
    case Command::kReply:
      return CheckReply(header, wrong);
    case Command::kPrepare:
      return CheckOperation(header, offsetof(PrepareFields, operation), wrong);
    case Command::kPing:
    case Command::kPong:
      return CheckRole(header, wrong);
    case Command::kReject:
      return CheckEnumeration(header, offsetof(RejectFields, reason), RejectReason::kNotPrimary,
                              RejectReason::kNotReady, "reject reason", wrong);
    case Command::kPrepareOk:
    case Command::kCommit:
    case Command::kCatchUpRequest:
    case Command::kCatchUpData:
      return true;
  }
  wrong(FrameError::kUnknownCommand, "command", command);
  return false;
}

template <typename Wrong>
bool CheckSize(HeaderBytes header, size_t max_message_size, Wrong wrong) {
  uint32_t size = SizeOf(header);
  if (__builtin_expect(size >= kHeaderSize && size <= max_message_size, true)) return true;
  wrong(size < kHeaderSize ? FrameError::kSizeBelowHeader : FrameError::kSizeAboveMaximum, "size",
        size);
  return false;
}

// In the order of validate.h. False: `wrong` was called, once.
template <typename Wrong>
[[gnu::always_inline]] inline bool CheckHeader(HeaderBytes header, size_t max_message_size,
                                               Wrong wrong) {
  if (!CheckSize(header, max_message_size, wrong)) return false;
  if (!CheckEnumerations(header, wrong)) return false;
  if (Load<Uint128>(header, offsetof(Header, checksum)) == SealIn(header)) return true;
  wrong(FrameError::kCorruptedHeader, "seal", 0);
  return false;
}

inline bool IsValidHeader(HeaderBytes header, size_t max_message_size) {
  return CheckHeader(header, max_message_size, Ignore());
}

inline bool IsValidBody(HeaderBytes header, std::span<const std::byte> body) {
  return Load<Uint128>(header, offsetof(Header, checksum_body)) == Hash(body.data(), body.size());
}

}  // namespace faultline::message::internal

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_HEADER_CHECK_H_
