// SimCluster: a ledger in a simulated world, under every checker. For the ledger's own tests.
//
//   SimCluster cluster({.seed = 7, .workload = {.entries = 200}});
//   cluster.world()->At(MonotonicTime(2s), [&] { cluster.replica(1)->Crash(); });
//   absl::Status status = cluster.Run(5s);        // faults are over after 5 s
//
// `Run` ends with the first broken invariant, or when all clients are done and, some time after the
// last fault, everything has settled.
#ifndef FAULTLINE_SCENARIOS_LEDGER_TESTING_SIM_CLUSTER_H_
#define FAULTLINE_SCENARIOS_LEDGER_TESTING_SIM_CLUSTER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "runtime/stop.h"
#include "scenarios/ledger/checkers/checkers.h"
#include "scenarios/ledger/tcp.h"
#include "sim/fault_plan.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::ledger {

struct SimClusterConfig {
  uint64_t seed = 1;
  uint8_t replicas = 3;
  ReplicaConfig replica{};  // a template: numbers and addresses are filled in
  ClientConfig client{};    // likewise
  WorkloadConfig workload{};
  LivenessBounds liveness{};
  Duration settle = 30s;  // from the end of the faults to the check that all is well
  bool check_settled = true;
  sim::SocketFaults sockets{};
  sim::Latency latency = sim::Latency::Uniform(100us, 2ms);
};

class SimCluster {
 public:
  explicit SimCluster(const SimClusterConfig& config);
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;

  sim::World* world() { return &world_; }
  sim::Host* replica(ReplicaId id) { return replicas_[id]; }
  sim::Host* client(uint32_t index) { return clients_[index]; }
  // A host that the cluster does not know.
  sim::Host* AddStranger() { return world_.AddHost({.name = "stranger"}); }
  Endpoint ReplicaAddress(ReplicaId id) const;
  Endpoint ClientAddress(ReplicaId id) const;
  // The faults of a swarm, drawn from the seed; returns when they are over.
  Duration InstallSwarm();

  LedgerBugs* bugs() { return &bugs_; }
  LedgerCheckers* checkers() { return &checkers_; }
  Findings* findings() { return &findings_; }

  // To the end. The last fault is over at `faults_end`, counted from the beginning; `health` is
  // what can be promised until then.
  absl::Status Run(Duration faults_end = Duration::zero(), Health health = Health::kNone);

  // What SIGTERM does. Once a replica or client.
  void StopReplica(ReplicaId id) { replica_stops_[id]->RequestStop(); }
  void StopClient(uint32_t index) { client_stops_[index]->RequestStop(); }

  // Of those who have come to their end.
  const std::optional<ReplicaReport>& replica_report(ReplicaId id) { return replica_reports_[id]; }
  const std::optional<ClientReport>& client_report(uint32_t index) {
    return client_reports_[index];
  }
  // Of the log that this replica has now; 0 if it is not running.
  uint64_t last_op(ReplicaId id) const { return logs_[id] == nullptr ? 0 : logs_[id]->last_op(); }

 private:
  Task<void> ReplicaMain(Runtime runtime, ReplicaId id);
  Task<void> ClientMain(Runtime runtime, uint32_t index);
  void CheckEverySoOften(MonotonicTime faults_end);
  bool AllDone() const;

  const SimClusterConfig config_;
  LedgerBugs bugs_;
  Findings findings_;
  LedgerCheckers checkers_;
  std::vector<std::unique_ptr<StopSource>> replica_stops_;
  std::vector<std::unique_ptr<StopSource>> client_stops_;
  std::vector<std::optional<ReplicaReport>> replica_reports_;
  std::vector<std::optional<ClientReport>> client_reports_;
  std::vector<const Log*> logs_;
  sim::World world_;  // dies before whatever its processes use
  std::vector<sim::Host*> replicas_;
  std::vector<sim::Host*> clients_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_TESTING_SIM_CLUSTER_H_
