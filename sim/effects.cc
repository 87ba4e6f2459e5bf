#include "sim/effects.h"

#include <iterator>

namespace faultline::sim {
namespace {

constexpr std::string_view kNames[] = {
    "partition",  "one-way-partition", "hold",          "clog",         "loss",  "duplication",
    "reordering", "corruption",        "bandwidth",     "mtu",          "crash", "pause",
    "slow",       "clock-skew",        "partial-write", "partial-read", "reset", "descriptors",
    "ports",      "backlog",           "small-buffers"};
static_assert(std::size(kNames) == kFaultCount);

}  // namespace

std::string_view FaultName(Fault fault) { return kNames[static_cast<size_t>(fault)]; }

void FaultEffects::Merge(const FaultEffects& other) {
  for (size_t i = 0; i < kFaultCount; ++i) {
    configured_[i] = configured_[i] || other.configured_[i];
    bites_[i] += other.bites_[i];
  }
}

}  // namespace faultline::sim
