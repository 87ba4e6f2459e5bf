// RunClient: one client at work, from its first connection to its drained end.
//
//   ClientReport report = co_await RunClient(
//       {.servers = {primary}}, {.entries = 1000}, runtime,
//       tcp::Connector(runtime.network, runtime.buffers, {}), {});
//
// It runs until its entries are in the ledger, or until its task is asked to stop; then it waits,
// at most `drain_grace`, for the replies that are still due, and ends its connection in good order.
#ifndef FAULTLINE_SCENARIOS_LEDGER_RUN_CLIENT_H_
#define FAULTLINE_SCENARIOS_LEDGER_RUN_CLIENT_H_

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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
        connection_(runtime.executor) {}

  Task<ClientReport> Run() {
    started_ = clock()->Now();
    connection_.Spawn(KeepConnected());
    Scope workers(co_await ThisTask());
    const uint64_t count = std::min<uint64_t>(workload_.pipeline, workload_.entries);
    for (uint64_t i = 0; i < count; ++i) workers.Spawn(Work());
    co_await workers.Join();
    co_return co_await Shielded(Drain());
  }

 private:
  Clock* clock() const { return runtime_.clock; }
  const ClientConfig& config() const { return client_.config(); }

  Task<absl::Status> Sleep(Duration duration) { co_return co_await clock()->SleepFor(duration); }

  // --- The workload ---

  Task<void> Work() {
    while (taken_ < workload_.entries) {
      const uint64_t index = taken_++;
      const MonotonicTime due = NextDue(index);
      if (due > clock()->Now()) {
        absl::Status waited = co_await clock()->SleepUntil(due);
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

  // --- The connection ---

  Task<void> KeepConnected() {
    Backoff backoff(config().reconnect);
    for (uint64_t attempt = 1; !ending_.stop_requested(); ++attempt) {
      const MonotonicTime started = clock()->Now();
      absl::Status status = co_await ConnectOnce(attempt);
      if (absl::IsAlreadyExists(status) || absl::IsPermissionDenied(status)) {
        client_.GiveUp(std::move(status));
        co_return;
      }
      if (!client_.gave_up().ok()) co_return;
      if (!status.ok()) ++server_;
      if (clock()->Now() - started > config().reconnect.max) backoff.Reset();
      (void)co_await WithStop(&ending_, Sleep(backoff.Next(runtime_.random)));
    }
  }

  // Returns when the connection is lost (OK), or why there was none.
  Task<absl::Status> ConnectOnce(uint64_t attempt) {
    auto dialed = co_await WithStop(
        &ending_, Dial(&connector_, config().servers[server_ % config().servers.size()],
                       client_.MakePing(attempt), clock(), config().dial));
    if (!dialed.ok()) co_return dialed.status();
    if (ending_.stop_requested()) co_return absl::OkStatus();
    const ReplicaId server = dialed->answer.header().replica;
    Pipe pipe(client_.self(), {Party::Replica(server), 0, attempt},
              client_.IdOf(attempt, dialed->answer), config().pipe, connection_.stop_token(),
              clock(), client_.connection_observer(), client_.bugs());
    client_.OnConnected(&pipe);
    pipe_ = &pipe;
    co_await RunWatched(&pipe, std::move(dialed->reader), std::move(dialed->writer));
    pipe_ = nullptr;
    client_.OnLost(&pipe);
    co_return absl::OkStatus();
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
    const MonotonicTime deadline = clock()->Now() + config().drain_grace;
    while (client_.unanswered() > 0 && connection_.live() > 0 && clock()->Now() < deadline) {
      (void)co_await clock()->SleepFor(kDrainPoll);
    }
    ending_.RequestStop();
    if (pipe_ != nullptr) pipe_->Finish();
    co_await connection_.Join();
    co_return ClientReport{.id = client_.id(),
                           .issued = client_.issued(),
                           .acknowledged = client_.completed(),
                           .connections = client_.connections(),
                           .status = status_};
  }

  static constexpr Duration kDrainPoll = 10ms;

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
  StopSource ending_;
  Scope connection_;  // last: tasks die before what they use
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
