// The ledger with its clients on any transport; replicas speak TCP with each other.
#ifndef FAULTLINE_SCENARIOS_LEDGER_ANY_H_
#define FAULTLINE_SCENARIOS_LEDGER_ANY_H_

#include <vector>

#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/ledger/run_client.h"
#include "scenarios/ledger/run_replica.h"
#include "transports/any/open.h"

namespace faultline::ledger {

// As `RunReplica`. `environment` outlives the task.
Task<absl::StatusOr<ReplicaReport>> RunReplicaOn(const any::Environment* environment,
                                                 ReplicaConfig config, any::Listener replicas,
                                                 std::vector<any::Listener> clients,
                                                 ReplicaParts parts, any::Options options = {});

// The same, and listens itself. A lack of descriptors is waited out. Errors besides: those of
// listening; Cancelled, if it is asked to stop before it listens. `options.bugs` is null in
// production.
Task<absl::StatusOr<ReplicaReport>> RunReplicaAt(ReplicaConfig config, Endpoint replicas,
                                                 any::Url clients, Runtime runtime,
                                                 ReplicaParts parts, any::Options options = {});

// What comes at the end of those who have opened transports, when the listeners and connections are
// gone: stops and joins `background`, and waits for connections that are being closed. Bounded.
// `security` may be null.
Task<void> EndTransports(Scope* background, any::Security* security);

// As `RunClient`. `to` says by which transport, and what to ask for; the addresses are those of
// `config`.
Task<absl::StatusOr<ClientReport>> RunClientTo(ClientConfig config, WorkloadConfig workload,
                                               any::Url to, Runtime runtime, ClientParts parts,
                                               any::Options options = {});

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_ANY_H_
