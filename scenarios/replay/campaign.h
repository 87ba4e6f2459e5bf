// Campaign: one scenario with many seeds, on several worker processes.
#ifndef FAULTLINE_SCENARIOS_REPLAY_CAMPAIGN_H_
#define FAULTLINE_SCENARIOS_REPLAY_CAMPAIGN_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/time.h"
#include "scenarios/replay/progress.h"
#include "scenarios/replay/totals.h"
#include "scenarios/replay/worker.h"

namespace faultline::replay {

struct CampaignConfig {
  uint64_t first_seed = 0;
  uint64_t last_seed = 0;  // included
  uint64_t jobs = 1;
  Duration wall_limit = 300s;  // of real time, a seed
  uint64_t max_failures = 0;   // 0: no limit
  Worker::Job job;             // runs one seed
  // Of one that was lost with its process: the command that replays it.
  std::function<std::string(uint64_t seed)> command;
};

struct CampaignOutcome {
  CampaignTotals totals;
  Duration elapsed{};     // of real time
  std::string cut_short;  // why not every seed was run; empty if every one was
};

// Runs every seed, unless too many fail or SIGINT or SIGTERM comes; then the workers are killed.
// Errors: Internal, the system refuses processes.
absl::StatusOr<CampaignOutcome> RunCampaign(const CampaignConfig& config, Progress* progress);

// One a core that this process may use.
uint64_t DefaultJobs();

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_CAMPAIGN_H_
