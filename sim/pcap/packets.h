// IP packets as bytes: headers of IPv4, IPv6, TCP and UDP, with their checksums.
#ifndef FAULTLINE_SIM_PCAP_PACKETS_H_
#define FAULTLINE_SIM_PCAP_PACKETS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/wire.h"

namespace faultline::sim {

// Windows are announced in units of 2^7 bytes (RFC 7323, section 2.2), as a SYN says.
inline constexpr int kWindowShift = 7;

// Both ends are IP endpoints of one family. `out` is what is built: a whole packet.
void BuildTcp(const TcpPacket& packet, std::vector<std::byte>* out);
void BuildUdp(const UdpPacket& packet, std::vector<std::byte>* out);

// RFC 1071: the ones' complement of the ones' complement sum of 16-bit words, on top of the sum
// `before`; an odd last byte is padded with zero.
uint16_t InternetChecksum(std::span<const std::byte> bytes, uint32_t before = 0);

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_PCAP_PACKETS_H_
