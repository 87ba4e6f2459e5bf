#include "sim/pcap/packets.h"

#include <algorithm>

#include "runtime/check.h"

namespace faultline::sim {
namespace {

constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
constexpr size_t kIpv4Header = 20;
constexpr size_t kTcpHeader = 20;
constexpr size_t kUdpHeader = 8;
constexpr size_t kSynOptions = 8;  // MSS, nothing, window scale
constexpr uint8_t kHops = 64;
constexpr size_t kIpv4ChecksumAt = 10;
constexpr size_t kTcpChecksumAt = 16;  // from the TCP header
constexpr size_t kUdpChecksumAt = 6;   // from the UDP header

using Bytes = std::vector<std::byte>;

void Put8(Bytes* out, uint8_t value) { out->push_back(static_cast<std::byte>(value)); }
void Put16(Bytes* out, uint16_t value) {
  Put8(out, static_cast<uint8_t>(value >> 8));
  Put8(out, static_cast<uint8_t>(value));
}
void Put32(Bytes* out, uint32_t value) {
  Put16(out, static_cast<uint16_t>(value >> 16));
  Put16(out, static_cast<uint16_t>(value));
}
void Set16(Bytes* out, size_t at, uint16_t value) {
  (*out)[at] = static_cast<std::byte>(value >> 8);
  (*out)[at + 1] = static_cast<std::byte>(value);
}

void PutAddress(Bytes* out, const Endpoint& endpoint) {
  const size_t size = endpoint.family() == Endpoint::Family::kIpv4 ? 4 : 16;
  for (size_t i = 0; i < size; ++i) Put8(out, endpoint.address()[i]);
}

// RFC 791.
void PutIpv4(Bytes* out, const Endpoint& from, const Endpoint& to, uint8_t protocol, size_t size) {
  Put8(out, 0x45);  // version 4, five words
  Put8(out, 0);
  Put16(out, static_cast<uint16_t>(kIpv4Header + size));
  Put16(out, 0);
  Put16(out, 0x4000);  // do not fragment
  Put8(out, kHops);
  Put8(out, protocol);
  Put16(out, 0);
  PutAddress(out, from);
  PutAddress(out, to);
  Set16(out, kIpv4ChecksumAt, InternetChecksum(*out));
}

// RFC 8200.
void PutIpv6(Bytes* out, const Endpoint& from, const Endpoint& to, uint8_t protocol, size_t size) {
  Put32(out, 0x60000000);
  Put16(out, static_cast<uint16_t>(size));
  Put8(out, protocol);
  Put8(out, kHops);
  PutAddress(out, from);
  PutAddress(out, to);
}

// The header of IP in front of `size` bytes; returns its length.
size_t PutIp(Bytes* out, const Endpoint& from, const Endpoint& to, uint8_t protocol, size_t size) {
  FAULTLINE_CHECK(from.is_ip() && from.family() == to.family()) << "both ends speak one IP";
  out->clear();
  const bool v4 = from.family() == Endpoint::Family::kIpv4;
  (v4 ? PutIpv4 : PutIpv6)(out, from, to, protocol, size);
  return out->size();
}

uint32_t SumOf(std::span<const std::byte> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint32_t low = i + 1 < bytes.size() ? static_cast<uint32_t>(bytes[i + 1]) : 0;
    sum += static_cast<uint32_t>(bytes[i]) << 8 | low;
    sum = (sum & 0xFFFF) + (sum >> 16);
  }
  return sum;
}

// Of what stands in front of TCP and UDP for their checksums (RFC 9293, 3.1; RFC 8200, 8.1).
uint32_t PseudoHeaderSum(const Endpoint& from, const Endpoint& to, uint8_t protocol, size_t size) {
  Bytes header;
  PutAddress(&header, from);
  PutAddress(&header, to);
  Put32(&header, static_cast<uint32_t>(size));
  Put32(&header, protocol);
  return SumOf(header);
}

uint16_t ScaledWindow(const TcpPacket& packet) {
  const int shift = (packet.flags & kTcpSyn) != 0 ? 0 : kWindowShift;
  const uint64_t window = (uint64_t{packet.window} + (uint64_t{1} << shift) - 1) >> shift;
  return static_cast<uint16_t>(std::min<uint64_t>(window, UINT16_MAX));
}

void PutSynOptions(Bytes* out, const TcpPacket& packet) {
  Put8(out, 2);  // the largest segment
  Put8(out, 4);
  Put16(out, packet.mss);
  Put8(out, 1);  // nothing
  Put8(out, 3);  // the scale of windows
  Put8(out, 3);
  Put8(out, kWindowShift);
}

}  // namespace

uint16_t InternetChecksum(std::span<const std::byte> bytes, uint32_t before) {
  uint32_t sum = SumOf(bytes) + before;
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void BuildTcp(const TcpPacket& packet, std::vector<std::byte>* out) {
  const bool syn = (packet.flags & kTcpSyn) != 0;
  const size_t header = kTcpHeader + (syn ? kSynOptions : 0);
  const size_t size = header + packet.payload.size();
  const size_t at = PutIp(out, packet.from, packet.to, kProtocolTcp, size);
  Put16(out, packet.from.port());
  Put16(out, packet.to.port());
  Put32(out, packet.sequence);
  Put32(out, (packet.flags & kTcpAck) != 0 ? packet.acknowledgement : 0);
  Put8(out, static_cast<uint8_t>(header / 4 << 4));
  Put8(out, packet.flags);
  Put16(out, ScaledWindow(packet));
  Put32(out, 0);  // the checksum, and no urgent data
  if (syn) PutSynOptions(out, packet);
  out->insert(out->end(), packet.payload.begin(), packet.payload.end());
  const uint32_t pseudo = PseudoHeaderSum(packet.from, packet.to, kProtocolTcp, size);
  Set16(out, at + kTcpChecksumAt, InternetChecksum(std::span(*out).subspan(at), pseudo));
}

void BuildUdp(const UdpPacket& packet, std::vector<std::byte>* out) {
  const size_t size = kUdpHeader + packet.payload.size();
  const size_t at = PutIp(out, packet.from, packet.to, kProtocolUdp, size);
  Put16(out, packet.from.port());
  Put16(out, packet.to.port());
  Put16(out, static_cast<uint16_t>(size));
  Put16(out, 0);
  out->insert(out->end(), packet.payload.begin(), packet.payload.end());
  const uint32_t pseudo = PseudoHeaderSum(packet.from, packet.to, kProtocolUdp, size);
  const uint16_t checksum = InternetChecksum(std::span(*out).subspan(at), pseudo);
  // Zero would say that there is none (RFC 768).
  Set16(out, at + kUdpChecksumAt, checksum == 0 ? UINT16_MAX : checksum);
}

}  // namespace faultline::sim
