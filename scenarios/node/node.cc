#include "scenarios/node/node.h"

#include <string>
#include <tuple>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "scenarios/flags/values.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/run_replica.h"
#include "scenarios/ledger/tcp.h"
#include "transports/tcp/tcp.h"

namespace faultline::node {
namespace {

absl::StatusOr<tcp::Listener> Listen(const Runtime& runtime, const Endpoint& local,
                                     const char* for_whom, NodeLog* log) {
  absl::StatusOr<tcp::Listener> listener =
      tcp::Listener::Listen(runtime.network, runtime.buffers, local, {});
  if (!listener.ok()) {
    return absl::Status(listener.status().code(),
                        absl::StrCat("cannot listen for ", for_whom, " on ", local.ToString(), ": ",
                                     listener.status().message()));
  }
  log->Line(absl::StrCat("listening for ", for_whom, " on ", listener->local_address().ToString()));
  return listener;
}

// Says so when the end is asked for.
Task<void> AnnounceStop(NodeLog* log, std::string announcement) {
  Event never;
  (void)co_await never.Wait();
  log->Line(announcement);
}

std::string Farewell(const ledger::ReplicaReport& report) {
  const ledger::ReplicaCounters& counters = report.counters;
  return absl::StrCat(
      "drained: ", report.last_op, " entries, ", report.committed, " of them committed, log ",
      ToString(report.chain), "; ", counters.ended_clean, " connections ended in good order, ",
      counters.ended_forced, " by force; in its life ", counters.admitted, " were admitted, ",
      counters.rejected, " rejected, ", counters.refused, " refused, ", counters.lost, " lost");
}

}  // namespace

Task<absl::Status> RunNode(NodeFlags flags, Runtime runtime, NodeLog* log) {
  const ledger::ReplicaConfig& config = flags.config;
  log->Line(absl::StrCat("starting, one of ", int{config.replica_count()}, " in cluster ",
                         config.cluster.low));
  absl::StatusOr<tcp::Listener> replicas =
      Listen(runtime, config.peers[config.replica], "replicas", log);
  if (!replicas.ok()) co_return replicas.status();
  absl::StatusOr<tcp::Listener> clients = Listen(runtime, flags.listen, "clients", log);
  if (!clients.ok()) co_return clients.status();
  ledger::Log entries(flags.log);
  auto ended = co_await Race(
      ledger::RunTcpReplica(config, *std::move(replicas), *std::move(clients), runtime,
                            {.log = &entries, .observers = {.replicas = log, .connections = log}}),
      AnnounceStop(log, absl::StrCat("stopping: draining, for at most ",
                                     flags::FormatTimeSpan(DrainBound(config)))));
  const absl::StatusOr<ledger::ReplicaReport>& report = std::get<0>(ended.results);
  if (report.ok()) log->Line(Farewell(*report));
  co_return report.status();
}

}  // namespace faultline::node
