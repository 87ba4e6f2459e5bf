#include "scenarios/replay/replay.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "scenarios/replay/campaign.h"
#include "scenarios/replay/capture_file.h"
#include "scenarios/replay/failure_note.h"
#include "scenarios/replay/files.h"
#include "scenarios/replay/flags.h"
#include "scenarios/replay/text.h"
#include "scenarios/replay/trace_file.h"
#include "scenarios/replay/verify.h"
#include "sim/choices.h"

namespace faultline::replay {
namespace {

using WallClock = std::chrono::steady_clock;

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Complain(const std::string& text) {
  std::fflush(stdout);
  std::fprintf(stderr, "replay: %s\n", text.c_str());
}

int BadCommandLine(const absl::Status& status) {
  Complain(absl::StrCat(status.message(), "\nreplay --help tells what there is"));
  return kExitUsage;
}

// Files that cannot be opened are the command line's fault; everything else is the run's.
int Failed(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) return BadCommandLine(status);
  Complain(std::string(status.message()));
  return kExitFailed;
}

// --- One run ---

// The files of one run: opened before it, finished after it.
class RunFiles {
 public:
  absl::Status Open(const ReplayFlags& flags) {
    absl::Status status =
        OpenTrace(flags.trace, flags.trace == "-" ? TraceForm::kText : TraceForm::kBinary);
    if (status.ok()) status = OpenTrace(flags.trace_text, TraceForm::kText);
    if (status.ok()) status = OpenCapture(flags.pcap);
    if (status.ok()) status = LoadTape(flags.from_tape);
    tape_path_ = flags.tape.empty() ? "" : UserPath(flags.tape);
    if (status.ok() && !tape_path_.empty()) status = WriteWholeFile(tape_path_, "");
    return status;
  }

  harness::RunHooks hooks() {
    return {.sink = tee_.empty() ? nullptr : &tee_,
            .wire = capture_ == nullptr ? nullptr : capture_->capture(),
            .record_on = tape_path_.empty() ? nullptr : &recorded_,
            .replay_from = replaying_ ? &replayed_ : nullptr};
  }

  absl::Status Finish() {
    for (const auto& writer : writers_) {
      if (absl::Status finished = writer->Finish(); !finished.ok()) return finished;
    }
    if (capture_ != nullptr) {
      if (absl::Status finished = capture_->Finish(); !finished.ok()) return finished;
    }
    if (tape_path_.empty()) return absl::OkStatus();
    return WriteWholeFile(tape_path_, recorded_.Serialize());
  }

 private:
  absl::Status OpenTrace(const std::string& path, TraceForm form) {
    if (path.empty()) return absl::OkStatus();
    auto writer = TraceWriter::Open(path == "-" ? path : UserPath(path), form);
    if (!writer.ok()) return writer.status();
    tee_.Add(writer->get());
    writers_.push_back(*std::move(writer));
    return absl::OkStatus();
  }

  absl::Status OpenCapture(const std::string& path) {
    if (path.empty()) return absl::OkStatus();
    auto capture = CaptureFile::Open(UserPath(path));
    if (!capture.ok()) return capture.status();
    capture_ = *std::move(capture);
    tee_.Add(capture_->capture());
    return absl::OkStatus();
  }

  absl::Status LoadTape(const std::string& path) {
    if (path.empty()) return absl::OkStatus();
    absl::StatusOr<std::string> bytes = ReadWholeFile(UserPath(path));
    if (!bytes.ok()) return bytes.status();
    absl::StatusOr<sim::Tape> tape = sim::Tape::Parse(*bytes);
    if (!tape.ok()) return tape.status();
    replayed_ = *std::move(tape);
    replaying_ = true;
    return absl::OkStatus();
  }

  std::vector<std::unique_ptr<TraceWriter>> writers_;
  TeeSink tee_;
  std::unique_ptr<CaptureFile> capture_;
  std::string tape_path_;
  sim::Tape recorded_;
  sim::Tape replayed_;
  bool replaying_ = false;
};

std::vector<std::string> FlagsOfRun(const ReplayFlags& flags, uint64_t seed) {
  harness::RunOptions options = flags.options;
  options.seed = seed;
  std::vector<std::string> words = harness::FlagsOf(flags.scenario->info().name, options);
  if (!flags.from_tape.empty()) words.push_back("--from-tape=" + UserPath(flags.from_tape));
  return words;
}

std::string ProfileText(const harness::RunOptions& options) {
  if (options.profile == harness::Profile::kFull) return "";
  return absl::StrCat("  profile ", std::string(NameOf(harness::Profiles(), options.profile)),
                      ": records of TLS and packets of QUIC carry checksums, not ciphers\n");
}

std::string TapeText(const harness::RunReport& report, bool replaying) {
  if (!replaying) return "";
  return absl::StrCat("  tape    gave ", Grouped(report.draws - report.draws_off_tape), " of ",
                      Grouped(report.draws), " choices; the others were drawn from the seed\n");
}

int RunOne(const ReplayFlags& flags) {
  RunFiles files;
  if (absl::Status opened = files.Open(flags); !opened.ok()) return Failed(opened);
  const std::string command = Command(FlagsOfRun(flags, flags.options.seed));
  FailureNote note(command);
  const auto began = WallClock::now();
  harness::RunReport report = flags.scenario->Run(flags.options, files.hooks());
  const Duration wall = WallClock::now() - began;
  absl::Status finished = files.Finish();
  Print(RunSummary(flags.scenario->info().name, flags.options.seed, report, wall));
  Print(ProfileText(flags.options));
  Print(TapeText(report, !flags.from_tape.empty()));
  if (flags.verbose) Print(RunDetails(report));
  if (!report.verdict.passed()) Print(FailureText(report, command));
  if (!finished.ok()) return Failed(finished);
  return report.verdict.passed() ? kExitPassed : kExitFailed;
}

int RunVerify(const ReplayFlags& flags) {
  RunFiles files;
  if (absl::Status opened = files.Open(flags); !opened.ok()) return Failed(opened);
  const std::vector<std::string> words = FlagsOfRun(flags, flags.options.seed);
  const std::string command = Command(words);
  FailureNote note(command);
  const auto began = WallClock::now();
  absl::StatusOr<Verification> verified =
      Verify(*flags.scenario, flags.options, files.hooks(), words);
  if (!verified.ok()) return Failed(verified.status());
  const harness::RunReport& report = verified->report;
  Print(RunSummary(flags.scenario->info().name, flags.options.seed, report,
                   (WallClock::now() - began) / 3));
  Print(ProfileText(flags.options));
  Print(VerificationText(*verified));
  if (!report.verdict.passed()) Print(FailureText(report, command));
  return report.verdict.passed() && verified->differing_run == 0 ? kExitPassed : kExitFailed;
}

// --- Many runs ---

SeedResult RunSeed(const ReplayFlags& flags, uint64_t seed) {
  harness::RunOptions options = flags.options;
  options.seed = seed;
  const harness::RunReport report = flags.scenario->Run(options, {});
  SeedResult result = ResultOf(seed, report);
  if (report.verdict.passed()) return result;
  result.headline =
      absl::StrCat("seed ", seed, ": FAILED at ", FormatSeconds(report.virtual_time()), ": ",
                   WhatFailed(report.verdict));
  result.details = FailureText(report, Command(FlagsOfRun(flags, seed)));
  return result;
}

std::string VerdictCounts(const CampaignTotals& totals) {
  std::string text;
  for (size_t i = 0; i < kVerdictKinds; ++i) {
    const auto kind = static_cast<sim::VerdictKind>(i);
    if (totals.verdicts(kind) == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", Grouped(totals.verdicts(kind)), " ",
                    std::string(sim::VerdictName(kind)));
  }
  if (totals.lost() == 0) return text;
  return absl::StrCat(text, text.empty() ? "" : ", ", Grouped(totals.lost()), " crashed");
}

std::string CampaignSummary(const CampaignOutcome& outcome, uint64_t jobs) {
  const CampaignTotals& totals = outcome.totals;
  const double seconds = std::chrono::duration<double>(outcome.elapsed).count();
  const double hours = std::chrono::duration<double>(totals.simulated()).count() / 3600;
  std::string text = absl::StrCat("  verdicts   ", VerdictCounts(totals), "\n");
  absl::StrAppendFormat(&text, "  speed      %.1f seeds a second, %d workers, %.1f s\n",
                        static_cast<double>(totals.seeds()) / seconds, jobs, seconds);
  absl::StrAppendFormat(&text, "  simulated  %.2f h, %s; %s events\n", hours,
                        SpeedUp(totals.simulated(), outcome.elapsed), Grouped(totals.events()));
  absl::StrAppend(&text, "  faults     ", EffectsText(totals.effects()), "\n");
  absl::StrAppend(&text, "  hash       ", totals.hash().ToString(), "  of all seeds\n");
  return text;
}

// The first failure in full, the others in a line each; then what went wrong beside seeds.
std::string CampaignFailures(const CampaignOutcome& outcome) {
  std::string text;
  for (const auto& [seed, failure] : outcome.totals.failures()) {
    absl::StrAppend(&text, failure.headline, "\n");
    if (seed == outcome.totals.failures().begin()->first) absl::StrAppend(&text, failure.details);
  }
  absl::StrAppend(&text, outcome.totals.disorders());
  const std::string idle = outcome.totals.IdleFamilies();
  if (outcome.cut_short.empty() && !idle.empty()) {
    absl::StrAppend(&text, "ERROR: configured in some run, without effect in any: ", idle,
                    ".\nEither more seeds are needed or these faults test nothing.\n");
  }
  if (!outcome.cut_short.empty()) absl::StrAppend(&text, "CUT SHORT: ", outcome.cut_short, "\n");
  return text;
}

std::string CampaignTitle(const ReplayFlags& flags) {
  std::vector<std::string> words = FlagsOfRun(flags, 0);
  std::string text = absl::StrCat(flags.scenario->info().name, ", seeds ", flags.first_seed, "..",
                                  flags.last_seed, ":");
  for (size_t i = 2; i < words.size(); ++i) absl::StrAppend(&text, " ", words[i]);
  return text + "\n";
}

int RunMany(const ReplayFlags& flags) {
  CampaignConfig config;
  config.first_seed = flags.first_seed;
  config.last_seed = flags.last_seed;
  config.jobs = flags.jobs == 0 ? DefaultJobs() : flags.jobs;
  config.wall_limit = flags.wall_limit_s * 1s;
  config.max_failures = flags.max_failures;
  config.job = [&flags](uint64_t seed) { return RunSeed(flags, seed); };
  config.command = [&flags](uint64_t seed) { return Command(FlagsOfRun(flags, seed)); };
  Print(CampaignTitle(flags));
  Progress progress(stderr, isatty(STDERR_FILENO) != 0, flags.last_seed - flags.first_seed + 1);
  absl::StatusOr<CampaignOutcome> outcome = RunCampaign(config, &progress);
  if (!outcome.ok()) return Failed(outcome.status());
  Print(CampaignSummary(*outcome, config.jobs));
  Print(ProfileText(flags.options));
  Print(CampaignFailures(*outcome));
  return outcome->totals.ok() && outcome->cut_short.empty() ? kExitPassed : kExitFailed;
}

// Exit codes are the better the lower.
int ByTransport(ReplayFlags flags, int (*run)(const ReplayFlags&)) {
  if (!flags.all_transports) return run(flags);
  int worst = kExitPassed;
  for (const std::string& transport : flags.scenario->info().transports) {
    flags.options.transport = transport;
    worst = std::max(worst, run(flags));
  }
  return worst;
}

int ShowTraceFile(const ReplayFlags& flags) {
  absl::Status shown = ShowTrace(UserPath(flags.show_trace), stdout);
  std::fflush(stdout);
  return shown.ok() ? kExitPassed : Failed(shown);
}

int Say(const std::string& text) {
  Print(text);
  return kExitPassed;
}

}  // namespace

int Main(const std::vector<std::string>& arguments, const harness::Registry& registry) {
  absl::StatusOr<ReplayFlags> flags = ParseReplayFlags(arguments, registry);
  if (!flags.ok()) return BadCommandLine(flags.status());
  switch (flags->mode) {
    case Mode::kHelp:
      return Say(HelpText(registry));
    case Mode::kList:
      return Say(ScenarioList(registry));
    case Mode::kListBugs:
      return Say(BugList(registry, flags->scenario));
    case Mode::kShowTrace:
      return ShowTraceFile(*flags);
    case Mode::kRun:
      return ByTransport(*std::move(flags), &RunOne);
    case Mode::kVerify:
      return ByTransport(*std::move(flags), &RunVerify);
    case Mode::kCampaign:
      return ByTransport(*std::move(flags), &RunMany);
  }
  return kExitUsage;
}

}  // namespace faultline::replay
