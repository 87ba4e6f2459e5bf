// BareCluster: replicas in a simulated world, and room for peers that a test makes up. Unlike
// SimCluster it has no checkers, which know the service's own clients only.
//
//   BareCluster cluster(3);
//   cluster.config()->clients.max_handshakes = 4;
//   cluster.Play("stranger", [&](const Runtime& runtime) { return Story(runtime, ...); });
//   cluster.Run(30s);
//   ... cluster.report(0)->counters, cluster.losses(), cluster.log(1) ...
#ifndef FAULTLINE_SCENARIOS_LEDGER_TESTING_BARE_CLUSTER_H_
#define FAULTLINE_SCENARIOS_LEDGER_TESTING_BARE_CLUSTER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/stop.h"
#include "scenarios/ledger/tcp.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::ledger {

class BareCluster final : private ReplicaObserver, private ConnectionObserver {
 public:
  // What a replica noticed about a connection.
  struct Notice {
    MonotonicTime at{};
    Party self{};
    Party peer{};
    absl::Status status{};
  };

  explicit BareCluster(uint8_t replicas, uint64_t seed = 1);
  ~BareCluster() override = default;
  BareCluster(const BareCluster&) = delete;
  BareCluster& operator=(const BareCluster&) = delete;

  sim::World* world() { return &world_; }
  sim::Host* replica(ReplicaId id) { return replicas_[id].host; }
  // A template: numbers and addresses are filled in.
  ReplicaConfig* config() { return &config_; }
  LogLimits* log_limits() { return &log_limits_; }
  Endpoint ReplicaAddress(ReplicaId id) const;
  Endpoint ClientAddress(ReplicaId id) const;

  // Before `Run`: a process on a host of its own; or in the place of a replica.
  sim::Host* Play(const std::string& name, sim::ProcessMain main);
  void PlayReplica(ReplicaId id, sim::ProcessMain main);

  // To that time, counted from the beginning.
  void Run(Duration until);
  // What SIGTERM does. Once a replica.
  void Stop(ReplicaId id) { replicas_[id].stop.RequestStop(); }

  // The log that this replica has now, or had last.
  const Log& log(ReplicaId id) const { return *replicas_[id].logs.back(); }
  // Of one that has come to its end.
  const std::optional<ReplicaReport>& report(ReplicaId id) const { return replicas_[id].report; }
  MonotonicTime ended_at(ReplicaId id) const { return replicas_[id].ended_at; }
  const std::vector<Notice>& connected() const { return connected_; }
  const std::vector<Notice>& losses() const { return losses_; }

 private:
  struct Place {
    sim::Host* host = nullptr;
    StopSource stop;
    std::vector<std::unique_ptr<Log>> logs;  // one a life
    sim::ProcessMain main;                   // in place of the replica, if any
    std::optional<ReplicaReport> report;
    MonotonicTime ended_at{};
  };

  void OnConnected(const Party& self, const Party& peer, const ConnectionId&) override {
    connected_.push_back({world_.now(), self, peer, absl::OkStatus()});
  }
  void OnLost(const Party& self, const Party& peer, const ConnectionId&,
              const absl::Status& status) override {
    losses_.push_back({world_.now(), self, peer, status});
  }
  Task<void> ReplicaMain(Runtime runtime, ReplicaId id);

  ReplicaConfig config_;
  LogLimits log_limits_;
  std::vector<Notice> connected_;
  std::vector<Notice> losses_;
  std::vector<Place> replicas_;
  sim::World world_;  // dies before whatever its processes use
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_TESTING_BARE_CLUSTER_H_
