// The header of a WebSocket frame (RFC 6455, section 5.2): written for messages, read ahead of the
// engine.
//
// The engine parses every header itself. It is read here first, where it lies, because the engine
// goes through bytes without stopping, and five things have to be known before the payload: how
// much of it there is (limits, where it is received), whether it is text (1003), whether it is
// masked as this side wants it (section 5.1), whether its length takes the fewest bytes and whether
// a reserved bit is set (section 5.2). The engine checks none of the next three, and lets the first
// reserved bit pass, although it is built without extensions.
//
// Headers of messages are written here because the engine writes them into the bytes before the
// payload, masks the payload where it lies, and sends each message by itself
// (docs/decisions/websocket-frames.md). A test compares the two byte by byte.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_FRAME_HEADER_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_FRAME_HEADER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace faultline::websocket {

inline constexpr size_t kMaxFrameHeader = 14;
inline constexpr size_t kMaskSize = 4;

using Mask = std::array<std::byte, kMaskSize>;

enum class Opcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

struct FrameHeader {
  Opcode opcode{};  // may be none of the named ones
  bool final = false;
  bool masked = false;
  bool shortest = false;  // the length takes the fewest bytes
  bool reserved = false;  // one of the three bits is set
  size_t header_size = 0;
  uint64_t payload_size = 0;

  bool control() const { return (static_cast<uint8_t>(opcode) & 8) != 0; }
};

// Nothing if the header is not whole yet.
std::optional<FrameHeader> ReadFrameHeader(std::span<const std::byte> bytes);

// A final binary frame of `payload_size` bytes; with `mask` if there is one. Returns the header's
// size, at most kMaxFrameHeader.
size_t WriteFrameHeader(size_t payload_size, const Mask* mask, std::byte* out);

// Masks, or unmasks, `from` into `to`; they may be the same. `offset` is that of the first byte in
// its frame.
void ApplyMask(const Mask& mask, size_t offset, std::span<const std::byte> from, std::byte* to);

}  // namespace faultline::websocket

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_FRAME_HEADER_H_
