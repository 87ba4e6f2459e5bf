#include "scenarios/ledger/tcp.h"

#include <utility>
#include <vector>

namespace faultline::ledger {
namespace {

// A process that starts while its machine is out of descriptors or memory waits for some.
Task<absl::StatusOr<tcp::Listener>> ListenPatiently(Runtime runtime, Endpoint local,
                                                    tcp::ListenerOptions options,
                                                    BackoffLimits limits) {
  Backoff backoff(limits);
  while (true) {
    absl::StatusOr<tcp::Listener> listener =
        tcp::Listener::Listen(runtime.network, runtime.buffers, local, options);
    if (!absl::IsResourceExhausted(listener.status())) co_return listener;
    absl::Status slept = co_await runtime.clock->SleepFor(backoff.Next(runtime.random));
    if (!slept.ok()) co_return slept;
  }
}

}  // namespace

Task<absl::StatusOr<ReplicaReport>> RunTcpReplica(ReplicaConfig config, ReplicaAddresses listen,
                                                  Runtime runtime, ReplicaParts parts,
                                                  tcp::ConnectionOptions options) {
  const tcp::ListenerOptions listening{.socket = {}, .connection = options};
  absl::StatusOr<tcp::Listener> replicas =
      co_await ListenPatiently(runtime, listen.replicas, listening, config.reconnect);
  if (!replicas.ok()) co_return replicas.status();
  absl::StatusOr<tcp::Listener> clients =
      co_await ListenPatiently(runtime, listen.clients, listening, config.reconnect);
  if (!clients.ok()) co_return clients.status();
  co_return co_await RunTcpReplica(std::move(config), *std::move(replicas), *std::move(clients),
                                   runtime, parts, options);
}

Task<absl::StatusOr<ReplicaReport>> RunTcpReplica(ReplicaConfig config, tcp::Listener replicas,
                                                  tcp::Listener clients, Runtime runtime,
                                                  ReplicaParts parts,
                                                  tcp::ConnectionOptions options) {
  tcp::Connector connector(runtime.network, runtime.buffers, {.socket = {}, .connection = options});
  std::vector<tcp::Listener> client_listeners;
  client_listeners.push_back(std::move(clients));
  return RunReplica(std::move(config), runtime, parts, std::move(replicas), std::move(connector),
                    std::move(client_listeners));
}

Task<absl::StatusOr<ClientReport>> RunTcpClient(ClientConfig config, WorkloadConfig workload,
                                                Runtime runtime, ClientParts parts,
                                                tcp::ConnectionOptions options) {
  tcp::Connector connector(runtime.network, runtime.buffers, {.socket = {}, .connection = options});
  return RunClient(std::move(config), workload, runtime, std::move(connector), parts);
}

}  // namespace faultline::ledger
