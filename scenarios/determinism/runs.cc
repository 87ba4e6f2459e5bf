#include "scenarios/determinism/runs.h"

#include <ostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace faultline::determinism {
namespace {

constexpr Row kRows[] = {
    {"LedgerAsItComes", "--scenario=ledger --seed=7"},
    {"LedgerHeavyOnReplicasPct",
     "--scenario=ledger --seed=11 --faults=heavy --plane=replica --scheduling=pct --pct-depth=4"},
    {"LedgerLightOnClientsFifo",
     "--scenario=ledger --seed=12 --faults=light --plane=client --scheduling=fifo"},
    {"LedgerWithABug", "--scenario=ledger --seed=1 --bug=retry-appended-again"},
    {"LedgerOverTls", "--scenario=ledger --seed=7 --transport=tls --faults=swarm"},
    {"LedgerOverWebSocket", "--scenario=ledger --seed=8 --transport=ws --faults=swarm"},
    {"LedgerOverSecureWebSocket", "--scenario=ledger --seed=9 --transport=wss --faults=swarm"},
    {"LedgerOverQuic", "--scenario=ledger --seed=10 --transport=quic --faults=swarm"},
    {"LedgerFive", "--scenario=ledger-five --seed=3"},
    {"LedgerPartition", "--scenario=ledger-partition --seed=4"},
    {"LedgerCrash", "--scenario=ledger-crash --seed=5"},
    {"LedgerAmnesia", "--scenario=ledger-amnesia --seed=6"},
    {"LedgerStalledBackup", "--scenario=ledger-stalled-backup --seed=8"},
    {"LedgerSlowBackup", "--scenario=ledger-slow-backup --seed=9"},
    {"LedgerSlowClient", "--scenario=ledger-slow-client --seed=10"},
    {"TransportAsItComes", "--scenario=transport --seed=13"},
    {"TransportHeavyPct", "--scenario=transport --seed=14 --faults=heavy --scheduling=pct"},
    {"TransportWithABug", "--scenario=transport --seed=2 --bug=failed-writer-goes-on"},
    {"EchoSwarm", "--scenario=echo --seed=15 --faults=swarm --scheduling=random"},
    {"Canary", "--scenario=canary --seed=16"},
};

// How long it took, and the command, which names the build's configuration.
bool IsOfTheRun(absl::string_view line) {
  return !absl::StartsWith(line, "  wall ") && !absl::StrContains(line, "./bazelw run ");
}

}  // namespace

void PrintTo(const Row& row, std::ostream* out) { *out << row.flags; }

std::span<const Row> Rows() { return kRows; }

void PrintTo(const Told& told, std::ostream* out) {
  *out << "exit code " << told.exit_code << ", hash " << told.hash << "\n" << told.report;
}

Told RunProcess(const std::string& program, const std::string& flags,
                const replay::SubprocessOptions& options) {
  const replay::Outcome outcome =
      replay::RunProgram(program, absl::StrSplit(absl::StrCat(flags, " --v"), ' '), options);
  Told told{outcome.exit_code, replay::WordAfter(outcome.out, "\n  hash "), ""};
  if (!HasVerdict(told)) told.report = outcome.err;
  for (absl::string_view line : absl::StrSplit(outcome.out, '\n')) {
    if (IsOfTheRun(line)) absl::StrAppend(&told.report, line, "\n");
  }
  return told;
}

bool HasVerdict(const Told& told) {
  return (told.exit_code == 0 || told.exit_code == 1) && told.hash.size() == 32;
}

}  // namespace faultline::determinism
