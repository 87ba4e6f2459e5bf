// Progress: how far a campaign is, while it runs. On a terminal a bar that is drawn over itself;
// elsewhere a line now and then.
#ifndef FAULTLINE_SCENARIOS_REPLAY_PROGRESS_H_
#define FAULTLINE_SCENARIOS_REPLAY_PROGRESS_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "runtime/time.h"
#include "scenarios/replay/totals.h"

namespace faultline::replay {

class Progress {
 public:
  // `out` is not owned. `total` seeds will be run.
  Progress(std::FILE* out, bool terminal, uint64_t total)
      : out_(out), terminal_(terminal), total_(total) {}

  // `elapsed` is real time since the beginning. Draws if the last drawing is old enough.
  void Update(const CampaignTotals& totals, Duration elapsed);
  // A line that stays, without its line feed.
  void Say(const std::string& line);
  // Takes the bar away.
  void Finish();

 private:
  void Clear();

  std::FILE* const out_;
  const bool terminal_;
  const uint64_t total_;
  Duration drawn_at_{};
  bool drawn_ = false;
};

// "[#####...............] 1,250 of 5,000 seeds, 52.1 a second, 12.40 h simulated, 0 failed, 72 s
// left"
std::string ProgressLine(const CampaignTotals& totals, uint64_t total, Duration elapsed);

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_PROGRESS_H_
