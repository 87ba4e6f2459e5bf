// RunClient: one client at work, from its first connection to its drained end.
//
//   ClientReport report = co_await RunClient(
//       {.servers = {primary}}, {.entries = 1000}, runtime,
//       tcp::Connector(runtime.network, runtime.buffers, {}), {});
//
// It runs until its entries are in the ledger, or until its task is asked to stop; then it begins
// no more entries, waits, at most `drain_grace`, for the replies that are still due, and ends its
// connection in good order. Each entry is measured when it is answered, before the end or after.
#ifndef FAULTLINE_SCENARIOS_LEDGER_RUN_CLIENT_H_
#define FAULTLINE_SCENARIOS_LEDGER_RUN_CLIENT_H_

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"
#include "scenarios/ledger/backoff.h"
#include "scenarios/ledger/client.h"
#include "scenarios/ledger/dial.h"
#include "scenarios/ledger/pipe.h"
#include "scenarios/ledger/workload.h"
#include "transports/message/concepts.h"

namespace faultline::ledger {

struct ClientReport {
  ClientId id{};
  uint64_t issued = 0;
  // Of an open loop: entries that had been due for a period when the end was asked for, and were
  // not issued.
  uint64_t not_issued = 0;
  uint64_t acknowledged = 0;
  uint64_t connections = 0;
  absl::Status status;  // of the first entry that failed for another reason than the end
};

// What a client is given beside its world. Not owned; each may be null.
struct ClientParts {
  Observers observers{};
  WorkloadMeter* meter = nullptr;
  const LedgerBugs* bugs = nullptr;
};

namespace internal {

template <message::Connector Connector>
class ClientRunner {
 public:
  ClientRunner(const ClientConfig& config, const WorkloadConfig& workload, const Runtime& runtime,
               Connector connector, const ClientParts& parts)
      : workload_(workload),
        runtime_(runtime),
        connector_(std::move(connector)),
        meter_(parts.meter),
        client_(config, runtime, parts.observers, parts.bugs),
        workers_(runtime.executor),
        connection_(runtime.executor) {}

  Task<ClientReport> Run() {
    started_ = clock()->Now();
    connection_.Spawn(KeepConnected());
    at_work_ = std::min<uint64_t>(workload_.pipeline, workload_.entries);
    for (uint64_t i = 0; i < at_work_; ++i) workers_.Spawn(WorkAndTell());
    if (at_work_ > 0) (void)co_await all_done_.Wait();
    co_return co_await Shielded(Drain());
  }

 private:
  Clock* clock() const { return runtime_.clock; }
  const ClientConfig& config() const { return client_.config(); }

  Task<absl::Status> Sleep(Duration duration) { co_return co_await clock()->SleepFor(duration); }
  Task<absl::Status> SleepUntil(MonotonicTime when) {
    co_return co_await clock()->SleepUntil(when);
  }

  // --- The workload ---

  Task<void> WorkAndTell() {
    co_await Work();
    if (--at_work_ == 0) all_done_.Set();
  }

  Task<void> Work() {
    while (taken_ < workload_.entries && !issuing_.stop_requested()) {
      const uint64_t index = taken_++;
      const MonotonicTime due = NextDue(index);
      if (due > clock()->Now()) {
        absl::Status waited = co_await WithStop(&issuing_, SleepUntil(due));
        if (!waited.ok()) co_return;
      }
      const size_t size = workload_.payload_min +
                          runtime_.random->Below(workload_.payload_max - workload_.payload_min + 1);
      absl::StatusOr<uint64_t> op =
          co_await client_.Append(MakePayload(runtime_.buffers, client_.id(), index, size));
      if (meter_ != nullptr) meter_->OnDone(clock()->Now() - due, op.status());
      if (op.ok()) continue;
      if (!absl::IsCancelled(op.status()) && status_.ok()) status_ = op.status();
      co_return;
    }
  }

  MonotonicTime NextDue(uint64_t index) {
    if (workload_.period > Duration::zero()) {
      return started_ + workload_.period * static_cast<int64_t>(index);
    }
    return clock()->Now() + runtime_.random->Between(workload_.think_min, workload_.think_max);
  }

  // What fell due at least a period before `end` and was left out.
  uint64_t NotIssued(MonotonicTime end) const {
    const Duration late = end - started_ - workload_.period;
    if (workload_.period <= Duration::zero() || late <= Duration::zero()) return 0;
    const auto due = static_cast<uint64_t>((late - Duration(1)) / workload_.period) + 1;
    return std::max(std::min(due, workload_.entries), client_.issued()) - client_.issued();
  }

  // --- The connection ---

  // What came of an attempt to connect.
  struct Attempt {
    absl::Status status{};  // why there was no connection, if there was none
    Duration lasted{};      // the connection, if there was one
  };

  Task<void> KeepConnected() {
    Backoff backoff(config().reconnect);
    for (uint64_t attempt = 1; !ending_.stop_requested(); ++attempt) {
      const auto [status, lasted] = co_await ConnectOnce(attempt);
      if (absl::IsAlreadyExists(status) || absl::IsPermissionDenied(status)) {
        client_.GiveUp(status);
        co_return;
      }
      if (!client_.gave_up().ok()) co_return;
      if (!status.ok()) ++server_;
      if (lasted > config().reconnect.max) backoff.Reset();
      (void)co_await WithStop(&ending_, Sleep(backoff.Next(runtime_.random)));
    }
  }

  // Returns when the connection is lost.
  Task<Attempt> ConnectOnce(uint64_t attempt) {
    const Endpoint& address = config().servers[server_ % config().servers.size()];
    auto dialed = co_await WithStop(
        &ending_, Dial(&connector_, address, client_.MakePing(attempt), clock(), config().dial));
    if (ending_.stop_requested()) co_return Attempt();
    if (!dialed.ok()) {
      TellOfFailure(address, dialed.status());
      co_return Attempt{.status = dialed.status()};
    }
    const MonotonicTime began = clock()->Now();
    const ReplicaId server = dialed->answer.header().replica;
    Pipe pipe(client_.self(), {Party::Replica(server), 0, attempt},
              client_.IdOf(attempt, dialed->answer), config().pipe, connection_.stop_token(),
              clock(), client_.connection_observer(), client_.bugs());
    client_.OnConnected(&pipe);
    pipe_ = &pipe;
    co_await RunWatched(&pipe, std::move(dialed->reader), std::move(dialed->writer));
    pipe_ = nullptr;
    client_.OnLost(&pipe);
    co_return Attempt{.lasted = clock()->Now() - began};
  }

  // Unless it was only told where the primary is.
  void TellOfFailure(const Endpoint& address, const absl::Status& status) {
    ConnectionObserver* observer = client_.connection_observer();
    if (observer == nullptr || absl::IsFailedPrecondition(status)) return;
    observer->OnDialFailed(client_.self(), address, status);
  }

  template <typename Reader, typename Writer>
  Task<void> RunWatched(Pipe* pipe, Reader reader, Writer writer) {
    Scope watchers(co_await ThisTask());
    watchers.Spawn(WatchLoop());
    watchers.Spawn(FeedLoop(pipe));
    co_await RunPipe(pipe, std::move(reader), std::move(writer), client_.handler());
    watchers.RequestStop();
    co_await watchers.Join();
  }

  Task<void> WatchLoop() {
    const Duration shortest =
        std::min({config().silence, config().request_timeout, config().keepalive});
    while (true) {
      absl::Status slept = co_await clock()->SleepFor(shortest / 4);
      if (!slept.ok()) co_return;
      client_.Watch();
    }
  }

  Task<void> FeedLoop(Pipe* pipe) {
    while (true) {
      absl::Status room = co_await pipe->outbox()->WaitForRoom();
      if (!room.ok() || pipe->ending()) co_return;
      client_.Feed();
    }
  }

  // --- The end ---

  Task<ClientReport> Drain() {
    const MonotonicTime asked_to_end = clock()->Now();
    issuing_.RequestStop();
    (void)co_await Deadline(clock(), asked_to_end + config().drain_grace, AllDone());
    workers_.RequestStop();
    co_await workers_.Join();
    ending_.RequestStop();
    if (pipe_ != nullptr) pipe_->Finish();
    co_await connection_.Join();
    co_return ClientReport{.id = client_.id(),
                           .issued = client_.issued(),
                           .not_issued = NotIssued(asked_to_end),
                           .acknowledged = client_.completed(),
                           .connections = client_.connections(),
                           .status = status_};
  }

  Task<absl::Status> AllDone() {
    if (at_work_ == 0) co_return absl::OkStatus();
    co_return co_await all_done_.Wait();
  }

  const WorkloadConfig workload_;
  const Runtime runtime_;
  Connector connector_;
  WorkloadMeter* const meter_;
  Client client_;
  MonotonicTime started_;
  uint64_t taken_ = 0;  // entries that a worker has begun
  absl::Status status_;
  size_t server_ = 0;
  Pipe* pipe_ = nullptr;  // null: not connected
  uint64_t at_work_ = 0;  // workers
  Event all_done_;        // no worker is left
  StopSource issuing_;    // of new entries
  StopSource ending_;     // of new connections
  // Last: tasks die before what they use.
  Scope workers_;
  Scope connection_;
};

}  // namespace internal

// `runtime`'s parts, and what `parts` points to, outlive the task. Errors: InvalidArgument, the
// workload makes no sense.
template <message::Connector Connector>
Task<absl::StatusOr<ClientReport>> RunClient(ClientConfig config, WorkloadConfig workload,
                                             Runtime runtime, Connector connector,
                                             ClientParts parts) {
  if (absl::Status valid = Validate(workload); !valid.ok()) co_return valid;
  if (config.servers.empty()) co_return absl::InvalidArgumentError("a client without servers");
  internal::ClientRunner<Connector> runner(config, workload, runtime, std::move(connector), parts);
  co_return co_await runner.Run();
}

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_RUN_CLIENT_H_
