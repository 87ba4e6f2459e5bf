// WireObserver: sees every packet of the simulated network, and changes nothing.
//
//   world.SetWire(&capture);     // before the first run; outlives the world
//
// A packet is shown at the moment at which it reaches its host, or would have reached it had it not
// been lost; pure acknowledgements, which travel as data (docs/decisions), when they leave. Nothing
// is drawn, scheduled or recorded for it: a run that is watched is the same run. Unix streams have
// no packets.
#ifndef FAULTLINE_SIM_WIRE_H_
#define FAULTLINE_SIM_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/endpoint.h"
#include "runtime/time.h"

namespace faultline::sim {

// Bits of a TCP header (RFC 9293, 3.1).
inline constexpr uint8_t kTcpFin = 1;
inline constexpr uint8_t kTcpSyn = 2;
inline constexpr uint8_t kTcpRst = 4;
inline constexpr uint8_t kTcpPsh = 8;
inline constexpr uint8_t kTcpAck = 16;

// What is pointed to is valid during the call.
struct TcpPacket {
  const Endpoint& from;
  const Endpoint& to;
  uint32_t sequence = 0;
  uint32_t acknowledgement = 0;  // with kTcpAck
  uint8_t flags = 0;
  uint32_t window = 0;  // bytes
  uint16_t mss = 0;     // of a SYN
  std::span<const std::byte> payload{};
  const char* fate = nullptr;  // what befell it; null: it arrived
};

struct UdpPacket {
  const Endpoint& from;
  const Endpoint& to;
  std::span<const std::byte> payload{};
  const char* fate = nullptr;  // as above
};

class WireObserver {
 public:
  virtual ~WireObserver() = default;

  // `now`: true time, whatever the hosts' clocks say.
  virtual void OnTcp(WallTime now, const TcpPacket& packet) = 0;
  virtual void OnUdp(WallTime now, const UdpPacket& packet) = 0;
  // A line of a key log in NSS's format, without an end of line: secrets of a connection whose
  // protected packets come after this. From the scenario's programs.
  virtual void OnSecret(std::string_view line) = 0;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_WIRE_H_
