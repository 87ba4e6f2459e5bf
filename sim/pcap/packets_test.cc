// Goal: packets are what a kernel would send: headers, lengths, checksums.
// Method: whole packets byte by byte, and the receiver's check: summed up with its checksum, what a
// checksum covers gives nothing but ones (RFC 1071).
#include "sim/pcap/packets.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::sim {
namespace {

using Bytes = std::vector<std::byte>;

const Endpoint kFrom = Endpoint::Ipv4({10, 0, 0, 1}, 7000);
const Endpoint kTo = Endpoint::Ipv4({10, 0, 0, 2}, 40000);
const Endpoint kFrom6 = *Endpoint::Parse("[fd00::1]:7000");
const Endpoint kTo6 = *Endpoint::Parse("[fd00::2]:40000");

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Hex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::byte byte : bytes) {
    text += kDigits[static_cast<uint8_t>(byte) >> 4];
    text += kDigits[static_cast<uint8_t>(byte) & 15];
  }
  return text;
}

// As a receiver: the addresses, the length and the protocol in front of what IP carries.
bool ChecksumHolds(std::span<const std::byte> packet, uint8_t protocol) {
  const bool v4 = static_cast<uint8_t>(packet[0]) >> 4 == 4;
  const auto carried = packet.subspan(v4 ? 20 : 40);
  const auto addresses = v4 ? packet.subspan(12, 8) : packet.subspan(8, 32);
  Bytes covered(addresses.begin(), addresses.end());
  for (size_t value : {carried.size() >> 8, carried.size() & 0xFF, size_t{0}, size_t{protocol}}) {
    covered.push_back(static_cast<std::byte>(value));
  }
  covered.insert(covered.end(), carried.begin(), carried.end());
  return InternetChecksum(covered) == 0;
}

// RFC 1071, section 3: its example.
TEST(Packets, TheChecksumIsThatOfTheRfc) {
  const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(InternetChecksum(std::as_bytes(std::span(bytes))), static_cast<uint16_t>(~0xddf2));
  EXPECT_EQ(InternetChecksum(std::as_bytes(std::span(bytes).first(7))),
            static_cast<uint16_t>(~0xdcfb));
}

TEST(Packets, ATcpSegmentOverIpv4) {
  Bytes packet;
  BuildTcp({.from = kFrom,
            .to = kTo,
            .sequence = 0x01020304,
            .acknowledgement = 0x05060708,
            .flags = kTcpAck | kTcpPsh,
            .window = 65536,
            .payload = AsBytes("odd")},
           &packet);
  const std::string hex = Hex(packet);
  EXPECT_EQ(hex.substr(0, 20), "4500002b000040004006");  // 43 bytes, TCP
  EXPECT_EQ(InternetChecksum(std::span(packet).first(20)), 0);
  EXPECT_EQ(hex.substr(24, 16), "0a0000010a000002");
  EXPECT_EQ(hex.substr(40, 32), "1b589c40010203040506070850180200");  // 512 times 128 bytes
  EXPECT_EQ(hex.substr(80), "6f6464");
  EXPECT_TRUE(ChecksumHolds(packet, 6));
}

TEST(Packets, ASynSaysHowLargeSegmentsAndWindowsAre) {
  Bytes packet;
  BuildTcp(
      {.from = kFrom, .to = kTo, .sequence = 9, .flags = kTcpSyn, .window = 70000, .mss = 1460},
      &packet);
  const std::string hex = Hex(packet);
  EXPECT_EQ(hex.substr(40, 32),
            "1b589c400000000900000000"
            "7002ffff");
  EXPECT_EQ(hex.substr(80), "020405b401030307");
  EXPECT_TRUE(ChecksumHolds(packet, 6));
}

TEST(Packets, AWindowThatIsOpenIsNeverAnnouncedAsClosed) {
  for (auto [window, announced] : {std::pair<uint32_t, std::string>{0, "0000"},
                                   {1, "0001"},
                                   {512, "0004"},
                                   {1u << 30, "ffff"}}) {
    Bytes packet;
    BuildTcp({.from = kFrom, .to = kTo, .flags = kTcpAck, .window = window}, &packet);
    EXPECT_EQ(Hex(packet).substr(68, 4), announced) << window;
  }
}

TEST(Packets, ATcpSegmentOverIpv6) {
  Bytes packet;
  BuildTcp({.from = kFrom6, .to = kTo6, .sequence = 1, .flags = kTcpRst, .payload = {}}, &packet);
  const std::string hex = Hex(packet);
  EXPECT_EQ(hex.substr(0, 16), "6000000000140640");
  EXPECT_EQ(hex.substr(16, 64),
            "fd000000000000000000000000000001"
            "fd000000000000000000000000000002");
  EXPECT_TRUE(ChecksumHolds(packet, 6));
}

TEST(Packets, DatagramsOverBoth) {
  Bytes packet;
  BuildUdp({.from = kFrom, .to = kTo, .payload = AsBytes("hello")}, &packet);
  EXPECT_EQ(Hex(packet).substr(0, 20), "45000021000040004011");
  EXPECT_EQ(Hex(packet).substr(40, 12), "1b589c40000d");
  EXPECT_EQ(Hex(packet).substr(56), "68656c6c6f");
  EXPECT_TRUE(ChecksumHolds(packet, 17));
  BuildUdp({.from = kFrom6, .to = kTo6, .payload = {}}, &packet);
  EXPECT_EQ(packet.size(), 48u);
  EXPECT_TRUE(ChecksumHolds(packet, 17));
}

// RFC 768: zero means that there is no checksum, so a sum of zero is sent as ones.
TEST(Packets, ADatagramAlwaysHasAChecksum) {
  size_t ones = 0;
  for (int i = 0; i < 65536; ++i) {
    const std::byte payload[] = {static_cast<std::byte>(i >> 8), static_cast<std::byte>(i)};
    Bytes packet;
    BuildUdp({.from = kFrom, .to = kTo, .payload = payload}, &packet);
    const std::string checksum = Hex(std::span(packet).subspan(26, 2));
    EXPECT_NE(checksum, "0000");
    if (checksum == "ffff") ++ones;
  }
  EXPECT_EQ(ones, 1u);
}

}  // namespace
}  // namespace faultline::sim
