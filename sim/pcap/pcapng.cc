#include "sim/pcap/pcapng.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace faultline::sim {
namespace {

// Types of blocks and codes of options (draft-ietf-opsawg-pcapng, sections 3 and 4).
constexpr uint32_t kSectionHeader = 0x0A0D0D0A;
constexpr uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr uint32_t kInterfaceDescription = 1;
constexpr uint32_t kInterfaceStatistics = 5;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kDecryptionSecrets = 10;
constexpr uint32_t kTlsKeyLog = 0x544C534B;
constexpr uint16_t kEndOfOptions = 0;
constexpr uint16_t kComment = 1;
constexpr uint16_t kInterfaceName = 2;
constexpr uint16_t kApplication = 4;
constexpr uint16_t kTimeResolution = 9;

constexpr uint16_t kLinkTypeRaw = 101;
constexpr size_t kOptionMax = 65'535;  // bytes
constexpr size_t kLengthAt = 4;        // of a block's length, from its beginning

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

PcapngWriter::PcapngWriter(Output output) : output_(std::move(output)) {
  WriteSectionHeader();
  WriteInterface();
}

void PcapngWriter::WriteSectionHeader() {
  Begin(kSectionHeader);
  Put32(kByteOrderMagic);
  Put16(1);  // version 1.0
  Put16(0);
  Put32(0xFFFFFFFF);  // the section's length is not said
  Put32(0xFFFFFFFF);
  PutOption(kApplication, "Faultline");
  PutOption(kEndOfOptions, "");
  End();
}

void PcapngWriter::WriteInterface() {
  Begin(kInterfaceDescription);
  Put16(kLinkTypeRaw);
  Put16(0);
  Put32(0);  // packets are whole
  PutOption(kInterfaceName, "simulation");
  PutOption(kTimeResolution, "\x09");  // 10^-9 s
  PutOption(kEndOfOptions, "");
  End();
}

void PcapngWriter::WritePacket(WallTime time, std::span<const std::byte> packet,
                               std::span<const std::string> comments) {
  Begin(kEnhancedPacket);
  Put32(0);  // the interface
  PutTime(time);
  Put32(static_cast<uint32_t>(packet.size()));
  Put32(static_cast<uint32_t>(packet.size()));
  PutPadded(packet);
  PutComments(comments);
  End();
}

void PcapngWriter::WriteSecrets(std::string_view lines) {
  Begin(kDecryptionSecrets);
  Put32(kTlsKeyLog);
  Put32(static_cast<uint32_t>(lines.size()));
  PutPadded(Bytes(lines));
  End();
}

void PcapngWriter::WriteComments(WallTime time, std::span<const std::string> comments) {
  Begin(kInterfaceStatistics);
  Put32(0);  // the interface
  PutTime(time);
  PutComments(comments);
  End();
}

// --- Parts ---

void PcapngWriter::Begin(uint32_t type) {
  block_.clear();
  Put32(type);
  Put32(0);  // the length, when it is known
}

void PcapngWriter::End() {
  const uint32_t length = static_cast<uint32_t>(block_.size() + sizeof(uint32_t));
  std::memcpy(block_.data() + kLengthAt, &length, sizeof(length));
  Put32(length);
  output_(block_);
}

void PcapngWriter::Put16(uint16_t value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  block_.insert(block_.end(), bytes.begin(), bytes.end());
}

void PcapngWriter::Put32(uint32_t value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  block_.insert(block_.end(), bytes.begin(), bytes.end());
}

void PcapngWriter::PutTime(WallTime time) {
  const auto count = static_cast<uint64_t>(time.time_since_epoch().count());
  Put32(static_cast<uint32_t>(count >> 32));
  Put32(static_cast<uint32_t>(count));
}

void PcapngWriter::PutPadded(std::span<const std::byte> bytes) {
  block_.insert(block_.end(), bytes.begin(), bytes.end());
  while (block_.size() % sizeof(uint32_t) != 0) block_.push_back(std::byte{0});
}

void PcapngWriter::PutOption(uint16_t code, std::string_view value) {
  value = value.substr(0, kOptionMax);
  Put16(code);
  Put16(static_cast<uint16_t>(value.size()));
  PutPadded(Bytes(value));
}

void PcapngWriter::PutComments(std::span<const std::string> comments) {
  if (comments.empty()) return;
  for (const std::string& comment : comments) PutOption(kComment, comment);
  PutOption(kEndOfOptions, "");
}

}  // namespace faultline::sim
