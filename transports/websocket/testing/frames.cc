#include "transports/websocket/testing/frames.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <span>
#include <utility>

#include "transports/testing/samples.h"
#include "transports/websocket/engine.h"
#include "transports/websocket/frame_header.h"

namespace faultline::websocket::testing {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

std::string FrameOf(std::string_view payload, const RawFrame& frame) {
  const Mask mask = {std::byte{0x11}, std::byte{0x92}, std::byte{0x73}, std::byte{0xf4}};
  std::array<std::byte, kMaxFrameHeader> header{};
  size_t size = WriteFrameHeader(payload.size(), frame.masked ? &mask : nullptr, header.data());
  header[0] = static_cast<std::byte>((frame.final ? 0x80 : 0) | frame.reserved | frame.opcode);
  std::string bytes(reinterpret_cast<const char*>(header.data()), size);
  for (size_t i = 0; i < payload.size(); ++i) {
    bytes.push_back(frame.masked ? static_cast<char>(payload[i] ^ static_cast<char>(mask[i % 4]))
                                 : payload[i]);
  }
  return bytes;
}

std::string MessageBytes(BufferPool* pool, uint64_t tag, size_t body_size) {
  message::Message message = faultline::testing::Sample(pool, tag, body_size);
  std::span<const std::byte> bytes = message.frozen().bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string MessageFrame(BufferPool* pool, uint64_t tag, size_t body_size, const RawFrame& frame) {
  return FrameOf(MessageBytes(pool, tag, body_size), frame);
}

std::string CloseFrame(int code, std::string_view reason, bool masked) {
  std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code)};
  payload.append(reason);
  return FrameOf(payload, {.opcode = 8, .masked = masked});
}

std::vector<ParsedFrame> ParseFrames(const std::string& bytes) {
  std::vector<ParsedFrame> frames;
  for (size_t at = 0; at < bytes.size();) {
    std::optional<FrameHeader> header = ReadFrameHeader(Bytes(bytes).subspan(at));
    if (!header.has_value() || at + header->header_size + header->payload_size > bytes.size()) {
      ADD_FAILURE() << "a torn frame at " << at << " of " << bytes.size();
      break;
    }
    at += header->header_size;
    ParsedFrame frame{.opcode = static_cast<int>(header->opcode),
                      .final = header->final,
                      .masked = header->masked,
                      .payload = bytes.substr(at, header->payload_size)};
    for (size_t i = 0; header->masked && i < frame.payload.size(); ++i) {
      frame.payload[i] = static_cast<char>(frame.payload[i] ^ bytes[at - 4 + i % 4]);
    }
    at += header->payload_size;
    frames.push_back(std::move(frame));
  }
  return frames;
}

int CloseCodeIn(const std::string& bytes) {
  std::vector<ParsedFrame> frames = ParseFrames(bytes);
  if (frames.empty() || frames.back().opcode != 8) return 0;
  const std::string& payload = frames.back().payload;
  if (payload.size() < 2) return CloseReason::kNoCode;
  return static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]);
}

}  // namespace faultline::websocket::testing
