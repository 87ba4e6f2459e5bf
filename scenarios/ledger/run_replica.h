// RunReplica: a replica at work, from its listeners to its drained end.
//
//   Log log;
//   absl::StatusOr<tcp::Listener> replicas = tcp::Listener::Listen(...);
//   std::vector<tcp::Listener> clients = ...;          // at least one
//   ReplicaReport report = co_await RunReplica(
//       config, runtime, {.log = &log}, *std::move(replicas),
//       tcp::Connector(runtime.network, runtime.buffers, {}), std::move(clients));
//
// It runs until its task is asked to stop, and then drains in stages, each of them bounded:
//   1. no new connections, no new requests; what was appended gets committed, `drain_grace`; a
//      backup serves the primary, which may be ending too, until that has gone
//   2. the clients' connections: queued replies are written, then half-closed, `close_grace`
//   3. the other replicas' connections, likewise
//   4. the background
// A connection that does not end in time is aborted; it cannot hold up the others.
//
// The same code serves real sockets and simulated ones. If its frame is destroyed (a crash) nothing
// is sent and nobody is told.
#ifndef FAULTLINE_SCENARIOS_LEDGER_RUN_REPLICA_H_
#define FAULTLINE_SCENARIOS_LEDGER_RUN_REPLICA_H_

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"
#include "scenarios/ledger/backoff.h"
#include "scenarios/ledger/config.h"
#include "scenarios/ledger/dial.h"
#include "scenarios/ledger/pipe.h"
#include "scenarios/ledger/replica.h"
#include "transports/message/concepts.h"

namespace faultline::ledger {

// How a replica ended.
struct ReplicaReport {
  uint64_t last_op = 0;
  uint64_t committed = 0;
  Digest chain{};  // of its log
  ReplicaCounters counters{};
};

namespace internal {

template <message::Listener ReplicaListener, message::Connector Connector,
          message::Listener ClientListener>
class ReplicaRunner {
 public:
  using Plane = Replica::Plane;

  ReplicaRunner(const ReplicaConfig& config, const Runtime& runtime, const ReplicaParts& parts,
                ReplicaListener replicas, Connector connector, std::vector<ClientListener> clients)
      : runtime_(runtime),
        parts_(parts),
        replica_listener_(std::move(replicas)),
        connector_(std::move(connector)),
        client_listeners_(std::move(clients)),
        replica_(config, runtime, parts),
        clients_(runtime.executor),
        replicas_(runtime.executor),
        background_(runtime.executor) {}

  Task<ReplicaReport> Run() {
    background_.Spawn(TickLoop());
    if (replica_.primary() != nullptr) background_.Spawn(ReplicateLoop());
    replicas_.Spawn(AcceptLoop(&replica_listener_, Plane::kReplicas));
    for (ReplicaId peer = 0; peer < config().replica_count(); ++peer) {
      if (replica_.dials(peer)) replicas_.Spawn(DialLoop(peer));
    }
    for (ClientListener& listener : client_listeners_) {
      clients_.Spawn(AcceptLoop(&listener, Plane::kClients));
    }
    Event never;
    (void)co_await never.Wait();
    co_return co_await Shielded(Drain());
  }

 private:
  const ReplicaConfig& config() const { return replica_.config(); }
  Clock* clock() const { return runtime_.clock; }
  Scope* scope(Plane plane) { return plane == Plane::kReplicas ? &replicas_ : &clients_; }
  size_t& handshakes(Plane plane) { return handshakes_[static_cast<size_t>(plane)]; }

  Task<absl::Status> Sleep(Duration duration) { co_return co_await clock()->SleepFor(duration); }

  // --- Connections that come in ---

  bool AtLimit(Plane plane) {
    const PlaneLimits& limits = replica_.limits(plane);
    return handshakes(plane) >= limits.max_handshakes ||
           handshakes(plane) + replica_.registry(plane).live().size() >= limits.max_connections;
  }

  template <typename Listener>
  Task<void> AcceptLoop(Listener* listener, Plane plane) {
    while (!opening_.stop_requested()) {
      auto accepted = co_await WithStop(&opening_, listener->Accept());
      if (opening_.stop_requested()) co_return;
      if (!accepted.ok()) {
        (void)co_await WithStop(&opening_, Sleep(config().accept_pause));
      } else if (AtLimit(plane)) {
        ++replica_.counters().refused;
        accepted->Abort();
      } else {
        ++handshakes(plane);
        scope(plane)->Spawn(Serve(*std::move(accepted), plane));
      }
    }
  }

  // One connection, from its first frame on.
  template <typename Connection>
  Task<void> Serve(Connection connection, Plane plane) {
    auto halves = std::move(connection).Split();
    std::optional<Replica::Admission> admission =
        co_await ShakeHands(&halves.first, &halves.second, plane);
    --handshakes(plane);
    if (!admission.has_value()) co_return;
    Pipe pipe(replica_.self(), admission->peer, admission->id, replica_.limits(plane).pipe,
              scope(plane)->stop_token(), clock(), parts_.observers.connections, parts_.bugs,
              replica_.budget(plane));
    pipe.SendHandshake(std::move(admission->answer));
    co_await RunAdmitted(&pipe, plane, admission->greeting, std::move(halves.first),
                         std::move(halves.second));
  }

  // Nothing, unless the peer was admitted; then it has to be added at once.
  template <typename Reader, typename Writer>
  Task<std::optional<Replica::Admission>> ShakeHands(Reader* reader, Writer* writer, Plane plane) {
    const PlaneLimits& limits = replica_.limits(plane);
    absl::StatusOr<message::Message> ping =
        co_await WithStop(&opening_, Deadline(clock(), clock()->Now() + limits.handshake_grace,
                                              reader->ReadMessage(message::kHeaderSize)));
    if (!ping.ok()) co_return std::nullopt;
    Replica::Admission admission = replica_.Admit(plane, *ping);
    if (admission.admitted) co_return admission;
    ++replica_.counters().rejected;
    (void)co_await WithStop(&opening_,
                            Deadline(clock(), clock()->Now() + limits.pipe.close_grace,
                                     SayNo(reader, writer, std::move(admission.answer))));
    co_return std::nullopt;
  }

  // Says why not, and waits until the peer has read it.
  template <typename Reader, typename Writer>
  Task<absl::Status> SayNo(Reader* reader, Writer* writer, Frozen answer) {
    FrozenBatch batch;
    batch.Add(std::move(answer));
    absl::Status sent = co_await writer->SendBatch(&batch);
    if (sent.ok()) sent = writer->FinishWrites();
    while (sent.ok()) {
      absl::StatusOr<message::Message> rest = co_await reader->ReadMessage(message::kHeaderSize);
      sent = rest.status();
    }
    co_return sent;
  }

  template <typename Reader, typename Writer>
  Task<void> RunAdmitted(Pipe* pipe, Plane plane, Greeting greeting, Reader reader, Writer writer) {
    replica_.Add(plane, pipe, greeting);
    co_await RunPipe(pipe, std::move(reader), std::move(writer), replica_.handler(plane));
    replica_.Release(plane, pipe);
  }

  // --- Connections that go out ---

  // Keeps one connection to `peer`: at any time it is connected, being dialled, or waited for.
  Task<void> DialLoop(ReplicaId peer) {
    Backoff backoff(config().reconnect);
    for (uint64_t attempt = 1; !opening_.stop_requested(); ++attempt) {
      const Duration lasted = co_await DialOnce(peer, attempt);
      if (lasted > config().reconnect.max) backoff.Reset();
      (void)co_await WithStop(&opening_, Sleep(backoff.Next(runtime_.random)));
    }
  }

  // How long the connection lasted; zero if there was none.
  Task<Duration> DialOnce(ReplicaId peer, uint64_t attempt) {
    auto dialed = co_await WithStop(
        &opening_, Dial(&connector_, config().peers[peer], replica_.MakePing(attempt), clock(),
                        DialTimes{config().connect_timeout, config().replicas.handshake_grace}));
    if (opening_.stop_requested()) co_return Duration::zero();
    absl::StatusOr<Replica::Admission> admission =
        dialed.ok() ? replica_.Accept(peer, attempt, dialed->answer) : dialed.status();
    if (!admission.ok()) {
      ConnectionObserver* observer = parts_.observers.connections;
      if (observer != nullptr) {
        observer->OnDialFailed(replica_.self(), config().peers[peer], admission.status());
      }
      co_return Duration::zero();
    }
    const MonotonicTime began = clock()->Now();
    Pipe pipe(replica_.self(), admission->peer, admission->id, config().replicas.pipe,
              replicas_.stop_token(), clock(), parts_.observers.connections, parts_.bugs,
              replica_.budget(Plane::kReplicas));
    co_await RunAdmitted(&pipe, Plane::kReplicas, admission->greeting, std::move(dialed->reader),
                         std::move(dialed->writer));
    co_return clock()->Now() - began;
  }

  // --- Background ---

  Task<void> TickLoop() {
    while (true) {
      absl::Status slept = co_await clock()->SleepFor(config().heartbeat);
      if (!slept.ok()) co_return;
      replica_.Tick();
    }
  }

  // Sends what has become known since it ran last, in one go for all who made it so.
  Task<void> ReplicateLoop() {
    Primary* primary = replica_.primary();
    while (true) {
      absl::Status work = co_await primary->work()->Wait();
      if (!work.ok()) co_return;
      primary->Replicate();
      if (!primary->stalled_by().has_value()) continue;
      Pipe* slow = replica_.PipeTo(*primary->stalled_by());
      if (slow != nullptr) (void)co_await slow->outbox()->WaitForRoom();
      primary->work()->Set();
    }
  }

  // --- The end ---

  Task<ReplicaReport> Drain() {
    replica_.BeginDrain();
    opening_.RequestStop();
    const MonotonicTime deadline = clock()->Now() + config().drain_grace;
    if (!replica_.is_primary()) FinishAll(Plane::kClients);
    while (!replica_.drained() && clock()->Now() < deadline) {
      (void)co_await clock()->SleepFor(kDrainPoll);
    }
    FinishAll(Plane::kClients);
    co_await clients_.Join();
    FinishAll(Plane::kReplicas);
    co_await replicas_.Join();
    background_.RequestStop();
    co_await background_.Join();
    for (ClientListener& listener : client_listeners_) (void)listener.Close();
    (void)replica_listener_.Close();
    co_return Report();
  }

  void FinishAll(Plane plane) {
    for (const auto& [serial, pipe] : replica_.registry(plane).live()) pipe->Finish();
  }

  ReplicaReport Report() {
    return {.last_op = replica_.log().last_op(),
            .committed = replica_.committed(),
            .chain = replica_.log().chain(),
            .counters = replica_.counters()};
  }

  static constexpr Duration kDrainPoll = 10ms;

  const Runtime runtime_;
  const ReplicaParts parts_;
  ReplicaListener replica_listener_;
  Connector connector_;
  std::vector<ClientListener> client_listeners_;
  Replica replica_;
  StopSource opening_;  // of whatever is not a connection yet
  std::array<size_t, 2> handshakes_{};
  // Last: tasks die before what they use.
  Scope clients_;
  Scope replicas_;
  Scope background_;
};

}  // namespace internal

// `runtime`'s parts, and what `parts` points to, outlive the task. Errors: InvalidArgument, from
// `Validate`.
template <message::Listener ReplicaListener, message::Connector Connector,
          message::Listener ClientListener>
Task<absl::StatusOr<ReplicaReport>> RunReplica(ReplicaConfig config, Runtime runtime,
                                               ReplicaParts parts, ReplicaListener replicas,
                                               Connector connector,
                                               std::vector<ClientListener> clients) {
  if (absl::Status valid = Validate(config); !valid.ok()) co_return valid;
  internal::ReplicaRunner<ReplicaListener, Connector, ClientListener> runner(
      config, runtime, parts, std::move(replicas), std::move(connector), std::move(clients));
  co_return co_await runner.Run();
}

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_RUN_REPLICA_H_
