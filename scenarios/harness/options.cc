#include "scenarios/harness/options.h"

#include "absl/strings/str_cat.h"

namespace faultline::harness {
namespace {

constexpr Named<sim::FaultLevel> kFaultLevels[] = {
    {"none", sim::FaultLevel::kNone},
    {"light", sim::FaultLevel::kLight},
    {"heavy", sim::FaultLevel::kHeavy},
    {"swarm", sim::FaultLevel::kSwarm},
};

constexpr Named<Aim> kAims[] = {
    {"replica", Aim::kReplica},
    {"client", Aim::kClient},
    {"both", Aim::kBoth},
};

constexpr Named<sim::Scheduling> kSchedulings[] = {
    {"fifo", sim::Scheduling::kFifo},
    {"random", sim::Scheduling::kRandom},
    {"pct", sim::Scheduling::kPct},
};

constexpr Named<Profile> kProfiles[] = {
    {"full", Profile::kFull},
    {"fast", Profile::kFast},
};

std::string Flag(std::string_view name, std::string_view value) {
  return absl::StrCat("--", absl::string_view(name.data(), name.size()), "=",
                      absl::string_view(value.data(), value.size()));
}

}  // namespace

std::span<const Named<sim::FaultLevel>> FaultLevels() { return kFaultLevels; }
std::span<const Named<Aim>> Aims() { return kAims; }
std::span<const Named<sim::Scheduling>> Schedulings() { return kSchedulings; }
std::span<const Named<Profile>> Profiles() { return kProfiles; }

std::vector<std::string> FlagsOf(std::string_view scenario, const RunOptions& options) {
  std::vector<std::string> flags = {
      Flag("scenario", scenario),
      absl::StrCat("--seed=", options.seed),
      Flag("faults", NameOf(FaultLevels(), options.faults)),
      Flag("plane", NameOf(Aims(), options.plane)),
      Flag("scheduling", NameOf(Schedulings(), options.scheduling)),
  };
  if (options.scheduling == sim::Scheduling::kPct) {
    flags.push_back(absl::StrCat("--pct-depth=", options.pct_depth));
  }
  if (!options.transport.empty()) flags.push_back(Flag("transport", options.transport));
  if (options.profile != Profile::kFull) {
    flags.push_back(Flag("profile", NameOf(Profiles(), options.profile)));
  }
  for (const std::string& bug : options.bugs) flags.push_back(Flag("bug", bug));
  return flags;
}

}  // namespace faultline::harness
