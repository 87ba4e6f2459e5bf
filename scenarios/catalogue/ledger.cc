#include "scenarios/catalogue/ledger.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "scenarios/catalogue/ledger_run.h"

namespace faultline::catalogue {
namespace {

using harness::RunHooks;
using harness::RunOptions;
using harness::RunReport;
using sim::Fault;
using sim::Plane;

constexpr Duration kFaultsBegin = 1s;
constexpr Duration kFaultsEnd = 20s;

// Uniform in [low, high], in milliseconds.
Duration DrawBetween(LedgerRun* run, Duration low, Duration high) {
  const auto span = static_cast<uint64_t>((high - low) / 1ms) + 1;
  return low + 1ms * static_cast<int64_t>(
                         run->stage()->chooser()->Below(sim::Choice::kApplication, span));
}

harness::ScenarioInfo Info(const char* name, const char* summary, const char* story,
                           sim::FaultLevel faults) {
  harness::ScenarioInfo info;
  info.name = name;
  info.summary = summary;
  info.story = story;
  info.default_faults = faults;
  info.default_scheduling = sim::Scheduling::kRandom;
  return info;
}

// A ledger scenario: a shape, and what is done to the run before it starts. Faults are drawn
// besides if the options ask for them.
class LedgerScenario final : public harness::Scenario {
 public:
  using Direct = RunReport (*)(LedgerRun* run);

  LedgerScenario(harness::ScenarioInfo info, const LedgerShape& shape, Direct direct)
      : info_(std::move(info)), shape_(shape), direct_(direct) {
    AddLedgerChoices(shape.replicas, &info_);
  }

  const harness::ScenarioInfo& info() const override { return info_; }

  RunReport Run(const RunOptions& options, const RunHooks& hooks) const override {
    LedgerRun run(shape_, options, hooks);
    run.stage()->DrawFaults(run.FaultsBetween(kFaultsBegin, kFaultsEnd));
    return direct_(&run);
  }

 private:
  harness::ScenarioInfo info_;
  const LedgerShape shape_;
  const Direct direct_;
};

// --- Everything at once ---

RunReport RunAsDrawn(LedgerRun* run) { return run->Finish(); }

constexpr char kLedgerStory[] =
    "Replica 0 is the primary. Clients append numbered entries; the primary orders them, sends "
    "them "
    "to the backups and answers once a majority holds them. Between 1 s and 20 s faults strike, as "
    "drawn; backups may crash and return empty; queues, payloads, pace and latencies differ from "
    "seed "
    "to seed. Checked as it happens: an entry is held by a majority when the primary commits it or "
    "first answers to it; what was acknowledged stands, once, in one order; replies match "
    "requests; connections deliver in order and are lost once. Every 2 s all logs are read again: "
    "nothing in them has changed. Checked in time: with a majority at work a request completes "
    "within 30 s, without any fault within 5 s and no connection breaks; 90 s after the last fault "
    "every client is done. Checked at the end: "
    "all replicas hold the same log and each pair has one connection.";

// --- The primary without a majority ---

// Looks whether anything is committed before `until` that was appended after `from`. What backups
// hold by then counts, also if the primary reads their word later, for instance after a pause.
void ForbidProgress(LedgerRun* run, Duration from, Duration until) {
  run->world()->At(MonotonicTime(from), [run, until] {
    const uint64_t limit = run->checkers()->log()->appended();
    run->world()->At(MonotonicTime(until),
                     [run, limit] { run->checkers()->log()->CheckNothingCommittedAfter(limit); });
  });
}

RunReport CutOffPrimary(LedgerRun* run) {
  const Duration at = DrawBetween(run, 3s, 6s);
  const Duration lasts = DrawBetween(run, 4s, 10s);
  run->stage()->AddFault(
      {.family = Fault::kPartition, .at = at, .lasts = lasts, .a = 0, .plane = Plane::kReplica});
  ForbidProgress(run, at, at + lasts);
  return run->Finish();
}

// --- A backup that forgets everything ---

RunReport CrashBackup(LedgerRun* run) {
  const Duration at = DrawBetween(run, 4s, 8s);
  const Duration lasts = DrawBetween(run, 500ms, 8s);
  run->stage()->AddFault({.family = Fault::kCrash, .at = at, .lasts = lasts, .a = 1});
  return run->Finish();
}

// --- A backup that has acknowledged, and forgets ---

void Cut(LedgerRun* run, Duration at, Duration lasts, uint32_t backup) {
  run->stage()->AddFault({.family = Fault::kPartition,
                          .at = at,
                          .lasts = lasts,
                          .a = 0,
                          .b = backup,
                          .plane = Plane::kReplica});
}

RunReport ForgetAcknowledged(LedgerRun* run) {
  const Duration at = DrawBetween(run, 3s, 5s);
  Cut(run, at, DrawBetween(run, 3s, 4s), 2);
  Cut(run, at, 8s, 3);
  Cut(run, at, 8s, 4);
  const Duration crash = at + DrawBetween(run, 1s, 2s);
  run->stage()->AddFault({.family = Fault::kCrash, .at = crash, .lasts = 300ms, .a = 1});
  run->stage()->AddFault({.family = Fault::kBandwidth,
                          .at = crash,
                          .lasts = 8s,
                          .a = 0,
                          .b = 1,
                          .plane = Plane::kReplica,
                          .amount = 20'000});
  return run->Finish();
}

// --- One that is slow must not slow the others ---

// No entry of a client may take longer than `bound`.
class PaceChecker final : public ledger::WorkloadMeter {
 public:
  PaceChecker(LedgerRun* run, uint32_t client, Duration bound)
      : run_(run), client_(client), bound_(bound) {}

  void OnDone(Duration latency, const absl::Status& status) override {
    if (status.ok() && latency <= bound_) return;
    run_->findings()->Add(
        "pace", absl::StrCat("an entry of client ", client_ + 1, ", whom no fault touches, took ",
                             latency / 1ms, " ms; ", bound_ / 1ms, " are promised"));
  }

 private:
  LedgerRun* const run_;
  const uint32_t client_;
  const Duration bound_;
};

// Promises a pace to the clients from `first` on, unless faults are drawn besides.
class Pace {
 public:
  Pace(LedgerRun* run, uint32_t first, uint32_t clients, Duration bound) {
    if (run->stage()->options().faults != sim::FaultLevel::kNone) return;
    for (uint32_t client = first; client < clients; ++client) {
      checkers_.push_back(std::make_unique<PaceChecker>(run, client, bound));
      run->SetMeter(client, checkers_.back().get());
    }
  }

 private:
  std::vector<std::unique_ptr<PaceChecker>> checkers_;
};

constexpr LedgerShape kSlowPeer{.varied = false, .period = 25ms, .payload_max = 4096};
constexpr Duration kPace = 2s;

RunReport SlowBackup(LedgerRun* run) {
  Pace pace(run, 0, kSlowPeer.clients, kPace);
  const Duration at = DrawBetween(run, 3s, 5s);
  run->stage()->AddFault({.family = Fault::kBandwidth,
                          .at = at,
                          .lasts = DrawBetween(run, 5s, 10s),
                          .a = 0,
                          .b = 2,
                          .plane = Plane::kReplica,
                          .amount = 20'000});
  return run->Finish();
}

RunReport StalledBackup(LedgerRun* run) {
  Pace pace(run, 0, kSlowPeer.clients, kPace);
  run->stage()->AddFault({.family = Fault::kPause,
                          .at = DrawBetween(run, 5s, 15s),
                          .lasts = DrawBetween(run, 1500ms, 2500ms),
                          .a = 2});
  return run->Finish();
}

RunReport SlowClient(LedgerRun* run) {
  Pace pace(run, 1, kSlowPeer.clients, kPace);
  const Duration at = DrawBetween(run, 3s, 5s);
  const Duration lasts = DrawBetween(run, 5s, 10s);
  const uint32_t slow = run->client_host(0);
  sim::HostLimits limits;
  limits.send_buffer_bytes = limits.receive_buffer_bytes = 512;
  run->world()->host(slow)->SetLimits(limits);
  run->stage()->AddFault(
      {.family = Fault::kSlow, .at = at, .lasts = lasts, .a = slow, .amount = 400'000'000});
  return run->Finish();
}

// --- Lies ---

// Logs that no replica has.
struct FalseLogs {
  FalseLogs() { FAULTLINE_CHECK(out_of_turn.Append({ledger::ClientId{0, 99}, 7}, {}).ok()); }

  ledger::Log empty;
  ledger::Log out_of_turn;  // the first entry of a client has number 7
};

// One lie about the run, told to the checkers by the way that the service itself uses.
void TellLie(uint64_t which, const FalseLogs& logs, ledger::Observers told) {
  const ledger::EntryId nobodys{ledger::ClientId{0, 99}, 1};
  const ledger::Party primary = ledger::Party::Replica(0);
  const ledger::Party backup = ledger::Party::Replica(1);
  const ledger::Digest made_up{1, 2};
  switch (which) {
    case 0:
      return told.replicas->OnAcknowledged(1'000'000, nobodys);
    case 1:
      return told.replicas->OnCommitted(0, 1'000'000);
    case 2:
      return told.clients->OnReply(nobodys.client, {.id = nobodys, .op = 1, .request = made_up});
    case 3:
      return told.connections->OnFrameReceived(primary, made_up, made_up);
    case 4:
      return told.connections->OnLost(primary, backup, made_up, absl::OkStatus());
    case 5:
      return told.connections->OnUnregistered(primary, backup, made_up, ledger::Digest{3, 4});
    case 6:
      return told.connections->OnWriterIdle(primary, made_up, 3);
    case 7:
      return told.replicas->OnAppended(1, 1'000'000);
    case 8:
      return told.clients->OnCompleted(nobodys, 1);
    case 9:
      return told.replicas->OnReplicaStarted(0, 99, &logs.out_of_turn);
    case 10:
      told.replicas->OnReplicaStarted(0, 99, &logs.empty);
      return told.replicas->OnCommitted(0, 1);
    case 11:
      return told.connections->OnConnected(primary, backup, made_up);
    default:
      return told.clients->OnIssued(nobodys, made_up);
  }
}

constexpr uint64_t kLies = 13;

RunReport LieToCheckers(LedgerRun* run) {
  const FalseLogs logs;
  const uint64_t which = run->stage()->chooser()->Below(sim::Choice::kApplication, kLies);
  run->world()->At(MonotonicTime(DrawBetween(run, 2s, 10s)),
                   [run, which, &logs] { TellLie(which, logs, run->checkers()->observers()); });
  return run->Finish();
}

template <typename... Arguments>
std::unique_ptr<harness::Scenario> Make(Arguments&&... arguments) {
  return std::make_unique<LedgerScenario>(std::forward<Arguments>(arguments)...);
}

}  // namespace

std::unique_ptr<harness::Scenario> MakeLedgerScenario() {
  return Make(Info("ledger", "a replicated ledger, three replicas and three clients, drawn faults",
                   kLedgerStory, sim::FaultLevel::kSwarm),
              LedgerShape{}, &RunAsDrawn);
}

std::unique_ptr<harness::Scenario> MakeLedgerFiveScenario() {
  return Make(Info("ledger-five", "the same with five replicas, of which two may be missing",
                   kLedgerStory, sim::FaultLevel::kSwarm),
              LedgerShape{.replicas = 5}, &RunAsDrawn);
}

std::unique_ptr<harness::Scenario> MakeLedgerPartitionScenario() {
  return Make(
      Info("ledger-partition", "the primary is cut off from both backups, then healed",
           "At some time between 3 s and 6 s, for 4 s to 10 s, no packet passes between the "
           "primary and its backups; clients still reach the primary. Checked besides "
           "everything that the ledger promises: nothing is committed meanwhile that came after "
           "the cut.",
           sim::FaultLevel::kNone),
      LedgerShape{}, &CutOffPrimary);
}

std::unique_ptr<harness::Scenario> MakeLedgerCrashScenario() {
  return Make(
      Info("ledger-crash", "a backup loses its power, returns empty and catches up",
           "Between 4 s and 8 s replica 1 loses its power, with everything that it held; 0.5 s "
           "to 8 s later it starts again, empty, while clients go on. Checked besides: it "
           "holds the whole log again 12 s after its return, if the clients are done by then.",
           sim::FaultLevel::kNone),
      LedgerShape{.settle = 12s}, &CrashBackup);
}

std::unique_ptr<harness::Scenario> MakeLedgerAmnesiaScenario() {
  return Make(Info("ledger-amnesia", "of five, a backup that has acknowledged forgets",
                   "Of five replicas, 2, 3 and 4 are cut off from the primary: entries gather that "
                   "only it and replica 1 hold, too few. Then replica 1 loses its power, returns "
                   "empty, and catches up over a thin line, while replica 2 is healed first. What "
                   "replica 1 acknowledged in its former life must not make a majority with what "
                   "replica 2 acknowledges now.",
                   sim::FaultLevel::kNone),
              LedgerShape{.replicas = 5, .varied = false, .period = 25ms, .payload_max = 4096},
              &ForgetAcknowledged);
}

std::unique_ptr<harness::Scenario> MakeLedgerStalledBackupScenario() {
  LedgerShape shape = kSlowPeer;
  shape.queue_frames = 8;
  return Make(
      Info("ledger-stalled-backup", "a backup stands still, too shortly to be given up",
           "At some time between 5 s and 15 s replica 2 stands still for 1.5 s to 2.5 s. "
           "Its connections outlive that, but the primary's queue for it, of 8 frames, does "
           "not hold what there is to send. Checked besides: it holds the whole log in the "
           "end, and no entry of any client takes longer than 2 s.",
           sim::FaultLevel::kNone),
      shape, &StalledBackup);
}

std::unique_ptr<harness::Scenario> MakeLedgerSlowBackupScenario() {
  return Make(
      Info("ledger-slow-backup", "a backup behind a thin line must not slow the others",
           "From between 3 s and 5 s on, for 5 s to 10 s, 20 kB a second pass between the "
           "primary and replica 2, less than there is to send. Checked besides: no entry of "
           "any client takes longer than 2 s.",
           sim::FaultLevel::kNone),
      kSlowPeer, &SlowBackup);
}

std::unique_ptr<harness::Scenario> MakeLedgerSlowClientScenario() {
  return Make(
      Info("ledger-slow-client", "a client that hardly reads must not slow the others",
           "Client 1 has socket buffers of 512 bytes; from between 3 s and 5 s on, for 5 s to "
           "10 s, it runs only for an instant every 450 ms. Checked besides: no entry of "
           "the other clients takes longer than 2 s.",
           sim::FaultLevel::kNone),
      kSlowPeer, &SlowClient);
}

std::unique_ptr<harness::Scenario> MakeCanaryScenario() {
  return Make(
      Info("canary", "must fail with every seed: the checkers are told a lie",
           "A healthy ledger; between 2 s and 10 s somebody tells the checkers something that "
           "did not happen: an acknowledgement, a commit, an entry of a backup, a reply, its "
           "acceptance, a frame, a connection or its end, a sleeping writer, a request that "
           "nobody answers, a log of the primary that is empty or in disorder. A run that passes "
           "means that the checkers are blind.",
           sim::FaultLevel::kNone),
      LedgerShape{}, &LieToCheckers);
}

}  // namespace faultline::catalogue
