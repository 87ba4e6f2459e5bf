#include "scenarios/replay/verify.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "scenarios/replay/files.h"
#include "scenarios/replay/text.h"

namespace faultline::replay {
namespace {

// A run that hangs in another process only: it is ended, by SIGALRM.
constexpr unsigned kSecondsInAnotherProcess = 600;

// The child: this program again, silent.
[[noreturn]] void ExecuteSelf(std::vector<char*> arguments) {
  alarm(kSecondsInAnotherProcess);  // alarm(2): kept across execve
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(null, STDOUT_FILENO);
  execv("/proc/self/exe", arguments.data());
  _exit(127);
}

// Runs this program with `flags`. Gives whether it passed.
absl::StatusOr<bool> RunInAnotherProcess(const std::vector<std::string>& flags) {
  std::vector<char*> arguments = {const_cast<char*>("replay")};
  for (const std::string& flag : flags) arguments.push_back(const_cast<char*>(flag.c_str()));
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return absl::InternalError(absl::StrCat("fork: ", strerror(errno)));
  if (child == 0) ExecuteSelf(std::move(arguments));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) <= 1) return WEXITSTATUS(status) == 0;
  return absl::InternalError(absl::StrCat(
      "the run in another process ended with ", WIFSIGNALED(status) ? "signal " : "exit code ",
      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
}

// What two runs share of a verdict, apart from the trace.
bool SameVerdict(const sim::Verdict& a, const sim::Verdict& b) {
  return a.kind == b.kind && a.time == b.time && a.status == b.status && a.events == b.events;
}

// Feeds a trace file to `comparison`, and gives the hash of its records.
absl::StatusOr<sim::TraceHash> CompareFile(const std::string& path, TraceComparison* comparison) {
  absl::StatusOr<TraceReader> reader = TraceReader::Open(path);
  if (!reader.ok()) return reader.status();
  sim::Trace trace;
  trace.SetSink(comparison);
  while (std::optional<sim::TraceRecord> record = reader->Next()) trace.Add(*record);
  if (!reader->status().ok()) return reader->status();
  return trace.hash();
}

// One verification while it is under way.
class Verifier {
 public:
  Verifier(const harness::Scenario& scenario, const harness::RunOptions& options,
           const harness::RunHooks& hooks, ScratchFile first, ScratchFile third)
      : scenario_(scenario),
        options_(options),
        hooks_(hooks),
        first_(std::move(first)),
        third_(std::move(third)) {}

  absl::Status RunFirst() {
    auto writer = TraceWriter::Open(first_.path(), TraceForm::kBinary);
    if (!writer.ok()) return writer.status();
    result_.report = Run(writer->get());
    result_.hashes[0] = result_.report.hash;
    return (*writer)->Finish();
  }

  absl::Status RunSecond() {
    absl::StatusOr<TraceReader> expected = TraceReader::Open(first_.path());
    if (!expected.ok()) return expected.status();
    TraceComparison comparison(*std::move(expected));
    harness::RunReport report = Run(&comparison);
    result_.hashes[1] = report.hash;
    Judge(2, comparison.Finish());
    if (result_.differing_run == 0) return CheckRest(report);
    return absl::OkStatus();
  }

  absl::Status RunThird(std::vector<std::string> flags) {
    flags.push_back(absl::StrCat("--trace=", third_.path()));
    absl::StatusOr<bool> passed = RunInAnotherProcess(flags);
    if (!passed.ok()) return passed.status();
    absl::StatusOr<TraceReader> expected = TraceReader::Open(first_.path());
    if (!expected.ok()) return expected.status();
    TraceComparison comparison(*std::move(expected));
    absl::StatusOr<sim::TraceHash> hash = CompareFile(third_.path(), &comparison);
    if (!hash.ok()) return hash.status();
    result_.hashes[2] = *hash;
    Judge(3, comparison.Finish());
    if (result_.differing_run != 0) return absl::OkStatus();
    if (*hash != result_.hashes[0]) {
      return absl::InternalError("equal events, but the hashes of runs 1 and 3 differ");
    }
    if (*passed == result_.report.verdict.passed()) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat("equal events, but the verdicts differ: ", result_.report.verdict.ToString(),
                     " and, in another ", "process, ", *passed ? "passed" : "failed"));
  }

  Verification result() const { return result_; }

 private:
  harness::RunReport Run(sim::TraceSink* sink) {
    harness::RunHooks hooks = hooks_;
    hooks.sink = sink;
    return scenario_.Run(options_, hooks);
  }

  // What a run has beside its events.
  absl::Status CheckRest(const harness::RunReport& second) const {
    const harness::RunReport& first = result_.report;
    if (second.hash != first.hash) {
      return absl::InternalError("equal events, but the hashes of runs 1 and 2 differ");
    }
    if (SameVerdict(second.verdict, first.verdict)) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat("equal events, but the verdicts differ: ", first.verdict.ToString(), " and ",
                     second.verdict.ToString()));
  }

  // The first difference counts.
  void Judge(int run, std::optional<Divergence> divergence) {
    if (!divergence.has_value() || result_.differing_run != 0) return;
    result_.differing_run = run;
    result_.divergence = *std::move(divergence);
  }

  const harness::Scenario& scenario_;
  const harness::RunOptions& options_;
  const harness::RunHooks& hooks_;
  const ScratchFile first_;
  const ScratchFile third_;
  Verification result_;
};

std::string RecordOrEnd(const std::optional<sim::TraceRecord>& record,
                        const harness::RunReport& report) {
  return record.has_value() ? RecordText(*record, report.hosts) : "(has ended)";
}

std::string DivergenceText(const Verification& verification) {
  const Divergence& parted = verification.divergence;
  const harness::RunReport& report = verification.report;
  std::string text = absl::StrCat("NOT DETERMINISTIC: runs 1 and ", verification.differing_run,
                                  " differ at event ", Grouped(parted.index), "\n");
  for (const sim::TraceRecord& record : parted.before) {
    absl::StrAppend(&text, "    both   ", RecordText(record, report.hosts), "\n");
  }
  absl::StrAppend(&text, "    run 1  ", RecordOrEnd(parted.first, report), "\n    run ",
                  verification.differing_run, "  ", RecordOrEnd(parted.second, report), "\n");
  return text;
}

}  // namespace

void TraceComparison::OnRecord(const sim::TraceRecord& record) {
  if (!divergence_.has_value()) Compare(expected_.Next(), record);
}

std::optional<Divergence> TraceComparison::Finish() {
  if (!divergence_.has_value()) Compare(expected_.Next(), std::nullopt);
  return divergence_;
}

void TraceComparison::Compare(const std::optional<sim::TraceRecord>& expected,
                              const std::optional<sim::TraceRecord>& got) {
  if (expected != got) {
    divergence_ = Divergence{index_, before_, expected, got};
    return;
  }
  if (!got.has_value()) return;
  ++index_;
  if (before_.size() == kBefore) before_.erase(before_.begin());
  before_.push_back(*got);
}

absl::StatusOr<Verification> Verify(const harness::Scenario& scenario,
                                    const harness::RunOptions& options,
                                    const harness::RunHooks& hooks,
                                    const std::vector<std::string>& flags) {
  absl::StatusOr<ScratchFile> first = ScratchFile::Make();
  if (!first.ok()) return first.status();
  absl::StatusOr<ScratchFile> third = ScratchFile::Make();
  if (!third.ok()) return third.status();
  Verifier verifier(scenario, options, hooks, *std::move(first), *std::move(third));
  absl::Status status = verifier.RunFirst();
  if (status.ok()) status = verifier.RunSecond();
  if (status.ok()) status = verifier.RunThird(flags);
  if (!status.ok()) return status;
  return verifier.result();
}

std::string VerificationText(const Verification& verification) {
  constexpr const char* kWhere[] = {"this process", "this process", "another process"};
  std::string text;
  for (int run = 0; run < 3; ++run) {
    absl::StrAppend(&text, "  run ", run + 1, "  ", verification.hashes[run].ToString(), "  in ",
                    kWhere[run], "\n");
  }
  if (verification.differing_run != 0) return text + DivergenceText(verification);
  return absl::StrCat(text, "verified: the same ", Grouped(verification.report.records),
                      " events each time\n");
}

}  // namespace faultline::replay
