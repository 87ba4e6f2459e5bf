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
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "scenarios/ledger/checkers/checkers.h"
#include "scenarios/ledger/tcp.h"
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
  LedgerBugs* bugs() { return &bugs_; }
  LedgerCheckers* checkers() { return &checkers_; }
  Findings* findings() { return &findings_; }

  // Says when the last fault is over, counted from the beginning, and runs to the end.
  absl::Status Run(Duration faults_end = Duration::zero());

  const std::vector<std::optional<ClientReport>>& reports() const { return reports_; }

 private:
  Task<void> ReplicaMain(Runtime runtime, ReplicaId id);
  Task<void> ClientMain(Runtime runtime, uint32_t index);
  void CheckEverySoOften(MonotonicTime faults_end);
  bool AllDone() const;

  const SimClusterConfig config_;
  LedgerBugs bugs_;
  Findings findings_;
  LedgerCheckers checkers_;
  sim::World world_;  // dies before its observers
  std::vector<sim::Host*> replicas_;
  std::vector<sim::Host*> clients_;
  std::vector<std::optional<ClientReport>> reports_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_TESTING_SIM_CLUSTER_H_
