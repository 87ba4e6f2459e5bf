// The command line of the replay program: what there is, what fits together, what it means.
#ifndef FAULTLINE_SCENARIOS_REPLAY_FLAGS_H_
#define FAULTLINE_SCENARIOS_REPLAY_FLAGS_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "scenarios/harness/options.h"
#include "scenarios/harness/registry.h"

namespace faultline::replay {

enum class Mode : uint8_t {
  kRun,       // one seed
  kVerify,    // one seed, three times
  kCampaign,  // many seeds
  kList,
  kListBugs,
  kShowTrace,
  kHelp,
};

struct ReplayFlags {
  Mode mode = Mode::kRun;
  const harness::Scenario* scenario = nullptr;  // set where the mode has one
  harness::RunOptions options;                  // with the seed, unless it is a campaign
  bool all_transports = false;  // one after the other, instead of the one of `options`

  // A campaign.
  uint64_t first_seed = 0;
  uint64_t last_seed = 0;
  uint64_t jobs = 0;            // 0: one a core
  uint64_t wall_limit_s = 300;  // of real time, a seed
  uint64_t max_failures = 20;   // 0: no limit

  // Files, as given. "-" is standard output, where that is allowed.
  std::string trace;
  std::string trace_text;
  std::string pcap;
  std::string tape;
  std::string from_tape;
  std::string show_trace;
  bool verbose = false;
};

// `arguments` are those after the program's name. Errors: InvalidArgument; the message is for the
// user and says what would be right.
absl::StatusOr<ReplayFlags> ParseReplayFlags(std::span<const std::string> arguments,
                                             const harness::Registry& registry);

std::string HelpText(const harness::Registry& registry);

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_FLAGS_H_
