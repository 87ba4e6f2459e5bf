// Scenario: a named story that can be run with any seed: it makes a world, puts programs on its
// hosts, lets faults strike, and judges.
//
//   class Greeting final : public Scenario {
//    public:
//     const ScenarioInfo& info() const override { return info_; }
//     RunReport Run(const RunOptions& options, const RunHooks& hooks) const override {
//       Stage stage(options, hooks);
//       ... stage.world()->AddHost(...), Boot(...) ...
//       return stage.Report(stage.Run({.until = 1min}));
//     }
//   };
//
// A scenario keeps nothing from one run to the next: everything that a run uses is made in `Run`.
// Whatever it decides it draws from the world's choices, never from the seed itself, so that a tape
// repeats the run without the seed.
#ifndef FAULTLINE_SCENARIOS_HARNESS_SCENARIO_H_
#define FAULTLINE_SCENARIOS_HARNESS_SCENARIO_H_

#include <string>
#include <vector>

#include "scenarios/harness/options.h"
#include "scenarios/harness/report.h"
#include "sim/choices.h"
#include "sim/trace.h"
#include "sim/wire.h"

namespace faultline::harness {

// A bug that the scenario's programs can be run with.
struct BugInfo {
  std::string name;    // for --bug
  std::string what;    // what the programs then do
  std::string origin;  // where such a bug was real
  // Over which of the scenario's transports there is one; empty: over all.
  std::vector<std::string> transports{};
};

struct ScenarioInfo {
  std::string name;     // for --scenario
  std::string summary;  // one line
  std::string story;    // what happens and what is checked, in sentences
  // What a run has that does not say otherwise.
  sim::FaultLevel default_faults = sim::FaultLevel::kNone;
  sim::Scheduling default_scheduling = sim::Scheduling::kFifo;
  std::vector<std::string> transports;  // the first is the default; empty: it has no choice
  std::vector<BugInfo> bugs;
};

// Options of a run of `info` with nothing said but the seed.
inline RunOptions DefaultOptions(const ScenarioInfo& info, uint64_t seed) {
  RunOptions options;
  options.seed = seed;
  options.faults = info.default_faults;
  options.scheduling = info.default_scheduling;
  if (!info.transports.empty()) options.transport = info.transports.front();
  return options;
}

// What watches a run without changing it; and the tape that replaces its draws. Not owned; null for
// none.
struct RunHooks {
  sim::TraceSink* sink = nullptr;
  // Packets, and the secrets of those scenarios that have some.
  sim::WireObserver* wire = nullptr;
  sim::Tape* record_on = nullptr;
  const sim::Tape* replay_from = nullptr;
};

class Scenario {
 public:
  virtual ~Scenario() = default;

  virtual const ScenarioInfo& info() const = 0;
  // Once from nothing to a verdict. `options` are ones that `info` allows.
  virtual RunReport Run(const RunOptions& options, const RunHooks& hooks) const = 0;
};

}  // namespace faultline::harness

#endif  // FAULTLINE_SCENARIOS_HARNESS_SCENARIO_H_
