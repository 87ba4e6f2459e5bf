// Capture: a run as a pcapng file: every packet of TCP and UDP, what befell it, the faults that
// struck meanwhile, and the secrets that decrypt it.
//
//   Capture capture([file](std::span<const std::byte> bytes) { fwrite(..., file); });
//   world.SetWire(&capture);
//   world.trace()->SetSink(&capture);
//   ... run ...
//   capture.Finish();
//
// A comment of a packet says what befell it ("lost: partition"), and which faults have begun or
// ended, which hosts crashed, came back, stood still, since the packet before ("host 1: crash").
// Times are true time, not that of a host whose clock is wrong. Loopback traffic of all hosts has
// the same addresses.
//
// What is kept is one packet and the comments for the next one, of which there are at most
// `kMaxComments`.
#ifndef FAULTLINE_SIM_PCAP_CAPTURE_H_
#define FAULTLINE_SIM_PCAP_CAPTURE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/pcap/pcapng.h"
#include "sim/trace.h"
#include "sim/wire.h"

namespace faultline::sim {

class Capture final : public WireObserver, public TraceSink {
 public:
  static constexpr size_t kMaxComments = 256;  // more of them are counted

  explicit Capture(PcapngWriter::Output output) : writer_(std::move(output)) {}

  void OnTcp(WallTime now, const TcpPacket& packet) override;
  void OnUdp(WallTime now, const UdpPacket& packet) override;
  void OnSecret(std::string_view line) override;
  void OnRecord(const TraceRecord& record) override;

  // Once, at the end: what no packet has followed.
  void Finish();

  uint64_t packets() const { return packets_; }

 private:
  void Write(WallTime now, const char* fate);
  void TakeComments(const char* fate);

  PcapngWriter writer_;
  std::vector<std::byte> packet_;
  std::string secrets_;                // of which none has been written
  std::vector<std::string> comments_;  // for the next packet
  uint64_t left_out_ = 0;              // comments beyond the most
  uint64_t packets_ = 0;
  WallTime last_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_PCAP_CAPTURE_H_
