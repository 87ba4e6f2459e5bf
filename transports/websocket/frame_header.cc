#include "transports/websocket/frame_header.h"

#include <cstring>

namespace faultline::websocket {
namespace {

constexpr uint8_t kFinal = 0x80;
constexpr uint8_t kReserved = 0x70;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kLength16 = 126;
constexpr uint8_t kLength64 = 127;
constexpr size_t kSmallest16 = 126;
constexpr size_t kSmallest64 = 65536;

uint64_t ReadBigEndian(const std::byte* bytes, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | static_cast<uint64_t>(bytes[i]);
  return value;
}

void WriteBigEndian(uint64_t value, size_t size, std::byte* out) {
  for (size_t i = size; i-- > 0; value >>= 8) out[i] = static_cast<std::byte>(value);
}

size_t LengthBytes(uint8_t code) { return code == kLength64 ? 8 : code == kLength16 ? 2 : 0; }

}  // namespace

std::optional<FrameHeader> ReadFrameHeader(std::span<const std::byte> bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const auto first = static_cast<uint8_t>(bytes[0]);
  const auto second = static_cast<uint8_t>(bytes[1]);
  const uint8_t code = second & 0x7f;
  const size_t length_bytes = LengthBytes(code);
  FrameHeader header;
  header.opcode = static_cast<Opcode>(first & 0x0f);
  header.final = (first & kFinal) != 0;
  header.reserved = (first & kReserved) != 0;
  header.masked = (second & kMasked) != 0;
  header.header_size = 2 + length_bytes + (header.masked ? kMaskSize : 0);
  if (bytes.size() < header.header_size) return std::nullopt;
  header.payload_size = length_bytes == 0 ? code : ReadBigEndian(&bytes[2], length_bytes);
  header.shortest =
      length_bytes == 0 || header.payload_size >= (length_bytes == 2 ? kSmallest16 : kSmallest64);
  return header;
}

size_t WriteFrameHeader(size_t payload_size, const Mask* mask, std::byte* out) {
  const uint8_t code = payload_size < kSmallest16   ? static_cast<uint8_t>(payload_size)
                       : payload_size < kSmallest64 ? kLength16
                                                    : kLength64;
  size_t size = 2 + LengthBytes(code);
  out[0] = static_cast<std::byte>(kFinal | static_cast<uint8_t>(Opcode::kBinary));
  out[1] = static_cast<std::byte>(code | (mask != nullptr ? kMasked : 0));
  WriteBigEndian(payload_size, size - 2, out + 2);
  if (mask == nullptr) return size;
  std::memcpy(out + size, mask->data(), kMaskSize);
  return size + kMaskSize;
}

void ApplyMask(const Mask& mask, size_t offset, std::span<const std::byte> from, std::byte* to) {
  std::array<std::byte, 8> turned{};
  for (size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(offset + i) % kMaskSize];
  uint64_t wide;
  std::memcpy(&wide, turned.data(), sizeof(wide));
  size_t at = 0;
  for (; at + sizeof(wide) <= from.size(); at += sizeof(wide)) {
    uint64_t word;
    std::memcpy(&word, from.data() + at, sizeof(word));
    word ^= wide;
    std::memcpy(to + at, &word, sizeof(word));
  }
  for (; at < from.size(); ++at) to[at] = from[at] ^ turned[at % kMaskSize];
}

}  // namespace faultline::websocket
