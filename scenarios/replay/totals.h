// CampaignTotals: what a campaign has come to, seed by seed, in whatever order they end.
#ifndef FAULTLINE_SCENARIOS_REPLAY_TOTALS_H_
#define FAULTLINE_SCENARIOS_REPLAY_TOTALS_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "runtime/time.h"
#include "scenarios/harness/report.h"
#include "sim/effects.h"
#include "sim/trace.h"
#include "sim/world.h"

namespace faultline::replay {

inline constexpr size_t kVerdictKinds = 5;

// What a campaign keeps of one run. The numbers travel between processes as they lie in memory.
struct SeedNumbers {
  uint64_t seed = 0;
  sim::VerdictKind verdict = sim::VerdictKind::kPassed;
  Duration simulated{};
  uint64_t events = 0;
  sim::TraceHash hash;
  sim::FaultEffects effects;
};

struct SeedResult {
  SeedNumbers numbers;
  std::string headline;  // of a failure: one line
  std::string details;   // of a failure: the whole text
};

SeedResult ResultOf(uint64_t seed, const harness::RunReport& report);

class CampaignTotals {
 public:
  struct Failure {
    std::string headline;
    std::string details;
  };

  // A run that came to a verdict.
  void Add(const SeedResult& result);
  // A run that took its process with it, or did not end.
  void AddLost(uint64_t seed, const std::string& headline, const std::string& details);
  // Something that went wrong with no seed to blame: a process that leaked, say.
  void AddDisorder(const std::string& what) { disorders_ += what + "\n"; }

  uint64_t seeds() const { return seeds_; }
  uint64_t verdicts(sim::VerdictKind kind) const { return verdicts_[static_cast<size_t>(kind)]; }
  uint64_t lost() const { return lost_; }
  Duration simulated() const { return simulated_; }
  uint64_t events() const { return events_; }
  const sim::FaultEffects& effects() const { return effects_; }
  const std::map<uint64_t, Failure>& failures() const { return failures_; }
  const std::string& disorders() const { return disorders_; }

  // One hash for all seeds, whatever order they ended in.
  const sim::TraceHash& hash() const { return hash_; }

  // Families that were configured in some run and changed something in none, separated by commas.
  std::string IdleFamilies() const;

  // Nothing failed, and every configured family of faults changed something.
  bool ok() const { return failures_.empty() && disorders_.empty() && IdleFamilies().empty(); }

 private:
  uint64_t seeds_ = 0;
  std::array<uint64_t, kVerdictKinds> verdicts_{};
  uint64_t lost_ = 0;
  Duration simulated_{};
  uint64_t events_ = 0;
  sim::TraceHash hash_;
  sim::FaultEffects effects_;
  std::map<uint64_t, Failure> failures_;  // by seed
  std::string disorders_;
};

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_TOTALS_H_
