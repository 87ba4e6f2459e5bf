#include "scenarios/harness/stage.h"

#include <utility>

#include "runtime/engine/record_ciphers.h"
#include "sim/host.h"
#include "third_party/boringssl/same_length.h"

namespace faultline::harness {
namespace {

constexpr uint64_t kScenarioTag = 0x5ce;

sim::WorldConfig Configured(sim::WorldConfig config, const RunOptions& options,
                            const RunHooks& hooks) {
  config.seed = options.seed;
  config.scheduling = options.scheduling;
  config.pct_depth = options.pct_depth;
  config.record_on = hooks.record_on;
  config.replay_from = hooks.replay_from;
  return config;
}

}  // namespace

Stage::Stage(const RunOptions& options, const RunHooks& hooks, sim::WorldConfig config)
    : options_(options),
      world_(Configured(std::move(config), options, hooks)),
      chooser_(world_.choices(), sim::ChooserId({kScenarioTag})) {
  world_.trace()->SetSink(hooks.sink);
  world_.SetWire(hooks.wire);
}

void Stage::AddFault(const sim::PlannedFault& fault) {
  sim::FaultPlan one;
  one.Add(fault);
  one.Install(&world_);
  plan_.Add(fault);
}

void Stage::DrawFaults(sim::FaultPlanConfig config) {
  config.level = options_.faults;
  if (options_.plane == Aim::kClient) config.replica_plane = false;
  if (options_.plane == Aim::kReplica) config.client_plane = false;
  const sim::FaultPlan drawn = sim::DrawFaultPlan(world_.choices(), config);
  for (const sim::PlannedFault& fault : drawn.faults()) AddFault(fault);
}

sim::Verdict Stage::Run(const sim::RunLimits& limits) {
  const engine::RecordCiphers ciphers(
      options_.profile == Profile::kFast ? &faultline_same_length_cipher : nullptr);
  return world_.Run(limits);
}

RunReport Stage::Report(const sim::Verdict& verdict) {
  RunReport report;
  report.verdict = verdict;
  report.hash = world_.trace()->hash();
  for (uint32_t id = 0; id < world_.host_count(); ++id) {
    report.hosts.push_back({world_.host(id)->name(), world_.trace()->host_hash(id)});
  }
  report.records = world_.trace()->count();
  report.draws = world_.choices()->draws();
  report.draws_off_tape = world_.choices()->draws_off_tape();
  report.effects = *world_.effects();
  report.plan = plan_;
  report.last = world_.trace()->Last();
  report.figures = figures_;
  return report;
}

}  // namespace faultline::harness
