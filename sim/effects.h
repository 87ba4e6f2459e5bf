// FaultEffects: how often each family of faults changed something that the system under test could
// notice.
//
// A fault that is configured but never bites tests nothing. Whoever applies a fault counts it here
// at the moment at which it changes an outcome: a packet that was lost, a byte count that was cut
// short, a deadline that moved. A campaign fails if a family was configured in some of its runs and
// bit in none.
#ifndef FAULTLINE_SIM_EFFECTS_H_
#define FAULTLINE_SIM_EFFECTS_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace faultline::sim {

enum class Fault : uint8_t {
  kPartition,        // both directions
  kOneWayPartition,  // one direction
  kHold,             // a partition that holds packets until it heals
  kClog,             // a path that is slow for a while
  kLoss,
  kDuplication,  // datagrams that came twice
  kReordering,
  kCorruption,
  kBandwidth,  // packets waited for, or fell off, a queue
  kMtu,        // datagrams too long for the path
  kCrash,
  kPause,
  kSlow,  // a process that runs in short bursts
  kClockSkew,
  kPartialWrite,
  kPartialRead,
  kReset,         // connections reset by the network
  kDescriptors,   // EMFILE
  kPorts,         // no ephemeral port left
  kBacklog,       // connections that did not fit into a backlog that is smaller than usual
  kSmallBuffers,  // bytes that had to wait for room in a buffer or a window that is smaller than
                  // usual
  kCount,
};

inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::kCount);

// As on the command line: "one-way-partition".
std::string_view FaultName(Fault fault);

class FaultEffects {
 public:
  void Configure(Fault fault) { configured_[Index(fault)] = true; }
  void Bite(Fault fault) { ++bites_[Index(fault)]; }

  bool configured(Fault fault) const { return configured_[Index(fault)]; }
  uint64_t bites(Fault fault) const { return bites_[Index(fault)]; }

  // Adds the counts of another run.
  void Merge(const FaultEffects& other);

 private:
  static size_t Index(Fault fault) { return static_cast<size_t>(fault); }

  std::array<bool, kFaultCount> configured_{};
  std::array<uint64_t, kFaultCount> bites_{};
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_EFFECTS_H_
