// PcapngWriter: blocks of a pcapng file (draft-ietf-opsawg-pcapng), one after the other, little
// endian. Nothing is kept but the block in the making.
//
//   PcapngWriter writer([file](std::span<const std::byte> bytes) { fwrite(..., file); });
//   writer.WriteSecrets("CLIENT_RANDOM ...\n");
//   writer.WritePacket(now, packet, comments);
#ifndef FAULTLINE_SIM_PCAP_PCAPNG_H_
#define FAULTLINE_SIM_PCAP_PCAPNG_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/time.h"

namespace faultline::sim {

class PcapngWriter {
 public:
  // Takes all of what it is given; is given whole blocks.
  using Output = std::function<void(std::span<const std::byte>)>;

  // Writes the section header and the description of one interface: raw IP packets (LINKTYPE_RAW),
  // times in nanoseconds.
  explicit PcapngWriter(Output output);

  // An enhanced packet block. `packet` begins with an IP header; each comment has at most 65,535
  // bytes, the rest of a longer one is left out.
  void WritePacket(WallTime time, std::span<const std::byte> packet,
                   std::span<const std::string> comments);
  // A decryption secrets block with lines of a TLS key log: for packets that follow.
  void WriteSecrets(std::string_view lines);
  // Comments that no packet follows: an interface statistics block.
  void WriteComments(WallTime time, std::span<const std::string> comments);

 private:
  void Begin(uint32_t type);
  void End();
  void Put16(uint16_t value);
  void Put32(uint32_t value);
  void PutTime(WallTime time);
  void PutPadded(std::span<const std::byte> bytes);
  void PutOption(uint16_t code, std::string_view value);
  void PutComments(std::span<const std::string> comments);
  void WriteSectionHeader();
  void WriteInterface();

  const Output output_;
  std::vector<std::byte> block_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_PCAP_PCAPNG_H_
