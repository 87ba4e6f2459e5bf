// Reports as people read them.
#ifndef FAULTLINE_SCENARIOS_REPLAY_TEXT_H_
#define FAULTLINE_SCENARIOS_REPLAY_TEXT_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/time.h"
#include "scenarios/harness/registry.h"
#include "scenarios/harness/report.h"
#include "scenarios/harness/scenario.h"
#include "sim/trace.h"

namespace faultline::replay {

// "1,234,567"
std::string Grouped(uint64_t number);
// How many times faster than `wall` time went in the simulation: "1,630 times faster than real
// time".
std::string SpeedUp(Duration simulated, Duration wall);

// The one command that gives `flags` to this program again, for a shell. It names the build
// configuration when that matters (sanitizers).
std::string Command(const std::vector<std::string>& flags);

// What a run was, in a few lines. `wall` is how long it took.
std::string RunSummary(std::string_view name, uint64_t seed, const harness::RunReport& report,
                       Duration wall);
// Each host's hash, the scenario's figures and the whole plan.
std::string RunDetails(const harness::RunReport& report);
// "invariant broken: majority: entry 3 of client 1 ..."
std::string WhatFailed(const sim::Verdict& verdict);
// Why it failed: the invariant, the faults in force, the last events, the command. Ends in a line
// feed.
std::string FailureText(const harness::RunReport& report, const std::string& command);

// "partition 12, loss 340": how often each family changed something. "none" if none did.
std::string EffectsText(const sim::FaultEffects& effects);
// The families that were configured and changed nothing, separated by commas.
std::string FamiliesWithoutEffect(const sim::FaultEffects& effects);

// One record, with the host's name instead of its number; `names` may be short of some.
std::string RecordText(const sim::TraceRecord& record, std::span<const harness::HostReport> hosts);

std::string ScenarioList(const harness::Registry& registry);
// The bugs of `only`, or of every scenario if that is null.
std::string BugList(const harness::Registry& registry, const harness::Scenario* only);

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_TEXT_H_
