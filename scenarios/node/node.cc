#include "scenarios/node/node.h"

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "scenarios/flags/values.h"
#include "scenarios/ledger/any.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/run_replica.h"

namespace faultline::node {
namespace {

// As users write it: without a scheme where there is the usual one.
std::string Where(const any::Url& url) {
  const bool usual = url.scheme == any::Scheme::kTcp || url.scheme == any::Scheme::kUnix;
  return usual ? url.address.ToString() : url.ToString();
}

absl::StatusOr<any::Listener> Listen(const any::Environment& environment, any::Url url,
                                     const any::Options& options, const char* for_whom,
                                     NodeLog* log) {
  absl::StatusOr<any::Listener> listener = any::Listen(environment, url, options);
  if (!listener.ok()) {
    return absl::Status(listener.status().code(),
                        absl::StrCat("cannot listen for ", for_whom, " on ", Where(url), ": ",
                                     listener.status().message()));
  }
  url.address = listener->local_address();
  log->Line(absl::StrCat("listening for ", for_whom, " on ", Where(url)));
  return listener;
}

absl::StatusOr<std::vector<any::Listener>> ListenForClients(const any::Environment& environment,
                                                            const std::vector<any::Url>& urls,
                                                            const any::Options& options,
                                                            NodeLog* log) {
  std::vector<any::Listener> listeners;
  for (const any::Url& url : urls) {
    absl::StatusOr<any::Listener> listener = Listen(environment, url, options, "clients", log);
    if (!listener.ok()) return listener.status();
    listeners.push_back(*std::move(listener));
  }
  return listeners;
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

Task<absl::Status> Serve(const NodeFlags* flags, const any::Environment* environment,
                         any::Options options, NodeLog* log) {
  const ledger::ReplicaConfig& config = flags->config;
  log->Line(absl::StrCat("starting, one of ", int{config.replica_count()}, " in cluster ",
                         config.cluster.low));
  const Endpoint& own = config.peers[config.replica];
  const any::Scheme scheme = own.is_ip() ? any::Scheme::kTcp : any::Scheme::kUnix;
  absl::StatusOr<any::Listener> replicas = Listen(
      *environment, {.scheme = scheme, .address = own, .path = ""}, options, "replicas", log);
  if (!replicas.ok()) co_return replicas.status();
  absl::StatusOr<std::vector<any::Listener>> clients =
      ListenForClients(*environment, flags->listen, options, log);
  if (!clients.ok()) co_return clients.status();
  ledger::Log entries(flags->log);
  auto ended = co_await Race(
      ledger::RunReplicaOn(environment, config, *std::move(replicas), *std::move(clients),
                           {.log = &entries, .observers = {.replicas = log, .connections = log}}),
      AnnounceStop(log, absl::StrCat("stopping: draining, for at most ",
                                     flags::FormatTimeSpan(DrainBound(config)))));
  const absl::StatusOr<ledger::ReplicaReport>& report = std::get<0>(ended.results);
  if (report.ok()) log->Line(Farewell(*report));
  co_return report.status();
}

}  // namespace

Task<absl::Status> RunNode(NodeFlags flags, any::Security* security, Runtime runtime,
                           NodeLog* log) {
  Scope background(runtime.executor);
  const any::Environment environment{runtime, &background};
  any::Options options;
  options.security = security;
  absl::Status ended = co_await Serve(&flags, &environment, options, log);
  co_await ledger::EndTransports(&background, options.security);
  co_return ended;
}

}  // namespace faultline::node
