// RunOptions: what, beside the scenario, determines a run. Two runs of one scenario with equal
// options are the same run, to the byte.
//
// The flags of the replay program are these fields; `FlagsOf` gives them back, so that a report can
// name the one command that repeats its run.
#ifndef FAULTLINE_SCENARIOS_HARNESS_OPTIONS_H_
#define FAULTLINE_SCENARIOS_HARNESS_OPTIONS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/fault_plan.h"
#include "sim/policy.h"

namespace faultline::harness {

// What drawn faults are aimed at.
enum class Aim : uint8_t { kBoth, kReplica, kClient };

// With what records of TLS and packets of QUIC are protected.
enum class Profile : uint8_t {
  kFull,  // the ciphers that production uses
  kFast,  // checksums of the same length (third_party/boringssl/same_length.h): for long hunts
};

struct RunOptions {
  uint64_t seed = 0;
  sim::FaultLevel faults = sim::FaultLevel::kNone;
  Aim plane = Aim::kBoth;
  sim::Scheduling scheduling = sim::Scheduling::kFifo;
  uint32_t pct_depth = 3;  // at least 1; only for Scheduling::kPct
  std::string transport;   // one of the scenario's
  Profile profile = Profile::kFull;
  std::vector<std::string> bugs;

  friend bool operator==(const RunOptions&, const RunOptions&) = default;
};

// Names as on the command line, in the order in which help lists them.
template <typename T>
struct Named {
  std::string_view name;
  T value;
};
std::span<const Named<sim::FaultLevel>> FaultLevels();
std::span<const Named<Aim>> Aims();
std::span<const Named<sim::Scheduling>> Schedulings();
std::span<const Named<Profile>> Profiles();

// The name of `value` in `names`, where it stands.
template <typename T>
std::string_view NameOf(std::span<const Named<T>> names, T value) {
  for (const Named<T>& entry : names) {
    if (entry.value == value) return entry.name;
  }
  return "?";
}

// Every flag that determines the run, each as "--name=value", fit for a shell.
std::vector<std::string> FlagsOf(std::string_view scenario, const RunOptions& options);

}  // namespace faultline::harness

#endif  // FAULTLINE_SCENARIOS_HARNESS_OPTIONS_H_
