// The ledger over TCP: the same in both worlds, compiled once.
//
//   Log log;
//   auto report = co_await RunTcpReplica(config, {.replicas = ..., .clients = ...}, runtime,
//                                        {.log = &log});
#ifndef FAULTLINE_SCENARIOS_LEDGER_TCP_H_
#define FAULTLINE_SCENARIOS_LEDGER_TCP_H_

#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/ledger/run_client.h"
#include "scenarios/ledger/run_replica.h"
#include "transports/tcp/tcp.h"

namespace faultline::ledger {

// Where a replica listens.
struct ReplicaAddresses {
  Endpoint replicas;
  Endpoint clients;
};

// As `RunReplica`. A lack of descriptors is waited out. Errors besides: those of `Network::Listen`;
// Cancelled, if it is asked to stop before it listens. `options.bugs` is null in
// production.
Task<absl::StatusOr<ReplicaReport>> RunTcpReplica(ReplicaConfig config, ReplicaAddresses listen,
                                                  Runtime runtime, ReplicaParts parts,
                                                  tcp::ConnectionOptions options = {});

// The same with listeners that are there already.
Task<absl::StatusOr<ReplicaReport>> RunTcpReplica(ReplicaConfig config, tcp::Listener replicas,
                                                  tcp::Listener clients, Runtime runtime,
                                                  ReplicaParts parts,
                                                  tcp::ConnectionOptions options = {});

// As `RunClient`.
Task<absl::StatusOr<ClientReport>> RunTcpClient(ClientConfig config, WorkloadConfig workload,
                                                Runtime runtime, ClientParts parts,
                                                tcp::ConnectionOptions options = {});

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_TCP_H_
