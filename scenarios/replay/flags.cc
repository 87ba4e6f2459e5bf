#include "scenarios/replay/flags.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "scenarios/flags/flag_parser.h"
#include "scenarios/flags/nearest.h"

namespace faultline::replay {
namespace {

using flags::FlagParser;
using flags::FlagSetter;
using flags::Nearest;
using flags::NoneOf;
using flags::OneOf;
using flags::ParseWholeNumber;
using flags::Switch;
using flags::Text;
using flags::WholeNumber;

constexpr uint64_t kMaxSeed = std::numeric_limits<uint64_t>::max() - 1;
constexpr uint64_t kMaxPctDepth = 1000;
constexpr uint64_t kMaxJobs = 1024;
constexpr uint64_t kMaxWallLimit = 86'400;

constexpr std::string_view kUsage =
    R"(Runs simulated scenarios. A run is determined by its flags alone: the same flags give the same
run, to the byte, whenever and wherever they are given.

  replay --list                                    the scenarios, and what they do
  replay --scenario=ledger --seed=7                one run
  replay --scenario=ledger --seed=7 --verify       the same run three times, compared
  replay --scenario=ledger --seeds=1..1000         a campaign, on all cores
  replay --scenario=ledger --seed=7 --trace=-      everything that happened, as text
  replay --scenario=ledger --seed=7 --pcap=FILE    its packets, for Wireshark

Exit codes: 0 passed; 1 a run failed, differed or crashed, or a configured family of faults had no
effect in a whole campaign; 2 the command line is wrong.

)";

template <typename T>
std::vector<std::string> NamesOf(std::span<const harness::Named<T>> values) {
  std::vector<std::string> names;
  for (const auto& value : values) names.emplace_back(value.name);
  return names;
}

template <typename T>
FlagSetter Enumerated(std::span<const harness::Named<T>> values, T* target) {
  return OneOf(NamesOf(values), [values, target](std::string_view name) {
    for (const auto& value : values) {
      if (value.name == name) *target = value.value;
    }
  });
}

// "7..20", both ends included.
absl::Status ParseSeeds(std::string_view text, uint64_t* first, uint64_t* last) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", absl::string_view(text.data(), text.size()),
                     "' is not a range; write FIRST..LAST, such as 1..1000"));
  }
  absl::Status parsed = ParseWholeNumber(text.substr(0, dots), 0, kMaxSeed, first);
  if (parsed.ok()) parsed = ParseWholeNumber(text.substr(dots + 2), 0, kMaxSeed, last);
  if (!parsed.ok() || *first <= *last) return parsed;
  return absl::InvalidArgumentError(
      absl::StrCat("runs backwards; did you mean ", *last, "..", *first, "?"));
}

// The command line while it is being read.
class CommandLine {
 public:
  explicit CommandLine(const harness::Registry& registry) : registry_(registry) { AddFlags(); }

  std::string Help() const { return parser_.Help(); }

  absl::StatusOr<ReplayFlags> Parse(std::span<const std::string> arguments) {
    absl::Status status = parser_.Parse(arguments);
    if (!status.ok()) return status;
    if (ChooseModeWithoutRun()) return flags_;
    for (auto step :
         {&CommandLine::ChooseScenario, &CommandLine::ChooseMode, &CommandLine::CheckScheduling,
          &CommandLine::ChooseTransport, &CommandLine::CheckBugs, &CommandLine::CheckFiles}) {
      if (status = (this->*step)(); !status.ok()) return status;
    }
    return flags_;
  }

 private:
  void AddFlags() {
    AddRunFlags();
    AddCampaignFlags();
    AddFileFlags();
    AddOtherFlags();
  }

  void AddRunFlags();
  void AddCampaignFlags();
  void AddFileFlags();
  void AddOtherFlags();

  bool ChooseModeWithoutRun();
  absl::Status ChooseScenario();
  absl::Status ChooseMode();
  absl::Status CheckScheduling();
  absl::Status ChooseTransport();
  absl::Status CheckBugs();
  absl::Status CheckTransportOf(std::string_view bug) const;
  absl::Status CheckFiles();
  absl::Status OnlyFor(bool allowed, std::string_view flag, std::string_view what) const;

  const harness::Registry& registry_;
  FlagParser parser_;
  ReplayFlags flags_;
  std::string scenario_;
  bool list_ = false;
  bool list_bugs_ = false;
  bool verify_ = false;
  bool help_ = false;
  uint64_t pct_depth_ = 3;
};

void CommandLine::AddRunFlags() {
  parser_.Add(
      {.name = "scenario", .value = "NAME", .help = "which scenario", .set = Text(&scenario_)});
  parser_.Add({.name = "seed",
               .value = "N",
               .help = "the seed of one run",
               .set = WholeNumber(&flags_.options.seed, 0, kMaxSeed)});
  parser_.Add({.name = "faults",
               .value = "none|light|heavy|swarm",
               .help =
                   "how many faults are drawn, beside those that the scenario brings; by default "
                   "what suits the scenario",
               .set = Enumerated(harness::FaultLevels(), &flags_.options.faults)});
  parser_.Add({.name = "plane",
               .value = "replica|client|both",
               .help = "at which network drawn faults are aimed; both by default. Faults of whole "
                       "hosts strike replicas in any case, clients unless only replicas are meant",
               .set = Enumerated(harness::Aims(), &flags_.options.plane)});
  parser_.Add({.name = "scheduling",
               .value = "fifo|random|pct",
               .help = "which of the ready tasks runs next: the first, any, or the one of highest "
                       "random priority (probabilistic concurrency testing)",
               .set = Enumerated(harness::Schedulings(), &flags_.options.scheduling)});
  parser_.Add({.name = "pct-depth",
               .value = "D",
               .help = "with --scheduling=pct: the depth of the bugs to aim at; 3 by default",
               .set = WholeNumber(&pct_depth_, 1, kMaxPctDepth)});
  parser_.Add({.name = "transport",
               .value = "NAME",
               .help = "what the scenario's programs speak; the scenario's first by default; all: "
                       "each, one after the other",
               .set = Text(&flags_.options.transport)});
  parser_.Add({.name = "profile",
               .value = "full|fast",
               .help =
                   "with what TLS and QUIC protect records: as in production, by default; fast: "
                   "by checksums of the same length, for long hunts",
               .set = Enumerated(harness::Profiles(), &flags_.options.profile)});
  parser_.Add({.name = "bug",
               .value = "NAME",
               .help = "runs the scenario's programs with a planted bug; may be repeated",
               .set =
                   [this](std::string_view name) {
                     flags_.options.bugs.emplace_back(name);
                     return absl::OkStatus();
                   },
               .repeatable = true});
}

void CommandLine::AddCampaignFlags() {
  parser_.Add({.name = "seeds",
               .value = "FIRST..LAST",
               .help = "a campaign: every seed of the range",
               .set = [this](std::string_view text) {
                 return ParseSeeds(text, &flags_.first_seed, &flags_.last_seed);
               }});
  parser_.Add({.name = "jobs",
               .value = "N",
               .help = "worker processes of a campaign; one a core by default",
               .set = WholeNumber(&flags_.jobs, 1, kMaxJobs)});
  parser_.Add({.name = "wall-limit",
               .value = "SECONDS",
               .help = "how much real time a seed of a campaign may take before it counts as hung; "
                       "300 by default",
               .set = WholeNumber(&flags_.wall_limit_s, 1, kMaxWallLimit)});
  parser_.Add({.name = "max-failures",
               .value = "N",
               .help = "a campaign ends early after so many failures; 20 by default, 0 for never",
               .set = WholeNumber(&flags_.max_failures, 0, kMaxSeed)});
}

void CommandLine::AddFileFlags() {
  parser_.Add({.name = "trace",
               .value = "FILE",
               .help = "writes every event of the run: binary, for --show-trace; '-' prints text",
               .set = Text(&flags_.trace)});
  parser_.Add({.name = "trace-text",
               .value = "FILE",
               .help = "writes every event of the run as text, a line each",
               .set = Text(&flags_.trace_text)});
  parser_.Add({.name = "pcap",
               .value = "FILE",
               .help = "writes every packet of the run, with the faults that befell it as comments "
                       "and the secrets that decrypt it: pcapng, for tshark and Wireshark",
               .set = Text(&flags_.pcap)});
  parser_.Add({.name = "show-trace",
               .value = "FILE",
               .help = "prints a binary trace as text",
               .set = Text(&flags_.show_trace)});
  parser_.Add({.name = "tape",
               .value = "FILE",
               .help = "records every decision of the run",
               .set = Text(&flags_.tape)});
  parser_.Add(
      {.name = "from-tape",
       .value = "FILE",
       .help = "takes the decisions from a tape; what it does not have is drawn from the seed",
       .set = Text(&flags_.from_tape)});
}

void CommandLine::AddOtherFlags() {
  parser_.Add({.name = "verify",
               .help = "runs twice in this process and once in another, compares every event, and "
                       "names the first one that differs",
               .set = Switch(&verify_)});
  parser_.Add({.name = "v",
               .help = "also shows each host's hash and the whole fault plan",
               .set = Switch(&flags_.verbose)});
  parser_.Add({.name = "list", .help = "lists the scenarios", .set = Switch(&list_)});
  parser_.Add({.name = "list-bugs",
               .help = "lists the planted bugs, of one scenario or of all",
               .set = Switch(&list_bugs_)});
  parser_.Add({.name = "help", .help = "this text", .set = Switch(&help_)});
}

// Modes that need no scenario. --help wins over everything.
bool CommandLine::ChooseModeWithoutRun() {
  if (help_) {
    flags_.mode = Mode::kHelp;
  } else if (list_) {
    flags_.mode = Mode::kList;
  } else if (list_bugs_) {
    flags_.mode = Mode::kListBugs;
    flags_.scenario = registry_.Find(scenario_);
    return scenario_.empty() || flags_.scenario != nullptr;
  } else if (!flags_.show_trace.empty()) {
    flags_.mode = Mode::kShowTrace;
  } else {
    return false;
  }
  return true;
}

absl::Status CommandLine::ChooseScenario() {
  if (scenario_.empty()) {
    return absl::InvalidArgumentError(
        "nothing to do: give --scenario=NAME with --seed=N or --seeds=FIRST..LAST, or --list");
  }
  flags_.scenario = registry_.Find(scenario_);
  if (flags_.scenario == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--scenario: ", NoneOf(scenario_, registry_.Names()).message()));
  }
  const harness::ScenarioInfo& info = flags_.scenario->info();
  if (!parser_.given("faults")) flags_.options.faults = info.default_faults;
  if (!parser_.given("scheduling")) flags_.options.scheduling = info.default_scheduling;
  return absl::OkStatus();
}

absl::Status CommandLine::ChooseMode() {
  const bool one = parser_.given("seed") || parser_.given("from-tape");
  if (parser_.given("seeds")) {
    if (one) {
      return absl::InvalidArgumentError("--seeds is a campaign: leave out --seed and --from-tape");
    }
    if (verify_) return absl::InvalidArgumentError("--verify takes one --seed, not --seeds");
    flags_.mode = Mode::kCampaign;
    return absl::OkStatus();
  }
  if (!one) {
    return absl::InvalidArgumentError("which seed? give --seed=N, or --seeds=FIRST..LAST");
  }
  flags_.mode = verify_ ? Mode::kVerify : Mode::kRun;
  for (std::string_view flag : {"jobs", "wall-limit", "max-failures"}) {
    absl::Status allowed = OnlyFor(false, flag, "a campaign: give --seeds=FIRST..LAST");
    if (!allowed.ok()) return allowed;
  }
  return absl::OkStatus();
}

absl::Status CommandLine::CheckScheduling() {
  flags_.options.pct_depth = static_cast<uint32_t>(pct_depth_);
  return OnlyFor(flags_.options.scheduling == sim::Scheduling::kPct, "pct-depth",
                 "--scheduling=pct");
}

absl::Status CommandLine::ChooseTransport() {
  const std::vector<std::string>& known = flags_.scenario->info().transports;
  std::string& chosen = flags_.options.transport;
  if (known.empty()) return OnlyFor(false, "transport", "scenarios that have a choice");
  flags_.all_transports = chosen == "all";
  if (chosen.empty() || flags_.all_transports) chosen = known.front();
  for (const char* file : {"trace", "trace-text", "pcap", "tape", "from-tape"}) {
    absl::Status one = OnlyFor(!flags_.all_transports, file, "one transport");
    if (!one.ok()) return one;
  }
  if (std::find(known.begin(), known.end(), chosen) != known.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--transport: ", NoneOf(chosen, known).message()));
}

absl::Status CommandLine::CheckBugs() {
  std::vector<std::string> known;
  for (const harness::BugInfo& bug : flags_.scenario->info().bugs) known.push_back(bug.name);
  for (const std::string& bug : flags_.options.bugs) {
    if (known.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--bug: scenario ", scenario_, " has no planted bugs; see --list-bugs"));
    }
    if (std::find(known.begin(), known.end(), bug) != known.end()) {
      if (absl::Status checked = CheckTransportOf(bug); !checked.ok()) return checked;
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat("--bug: there is no '", bug, "'; did you mean ",
                                                   Nearest(bug, known), "? see --list-bugs"));
  }
  return absl::OkStatus();
}

absl::Status CommandLine::CheckTransportOf(std::string_view name) const {
  for (const harness::BugInfo& bug : flags_.scenario->info().bugs) {
    if (bug.name != name || bug.transports.empty()) continue;
    const bool has = std::find(bug.transports.begin(), bug.transports.end(),
                               flags_.options.transport) != bug.transports.end();
    if (has && !flags_.all_transports) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--bug: '", bug.name, "' exists over ", absl::StrJoin(bug.transports, ", "), ", not over ",
        flags_.all_transports ? "all" : flags_.options.transport, "; see --transport"));
  }
  return absl::OkStatus();
}

absl::Status CommandLine::CheckFiles() {
  for (std::string_view flag : {"trace", "trace-text", "pcap", "tape"}) {
    absl::Status allowed =
        OnlyFor(flags_.mode == Mode::kRun, flag, "one run: give --seed=N, without --verify");
    if (!allowed.ok()) return allowed;
  }
  const bool full = flags_.options.profile == harness::Profile::kFull;
  if (absl::Status allowed = OnlyFor(full, "pcap", "--profile=full"); !allowed.ok()) return allowed;
  if (flags_.tape == "-" || flags_.from_tape == "-" || flags_.pcap == "-") {
    return absl::InvalidArgumentError(
        "a tape or a capture is a file; '-' is only for --trace and --trace-text");
  }
  return absl::OkStatus();
}

absl::Status CommandLine::OnlyFor(bool allowed, std::string_view flag,
                                  std::string_view what) const {
  const std::string name(flag);
  if (allowed || !parser_.given(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", name, " is only for ", absl::string_view(what.data(), what.size())));
}

}  // namespace

absl::StatusOr<ReplayFlags> ParseReplayFlags(std::span<const std::string> arguments,
                                             const harness::Registry& registry) {
  return CommandLine(registry).Parse(arguments);
}

std::string HelpText(const harness::Registry& registry) {
  return absl::StrCat(absl::string_view(kUsage.data(), kUsage.size()),
                      CommandLine(registry).Help());
}

}  // namespace faultline::replay
