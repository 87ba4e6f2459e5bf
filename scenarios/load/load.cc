#include "scenarios/load/load.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "scenarios/ledger/any.h"
#include "scenarios/ledger/checkers/findings.h"
#include "scenarios/ledger/dial_log.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/run_client.h"
#include "scenarios/load/meter.h"
#include "scenarios/load/outside_checker.h"

namespace faultline::load {
namespace {

using ledger::ClientReport;
using ledger::ConnectionId;
using ledger::Party;

// How many clients are connected, and why others are not, for those who watch; tells a checker too.
class ConnectionCounter final : public ledger::ConnectionObserver {
 public:
  // `next` and `out` may be null.
  ConnectionCounter(ConnectionObserver* next, const Clock* clock, std::ostream* out)
      : next_(next), dials_(clock), out_(out) {}

  uint64_t connected() const { return connected_; }

  void OnDialFailed(const Party&, const Endpoint& server, const absl::Status& status) override {
    const std::optional<std::string> line = dials_.OnFailed(server, status);
    if (line.has_value() && out_ != nullptr) *out_ << *line + "\n" << std::flush;
  }

  void OnConnected(const Party& self, const Party& peer, const ConnectionId& id) override {
    ++connected_;
    if (next_ != nullptr) next_->OnConnected(self, peer, id);
  }
  void OnLost(const Party& self, const Party& peer, const ConnectionId& id,
              const absl::Status& status) override {
    --connected_;
    if (next_ != nullptr) next_->OnLost(self, peer, id, status);
  }

 private:
  ConnectionObserver* const next_;
  ledger::DialLog dials_;
  std::ostream* const out_;
  uint64_t connected_ = 0;
};

class LoadRun {
 public:
  LoadRun(const LoadFlags& flags, any::Security* security, const Runtime& runtime,
          std::ostream* progress)
      : flags_(flags),
        runtime_(runtime),
        progress_(progress),
        checker_(&findings_),
        connections_(flags.check ? &checker_ : nullptr, runtime.clock, progress),
        meter_(flags.timeout) {
    options_.security = security;
  }

  Task<Summary> Run() {
    started_ = window_began_ = clock()->Now();
    StopSource reporter;
    Scope reporting(co_await ThisTask());
    reporting.Spawn(WithStop(&reporter, ReportEachSecond()));
    co_await Race(RunClients(), WaitForTheEnd());
    reporter.RequestStop();
    co_await reporting.Join();
    meter_.EndWindow();
    summary_.elapsed = clock()->Now() - started_;
    summary_.rate = flags_.rate;
    summary_.overdue = meter_.overdue();
    summary_.latency = Summarize(meter_.total());
    if (flags_.verify) co_await Shielded(Verify());
    TakeFindings();
    co_return std::move(summary_);
  }

 private:
  Clock* clock() const { return runtime_.clock; }

  // --- Clients ---

  Task<void> RunClients() {
    Scope clients(co_await ThisTask());
    for (uint64_t i = 0; i < flags_.clients; ++i) clients.Spawn(RunOneClient(i));
    co_await clients.Join();
  }

  // The clients of an open loop take turns instead of coming all at once.
  Task<void> RunOneClient(uint64_t index) {
    const ledger::WorkloadConfig workload = WorkloadOf(flags_);
    const Duration turn =
        workload.period * static_cast<int64_t>(index) / static_cast<int64_t>(flags_.clients);
    absl::Status slept = co_await clock()->SleepFor(turn);
    if (!slept.ok()) co_return;
    ledger::Observers observers{.connections = &connections_};
    if (flags_.check) observers.clients = &checker_;
    Account(co_await ledger::RunClientTo(ClientConfigOf(flags_), workload, flags_.by, runtime_,
                                         {.observers = observers, .meter = &meter_}, options_));
  }

  void Account(const absl::StatusOr<ClientReport>& report) {
    absl::Status status = report.status();
    if (report.ok()) {
      summary_.issued += report->issued;
      summary_.not_issued += report->not_issued;
      summary_.acknowledged += report->acknowledged;
      summary_.connections += report->connections;
      status = report->status;
    }
    if (status.ok()) return;
    findings_.Add("served", absl::StrCat("a client gave up: ", status.ToString()));
  }

  Task<void> WaitForTheEnd() {
    if (flags_.duration > Duration::zero()) {
      (void)co_await clock()->SleepFor(flags_.duration);
    } else {
      Event never;
      (void)co_await never.Wait();
    }
    ending_ = true;
    summary_.issuing = clock()->Now() - started_;
  }

  // --- Progress ---

  Task<void> ReportEachSecond() {
    while (true) {
      absl::Status slept = co_await clock()->SleepUntil(window_began_ + 1s);
      if (!slept.ok()) co_return;
      ReportWindow();
    }
  }

  void ReportWindow() {
    const MonotonicTime now = clock()->Now();
    const LatencyHistogram& window = meter_.window();
    const Progress progress{.elapsed = now - started_,
                            .window = now - window_began_,
                            .answered = window.count(),
                            .total = meter_.total().count() + window.count(),
                            .latency = Summarize(window),
                            .connected = connections_.connected(),
                            .clients = ending_ ? 0 : flags_.clients};
    if (progress_ != nullptr && !flags_.quiet)
      *progress_ << ProgressLine(progress) + "\n" << std::flush;
    meter_.EndWindow();
    window_began_ = now;
  }

  // --- The end ---

  Task<void> Verify() {
    VerifyConfig config{.replicas = flags_.connect,
                        .by = flags_.by,
                        .transport = options_,
                        .cluster = {flags_.cluster, 0},
                        .patience = flags_.verify_timeout};
    summary_.verification =
        co_await VerifyReplicas(std::move(config), runtime_, &checker_, &findings_);
  }

  void TakeFindings() {
    for (const absl::Status& finding : findings_.all()) {
      summary_.findings.emplace_back(finding.message());
    }
    summary_.finding_count = findings_.count();
  }

  const LoadFlags flags_;
  const Runtime runtime_;
  any::Options options_;
  std::ostream* const progress_;
  ledger::Findings findings_;
  OutsideChecker checker_;
  ConnectionCounter connections_;
  LoadMeter meter_;
  MonotonicTime started_;
  MonotonicTime window_began_;
  bool ending_ = false;  // clients leave
  Summary summary_;
};

}  // namespace

Task<Summary> RunLoad(LoadFlags flags, any::Security* security, Runtime runtime,
                      std::ostream* progress) {
  LoadRun run(flags, security, runtime, progress);
  co_return co_await run.Run();
}

}  // namespace faultline::load
