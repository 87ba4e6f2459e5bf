// The check of a frame, as somebody writes it who has no library: what
// transports/message/validate.h asks for, inlined, without a word about what is wrong. For the
// peers in `//bench:tcp`.
#ifndef FAULTLINE_BENCH_TCP_FRAMES_H_
#define FAULTLINE_BENCH_TCP_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "transports/message/fields.h"
#include "transports/message/header.h"
#include "xxhash.h"

namespace faultline::bench {

inline constexpr size_t kFrameHeader = message::kHeaderSize;
inline constexpr size_t kFrameMax = message::kDefaultMaxMessageSize;

template <typename T>
T LoadAt(const std::byte* frame, size_t offset) {
  T value;
  std::memcpy(&value, frame + offset, sizeof(value));
  return value;
}

inline bool InRange(uint64_t value, uint64_t first, uint64_t last) {
  return value - first <= last - first;
}

inline bool EnumerationsAreKnown(const std::byte* frame) {
  using message::Command;
  constexpr size_t kFields = offsetof(message::Header, reserved_command);
  switch (LoadAt<Command>(frame, offsetof(message::Header, command))) {
    case Command::kRequest:
      return InRange(LoadAt<uint8_t>(frame, kFields + offsetof(message::RequestFields, operation)),
                     1, 2);
    case Command::kReply:
      return InRange(LoadAt<uint8_t>(frame, kFields + offsetof(message::ReplyFields, operation)), 1,
                     2) &&
             LoadAt<uint32_t>(frame, kFields + offsetof(message::ReplyFields, status)) <= 2;
    case Command::kPrepare:
      return InRange(LoadAt<uint8_t>(frame, kFields + offsetof(message::PrepareFields, operation)),
                     1, 2);
    case Command::kPing:
    case Command::kPong:
      return InRange(LoadAt<uint8_t>(frame, kFields + offsetof(message::PingFields, role)), 1, 3);
    case Command::kReject:
      return InRange(LoadAt<uint32_t>(frame, kFields + offsetof(message::RejectFields, reason)), 1,
                     6);
    case Command::kPrepareOk:
    case Command::kCommit:
    case Command::kCatchUpRequest:
    case Command::kCatchUpData:
      return true;
  }
  return false;
}

inline bool SealMatches(const std::byte* seal, const std::byte* bytes, size_t size) {
  return LoadAt<uint64_t>(seal, 0) == XXH3_64bits(bytes, size) && LoadAt<uint64_t>(seal, 8) == 0;
}

// The size that 256 bytes announce; 0 if they are no valid header.
inline size_t CheckHeader(const std::byte* frame) {
  size_t size = LoadAt<uint32_t>(frame, offsetof(message::Header, size));
  if (!InRange(size, kFrameHeader, kFrameMax) || !EnumerationsAreKnown(frame)) return 0;
  constexpr size_t kSealed = sizeof(message::Header::checksum);
  return SealMatches(frame, frame + kSealed, kFrameHeader - kSealed) ? size : 0;
}

inline bool BodyMatches(const std::byte* frame, size_t size) {
  return SealMatches(frame + offsetof(message::Header, checksum_body), frame + kFrameHeader,
                     size - kFrameHeader);
}

// Calls `take(frame, size)` for each whole frame in [begin, end) of `buffer`. Returns how far it
// came, and in `*missing` how much of the next frame has not come yet. A wrong frame: SIZE_MAX.
template <typename Take>
size_t TakeFrames(const std::byte* buffer, size_t begin, size_t end, size_t* missing, Take take) {
  *missing = 1;
  while (end - begin >= kFrameHeader) {
    const std::byte* frame = buffer + begin;
    size_t size = CheckHeader(frame);
    if (size == 0) return SIZE_MAX;
    if (size > end - begin) {
      *missing = size - (end - begin);
      break;
    }
    if (!BodyMatches(frame, size)) return SIZE_MAX;
    take(frame, size);
    begin += size;
  }
  return begin;
}

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_TCP_FRAMES_H_
