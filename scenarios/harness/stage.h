// Stage: a world that is set up as the options and hooks of a run say, and that becomes a report.
//
//   Stage stage(options, hooks);
//   sim::Host* server = stage.world()->AddHost({.name = "server"});
//   server->Boot(...);
//   stage.DrawFaults({.begin = 1s, .end = 30s, .replicas = {0}, .clients = {1}});
//   return stage.Report(stage.Run({.until = 5min}));
#ifndef FAULTLINE_SCENARIOS_HARNESS_STAGE_H_
#define FAULTLINE_SCENARIOS_HARNESS_STAGE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/harness/options.h"
#include "scenarios/harness/report.h"
#include "scenarios/harness/scenario.h"
#include "sim/choices.h"
#include "sim/fault_plan.h"
#include "sim/world.h"

namespace faultline::harness {

class Stage {
 public:
  // `config` with the seed, the scheduling and the tapes of the run. What `hooks` points to
  // outlives the stage.
  Stage(const RunOptions& options, const RunHooks& hooks, sim::WorldConfig config = {});
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  sim::World* world() { return &world_; }
  const RunOptions& options() const { return options_; }
  // Decides for the scenario itself: how many, how long, how large.
  sim::Chooser* chooser() { return &chooser_; }

  // A fault by hand. The hosts that it is aimed at exist.
  void AddFault(const sim::PlannedFault& fault);
  // Faults by the level of the options, in those planes of `config` that the options aim at. The
  // hosts that they are aimed at exist.
  void DrawFaults(sim::FaultPlanConfig config);
  // When the last fault has ended.
  Duration faults_end() const { return plan_.end(); }
  const sim::FaultPlan& plan() const { return plan_; }

  // For the report.
  void Count(std::string what, uint64_t count) { figures_.push_back({std::move(what), count}); }

  // Runs the world, for the first time or on.
  sim::Verdict Run(const sim::RunLimits& limits);
  // The report of a run that ended in `verdict`.
  RunReport Report(const sim::Verdict& verdict);

 private:
  const RunOptions options_;
  sim::World world_;
  sim::Chooser chooser_;
  sim::FaultPlan plan_;
  std::vector<Figure> figures_;
};

}  // namespace faultline::harness

#endif  // FAULTLINE_SCENARIOS_HARNESS_STAGE_H_
