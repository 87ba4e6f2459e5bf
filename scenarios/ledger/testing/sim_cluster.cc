#include "scenarios/ledger/testing/sim_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

constexpr uint16_t kReplicaPort = 7000;
constexpr uint16_t kClientPort = 8000;

sim::WorldConfig WorldOf(const SimClusterConfig& config) {
  sim::WorldConfig world{.seed = config.seed, .scheduling = sim::Scheduling::kRandom};
  world.links[0].latency = config.latency;
  world.links[1].latency = config.latency;
  return world;
}

}  // namespace

SimCluster::SimCluster(const SimClusterConfig& config)
    : config_(config),
      findings_([this](const absl::Status& first) { world_.Fail(first); }),
      checkers_(
          {.replica_count = config.replicas, .liveness = config.liveness},
          [this] { return world_.now(); }, &findings_),
      world_(WorldOf(config)) {
  for (uint32_t i = 0; i < config.replicas; ++i) {
    replicas_.push_back(
        world_.AddHost({.name = absl::StrCat("replica-", i), .sockets = config.sockets}));
  }
  for (uint32_t i = 0; i < config.workload.clients; ++i) {
    clients_.push_back(
        world_.AddHost({.name = absl::StrCat("client-", i), .sockets = config.sockets}));
  }
  reports_.resize(clients_.size());
}

Task<void> SimCluster::ReplicaMain(Runtime runtime, ReplicaId id) {
  ReplicaConfig config = config_.replica;
  config.replica = id;
  config.peers.clear();
  for (sim::Host* host : replicas_) {
    config.peers.push_back(host->Address(sim::Plane::kReplica, kReplicaPort));
  }
  const ReplicaAddresses listen{config.peers[id],
                                replicas_[id]->Address(sim::Plane::kClient, kClientPort)};
  Log log;
  const ReplicaParts parts{.log = &log, .observers = checkers_.observers(), .bugs = &bugs_};
  absl::StatusOr<ReplicaReport> report =
      co_await RunTcpReplica(std::move(config), listen, runtime, parts);
  if (!report.ok()) findings_.Add("runs", report.status().ToString());
}

Task<void> SimCluster::ClientMain(Runtime runtime, uint32_t index) {
  ClientConfig config = config_.client;
  config.id = ClientId{0, index + 1};
  config.servers = {replicas_[0]->Address(sim::Plane::kClient, kClientPort)};
  const ClientParts parts{.observers = checkers_.observers(), .bugs = &bugs_};
  absl::StatusOr<ClientReport> report =
      co_await RunTcpClient(std::move(config), config_.workload, runtime, parts);
  if (!report.ok()) {
    findings_.Add("runs", report.status().ToString());
  } else {
    reports_[index] = *std::move(report);
  }
}

bool SimCluster::AllDone() const {
  return std::all_of(reports_.begin(), reports_.end(),
                     [](const auto& report) { return report.has_value(); });
}

void SimCluster::CheckEverySoOften(MonotonicTime faults_end) {
  checkers_.CheckNow();
  if (world_.now() >= faults_end && checkers_.liveness() != nullptr) {
    checkers_.liveness()->SetHealth(Health::kAll);
  }
  if (world_.now() >= faults_end + config_.settle && AllDone()) {
    checkers_.CheckSettled();
    world_.Stop();
    return;
  }
  world_.After(500ms, [this, faults_end] { CheckEverySoOften(faults_end); });
}

absl::Status SimCluster::Run(Duration faults_end) {
  for (ReplicaId id = 0; id < replicas_.size(); ++id) {
    replicas_[id]->Boot([this, id](const Runtime& runtime) { return ReplicaMain(runtime, id); });
  }
  for (uint32_t i = 0; i < clients_.size(); ++i) {
    clients_[i]->Boot([this, i](const Runtime& runtime) { return ClientMain(runtime, i); });
  }
  if (faults_end > Duration::zero()) checkers_.liveness()->SetHealth(Health::kNone);
  CheckEverySoOften(MonotonicTime(faults_end));
  sim::Verdict verdict = world_.Run({.until = faults_end + 30min});
  return findings_.status().ok() ? verdict.status : findings_.status();
}

}  // namespace faultline::ledger
