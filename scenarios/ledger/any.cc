#include "scenarios/ledger/any.h"

#include <utility>

#include "transports/tcp/tcp.h"

namespace faultline::ledger {
namespace {

// A process that starts while its machine is out of descriptors or memory waits for some.
Task<absl::StatusOr<any::Listener>> ListenPatiently(const any::Environment* environment,
                                                    any::Url url, any::Options options,
                                                    BackoffLimits limits) {
  const Runtime& runtime = environment->runtime;
  Backoff backoff(limits);
  while (true) {
    absl::StatusOr<any::Listener> listener = any::Listen(*environment, url, options);
    if (!absl::IsResourceExhausted(listener.status())) co_return listener;
    absl::Status slept = co_await runtime.clock->SleepFor(backoff.Next(runtime.random));
    if (!slept.ok()) co_return slept;
  }
}

Task<absl::StatusOr<ReplicaReport>> ListenAndRun(const any::Environment* environment,
                                                 ReplicaConfig config, Endpoint replicas,
                                                 any::Url clients, ReplicaParts parts,
                                                 any::Options options) {
  const any::Url peers{.scheme = any::Scheme::kTcp, .address = std::move(replicas), .path = ""};
  absl::StatusOr<any::Listener> for_replicas =
      co_await ListenPatiently(environment, peers, options, config.reconnect);
  if (!for_replicas.ok()) co_return for_replicas.status();
  absl::StatusOr<any::Listener> for_clients =
      co_await ListenPatiently(environment, clients, options, config.reconnect);
  if (!for_clients.ok()) co_return for_clients.status();
  std::vector<any::Listener> listeners;
  listeners.push_back(*std::move(for_clients));
  co_return co_await RunReplicaOn(environment, std::move(config), *std::move(for_replicas),
                                  std::move(listeners), parts, std::move(options));
}

}  // namespace

Task<void> EndTransports(Scope* background, any::Security* security) {
  background->RequestStop();
  co_await background->Join();
  if (security != nullptr) co_await Shielded(security->Drain());
}

Task<absl::StatusOr<ReplicaReport>> RunReplicaOn(const any::Environment* environment,
                                                 ReplicaConfig config, any::Listener replicas,
                                                 std::vector<any::Listener> clients,
                                                 ReplicaParts parts, any::Options options) {
  const Runtime& runtime = environment->runtime;
  tcp::Connector connector(
      runtime.network, runtime.buffers,
      {.socket = {}, .connection = {.reader = options.reader, .bugs = options.bugs}});
  return RunReplica(std::move(config), runtime, parts, std::move(replicas), std::move(connector),
                    std::move(clients));
}

Task<absl::StatusOr<ReplicaReport>> RunReplicaAt(ReplicaConfig config, Endpoint replicas,
                                                 any::Url clients, Runtime runtime,
                                                 ReplicaParts parts, any::Options options) {
  Scope background(runtime.executor);  // goes on while the service drains
  const any::Environment environment{runtime, &background};
  absl::StatusOr<ReplicaReport> report = co_await ListenAndRun(
      &environment, std::move(config), std::move(replicas), std::move(clients), parts, options);
  co_await EndTransports(&background, options.security);
  co_return report;
}

Task<absl::StatusOr<ClientReport>> RunClientTo(ClientConfig config, WorkloadConfig workload,
                                               any::Url to, Runtime runtime, ClientParts parts,
                                               any::Options options) {
  Scope background(runtime.executor);  // goes on while the service drains
  absl::StatusOr<any::Connector> connector =
      any::MakeConnector({runtime, &background}, to, options);
  absl::StatusOr<ClientReport> report = absl::UnknownError("it did not run");
  if (connector.ok()) {
    report = co_await RunClient(std::move(config), workload, runtime, *std::move(connector), parts);
  } else {
    report = connector.status();
  }
  co_await EndTransports(&background, options.security);
  co_return report;
}

}  // namespace faultline::ledger
