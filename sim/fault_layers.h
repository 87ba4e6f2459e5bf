// FaultLayers: settings of a world under faults that overlap.
//
// Two faults of one family may strike the same link or host at a time, and end in any order. While
// any of them lasts, the one that began last counts; after the last of them the setting is what it
// was before the first.
#ifndef FAULTLINE_SIM_FAULT_LAYERS_H_
#define FAULTLINE_SIM_FAULT_LAYERS_H_

#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/time.h"
#include "sim/config.h"
#include "sim/effects.h"

namespace faultline::sim {

// One setting.
template <typename Value>
class FaultLayer {
 public:
  // `fault` begins, `now` being the setting and `value` what the fault makes of it. Gives what the
  // setting is to be.
  const Value& Begin(uint64_t fault, const Value& now, const Value& value) {
    if (active_.empty()) healthy_ = now;
    return active_.emplace_back(fault, value).second;
  }

  // `fault`, which has begun, ends. Gives what the setting is to be.
  const Value& End(uint64_t fault) {
    const size_t ended =
        std::erase_if(active_, [&](const auto& one) { return one.first == fault; });
    FAULTLINE_CHECK(ended == 1) << "a fault ends that does not last";
    return active_.empty() ? healthy_ : active_.back().second;
  }

 private:
  Value healthy_{};
  std::vector<std::pair<uint64_t, Value>> active_;  // in the order in which they began
};

class FaultLayers {
 public:
  // A number for a fault that begins.
  uint64_t NextFault() { return ++last_fault_; }

  FaultLayer<LinkConfig>* OfLink(Fault family, uint32_t from, uint32_t to, Plane plane) {
    return &links_[{family, from, to, plane}];
  }
  FaultLayer<Duration>* OfClog(uint32_t from, uint32_t to, Plane plane) {
    return &clogs_[{from, to, plane}];
  }
  FaultLayer<SocketFaults>* OfSockets(Fault family, uint32_t host) {
    return &sockets_[{family, host}];
  }
  FaultLayer<HostLimits>* OfLimits(Fault family, uint32_t host) { return &limits_[{family, host}]; }
  FaultLayer<ClockConfig>* OfClock(uint32_t host) { return &clocks_[host]; }

 private:
  uint64_t last_fault_ = 0;
  std::map<std::tuple<Fault, uint32_t, uint32_t, Plane>, FaultLayer<LinkConfig>> links_;
  std::map<std::tuple<uint32_t, uint32_t, Plane>, FaultLayer<Duration>> clogs_;
  std::map<std::pair<Fault, uint32_t>, FaultLayer<SocketFaults>> sockets_;
  std::map<std::pair<Fault, uint32_t>, FaultLayer<HostLimits>> limits_;
  std::map<uint32_t, FaultLayer<ClockConfig>> clocks_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_FAULT_LAYERS_H_
