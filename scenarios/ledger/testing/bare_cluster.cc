#include "scenarios/ledger/testing/bare_cluster.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace faultline::ledger {
namespace {

constexpr uint16_t kReplicaPort = 7000;
constexpr uint16_t kClientPort = 8000;

}  // namespace

BareCluster::BareCluster(uint8_t replicas, uint64_t seed)
    : replicas_(replicas), world_({.seed = seed, .scheduling = sim::Scheduling::kRandom}) {
  for (size_t i = 0; i < replicas_.size(); ++i) {
    replicas_[i].host = world_.AddHost({.name = absl::StrCat("replica-", i)});
  }
}

Endpoint BareCluster::ReplicaAddress(ReplicaId id) const {
  return replicas_[id].host->Address(sim::Plane::kReplica, kReplicaPort);
}

Endpoint BareCluster::ClientAddress(ReplicaId id) const {
  return replicas_[id].host->Address(sim::Plane::kClient, kClientPort);
}

sim::Host* BareCluster::Play(const std::string& name, sim::ProcessMain main) {
  sim::Host* host = world_.AddHost({.name = name});
  world_.At(MonotonicTime(), [host, main = std::move(main)] { host->Boot(main); });
  return host;
}

void BareCluster::PlayReplica(ReplicaId id, sim::ProcessMain main) {
  replicas_[id].main = std::move(main);
}

Task<void> BareCluster::ReplicaMain(Runtime runtime, ReplicaId id) {
  ReplicaConfig config = config_;
  config.replica = id;
  for (ReplicaId peer = 0; peer < replicas_.size(); ++peer) {
    config.peers.push_back(ReplicaAddress(peer));
  }
  replicas_[id].logs.push_back(std::make_unique<Log>(log_limits_));
  const ReplicaParts parts{.log = replicas_[id].logs.back().get(),
                           .observers = {.replicas = this, .connections = this}};
  absl::StatusOr<ReplicaReport> report = co_await WithStop(
      &replicas_[id].stop,
      RunTcpReplica(std::move(config), {ReplicaAddress(id), ClientAddress(id)}, runtime, parts));
  EXPECT_TRUE(report.ok()) << report.status();
  replicas_[id].ended_at = world_.now();
  if (report.ok()) replicas_[id].report = *std::move(report);
}

void BareCluster::Run(Duration until) {
  for (ReplicaId id = 0; id < replicas_.size(); ++id) {
    sim::ProcessMain main = replicas_[id].main;
    if (!main) main = [this, id](const Runtime& runtime) { return ReplicaMain(runtime, id); };
    replicas_[id].host->Boot(std::move(main));
  }
  world_.At(MonotonicTime(until), [this] { world_.Stop(); });
  const sim::Verdict verdict = world_.Run({.until = until + 1h});
  EXPECT_TRUE(verdict.passed()) << verdict.ToString();
}

}  // namespace faultline::ledger
