#include "scenarios/replay/text.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FAULTLINE_BUILD_FLAGS "--config=asan "
#elif __has_feature(thread_sanitizer)
#define FAULTLINE_BUILD_FLAGS "--config=tsan "
#endif
#endif
#ifndef FAULTLINE_BUILD_FLAGS
#define FAULTLINE_BUILD_FLAGS ""
#endif

namespace faultline::replay {
namespace {

constexpr size_t kLastEventsShown = 24;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// Fit for a shell: in quotes if need be.
std::string Quoted(const std::string& word) {
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("-_=./,:+@%").find(c) != std::string_view::npos;
  });
  if (plain) return word;
  std::string quoted = "'";
  for (char c : word) absl::StrAppend(&quoted, c == '\'' ? "'\\''" : std::string(1, c));
  return quoted + "'";
}

std::string HostName(uint32_t id, std::span<const harness::HostReport> hosts) {
  if (id == sim::kEveryHost) return "every host";
  if (id < hosts.size() && !hosts[id].name.empty()) return hosts[id].name;
  return absl::StrCat("host ", id);
}

bool InForce(const sim::PlannedFault& fault, Duration now) {
  return fault.at <= now && now <= fault.at + fault.lasts;
}

std::string FaultText(const sim::PlannedFault& fault) {
  return absl::StrCat("    ", fault.ToString(), "\n");
}

std::string FaultsInForce(const harness::RunReport& report) {
  std::string text;
  size_t count = 0;
  for (const sim::PlannedFault& fault : report.plan.faults()) {
    if (!InForce(fault, report.virtual_time())) continue;
    ++count;
    absl::StrAppend(&text, FaultText(fault));
  }
  return absl::StrCat("  faults in force: ", count, " of ", report.plan.faults().size(),
                      " planned\n", text);
}

std::string LastEvents(const harness::RunReport& report) {
  const size_t shown = std::min(kLastEventsShown, report.last.size());
  std::string text = absl::StrCat("  last ", shown, " of ", Grouped(report.records), " events:\n");
  for (size_t i = report.last.size() - shown; i < report.last.size(); ++i) {
    absl::StrAppend(&text, "    ", RecordText(report.last[i], report.hosts), "\n");
  }
  return text;
}

// A planted bug, and the scenarios whose programs have it.
struct ListedBug {
  const harness::BugInfo* bug;
  std::vector<std::string> scenarios;
};

std::vector<ListedBug> BugsOf(const harness::Registry& registry, const harness::Scenario* only) {
  std::vector<ListedBug> bugs;
  for (const auto& scenario : registry.scenarios()) {
    if (only != nullptr && scenario.get() != only) continue;
    for (const harness::BugInfo& bug : scenario->info().bugs) {
      auto same = [&bug](const ListedBug& listed) { return listed.bug->name == bug.name; };
      auto listed = std::find_if(bugs.begin(), bugs.end(), same);
      if (listed == bugs.end()) listed = bugs.insert(bugs.end(), ListedBug{&bug, {}});
      listed->scenarios.push_back(scenario->info().name);
    }
  }
  return bugs;
}

std::string OverText(const harness::BugInfo& bug) {
  if (bug.transports.empty()) return "";
  return absl::StrCat("; over ", absl::StrJoin(bug.transports, ", "));
}

}  // namespace

std::string Grouped(uint64_t number) {
  std::string digits = absl::StrCat(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string SpeedUp(Duration simulated, Duration wall) {
  const int64_t real = std::max<int64_t>(wall.count(), 1);
  return absl::StrCat(Grouped(static_cast<uint64_t>(simulated.count() / real)),
                      " times faster than real time");
}

std::string Command(const std::vector<std::string>& flags) {
  std::string command = "./bazelw run " FAULTLINE_BUILD_FLAGS "//scenarios:replay --";
  for (const std::string& flag : flags) absl::StrAppend(&command, " ", Quoted(flag));
  return command;
}

std::string RunSummary(std::string_view name, uint64_t seed, const harness::RunReport& report,
                       Duration wall) {
  std::string_view verdict = sim::VerdictName(report.verdict.kind);
  std::string shown(verdict);
  if (!report.verdict.passed()) shown = absl::AsciiStrToUpper(shown);
  std::string text = absl::StrCat(View(name), ", seed ", seed, ": ", shown, " at ",
                                  FormatSeconds(report.virtual_time()), " of virtual time\n");
  absl::StrAppend(&text, "  hash    ", report.hash.ToString(), "\n");
  absl::StrAppend(&text, "  events  ", Grouped(report.verdict.events), " fired, ",
                  Grouped(report.records), " traced, ", Grouped(report.draws), " choices\n");
  absl::StrAppend(&text, "  faults  ", EffectsText(report.effects), "\n");
  if (std::string idle = FamiliesWithoutEffect(report.effects); !idle.empty()) {
    absl::StrAppend(&text, "          configured, without effect in this run: ", idle, "\n");
  }
  for (const harness::Figure& figure : report.figures) {
    absl::StrAppend(&text, "  ", Grouped(figure.count), " ", figure.what, "\n");
  }
  absl::StrAppend(&text, "  wall    ", FormatSeconds(wall), ", ",
                  SpeedUp(report.virtual_time(), wall), "\n");
  return text;
}

std::string RunDetails(const harness::RunReport& report) {
  std::string text = "  hashes of the hosts:\n";
  for (size_t id = 0; id < report.hosts.size(); ++id) {
    absl::StrAppend(&text, "    ", report.hosts[id].hash.ToString(), "  host ", id, " ",
                    report.hosts[id].name, "\n");
  }
  absl::StrAppend(&text, "  fault plan: ", report.plan.faults().size(), " faults\n");
  for (const sim::PlannedFault& fault : report.plan.faults()) {
    absl::StrAppend(&text, FaultText(fault));
  }
  return text;
}

std::string WhatFailed(const sim::Verdict& verdict) {
  absl::string_view what = verdict.status.message();
  absl::ConsumePrefix(&what, "invariant ");  // the verdict says so
  return absl::StrCat(View(sim::VerdictName(verdict.kind)), ": ", what);
}

std::string FailureText(const harness::RunReport& report, const std::string& command) {
  return absl::StrCat("  ", WhatFailed(report.verdict), "\n", FaultsInForce(report),
                      LastEvents(report), "  replay it with:\n    ", command, "\n");
}

std::string EffectsText(const sim::FaultEffects& effects) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < sim::kFaultCount; ++i) {
    const sim::Fault fault = static_cast<sim::Fault>(i);
    if (effects.bites(fault) == 0) continue;
    parts.push_back(absl::StrCat(View(sim::FaultName(fault)), " ", Grouped(effects.bites(fault))));
  }
  return parts.empty() ? "none had an effect" : absl::StrJoin(parts, ", ");
}

std::string FamiliesWithoutEffect(const sim::FaultEffects& effects) {
  std::vector<std::string> names;
  for (size_t i = 0; i < sim::kFaultCount; ++i) {
    const sim::Fault fault = static_cast<sim::Fault>(i);
    if (!effects.configured(fault) || effects.bites(fault) > 0) continue;
    names.emplace_back(sim::FaultName(fault));
  }
  return absl::StrJoin(names, ", ");
}

std::string RecordText(const sim::TraceRecord& record, std::span<const harness::HostReport> hosts) {
  std::string text = record.ToString();
  if (record.host < hosts.size() && !hosts[record.host].name.empty()) {
    absl::StrAppend(&text, "  [", HostName(record.host, hosts), "]");
  }
  return text;
}

std::string ScenarioList(const harness::Registry& registry) {
  std::string text;
  for (const auto& scenario : registry.scenarios()) {
    const harness::ScenarioInfo& info = scenario->info();
    absl::StrAppend(&text, info.name, ": ", info.summary, "\n    ", info.story, "\n");
  }
  return text;
}

std::string BugList(const harness::Registry& registry, const harness::Scenario* only) {
  std::string text;
  for (const ListedBug& listed : BugsOf(registry, only)) {
    absl::StrAppend(
        &text, listed.bug->name, "\n    ", listed.bug->what, "\n    met in: ", listed.bug->origin,
        "\n    for: ", absl::StrJoin(listed.scenarios, ", "), OverText(*listed.bug), "\n");
  }
  if (text.empty()) return "no planted bugs\n";
  return text;
}

}  // namespace faultline::replay
