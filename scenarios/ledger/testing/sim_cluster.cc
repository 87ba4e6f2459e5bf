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

// Forgets the log when its frame goes, however it goes.
struct Shown {
  Shown(const Log** place, const Log* log) : place(place) { *place = log; }
  Shown(const Shown&) = delete;
  Shown& operator=(const Shown&) = delete;
  ~Shown() { *place = nullptr; }
  const Log** const place;
};

}  // namespace

SimCluster::SimCluster(const SimClusterConfig& config)
    : config_(config),
      findings_([this](const absl::Status& first) { world_.Fail(first); }),
      checkers_(
          {.replica_count = config.replicas, .liveness = config.liveness},
          [this] { return world_.now(); }, &findings_),
      replica_reports_(config.replicas),
      client_reports_(config.workload.clients),
      logs_(config.replicas),
      world_(WorldOf(config)) {
  for (uint32_t i = 0; i < config.replicas; ++i) {
    replicas_.push_back(
        world_.AddHost({.name = absl::StrCat("replica-", i), .sockets = config.sockets}));
    replica_stops_.push_back(std::make_unique<StopSource>());
  }
  for (uint32_t i = 0; i < config.workload.clients; ++i) {
    clients_.push_back(
        world_.AddHost({.name = absl::StrCat("client-", i), .sockets = config.sockets}));
    client_stops_.push_back(std::make_unique<StopSource>());
  }
}

Endpoint SimCluster::ReplicaAddress(ReplicaId id) const {
  return replicas_[id]->Address(sim::Plane::kReplica, kReplicaPort);
}

Endpoint SimCluster::ClientAddress(ReplicaId id) const {
  return replicas_[id]->Address(sim::Plane::kClient, kClientPort);
}

Duration SimCluster::InstallSwarm() {
  sim::FaultPlanConfig config{.level = sim::FaultLevel::kSwarm};
  for (sim::Host* host : replicas_) {
    config.replicas.push_back(host->id());
    if (host != replicas_[0]) config.crashable.push_back(host->id());
  }
  for (sim::Host* host : clients_) config.clients.push_back(host->id());
  sim::FaultPlan plan = sim::DrawFaultPlan(world_.choices(), config);
  plan.Install(&world_);
  return plan.end();
}

Task<void> SimCluster::ReplicaMain(Runtime runtime, ReplicaId id) {
  ReplicaConfig config = config_.replica;
  config.replica = id;
  config.peers.clear();
  for (ReplicaId peer = 0; peer < config_.replicas; ++peer) {
    config.peers.push_back(ReplicaAddress(peer));
  }
  const ReplicaAddresses listen{ReplicaAddress(id), ClientAddress(id)};
  Log log;
  Shown shown(&logs_[id], &log);
  const ReplicaParts parts{.log = &log, .observers = checkers_.observers(), .bugs = &bugs_};
  absl::StatusOr<ReplicaReport> report = co_await WithStop(
      replica_stops_[id].get(), RunTcpReplica(std::move(config), listen, runtime, parts));
  if (!report.ok()) {
    findings_.Add("runs", report.status().ToString());
  } else {
    replica_reports_[id] = *std::move(report);
  }
}

Task<void> SimCluster::ClientMain(Runtime runtime, uint32_t index) {
  ClientConfig config = config_.client;
  config.id = ClientId{0, index + 1};
  if (config.servers.empty()) config.servers = {ClientAddress(0)};
  const ClientParts parts{.observers = checkers_.observers(), .bugs = &bugs_};
  absl::StatusOr<ClientReport> report =
      co_await WithStop(client_stops_[index].get(),
                        RunTcpClient(std::move(config), config_.workload, runtime, parts));
  if (!report.ok()) {
    findings_.Add("runs", report.status().ToString());
  } else {
    client_reports_[index] = *std::move(report);
  }
}

bool SimCluster::AllDone() const {
  return std::all_of(client_reports_.begin(), client_reports_.end(),
                     [](const auto& report) { return report.has_value(); });
}

void SimCluster::CheckEverySoOften(MonotonicTime faults_end) {
  checkers_.CheckNow();
  if (world_.now() >= faults_end) checkers_.liveness()->SetHealth(Health::kAll);
  if (world_.now() >= faults_end + config_.settle && AllDone()) {
    if (config_.check_settled) checkers_.CheckSettled();
    world_.Stop();
    return;
  }
  world_.After(500ms, [this, faults_end] { CheckEverySoOften(faults_end); });
}

absl::Status SimCluster::Run(Duration faults_end, Health health) {
  for (ReplicaId id = 0; id < replicas_.size(); ++id) {
    replicas_[id]->Boot([this, id](const Runtime& runtime) { return ReplicaMain(runtime, id); });
  }
  for (uint32_t i = 0; i < clients_.size(); ++i) {
    clients_[i]->Boot([this, i](const Runtime& runtime) { return ClientMain(runtime, i); });
  }
  if (faults_end > Duration::zero()) checkers_.liveness()->SetHealth(health);
  CheckEverySoOften(MonotonicTime(faults_end));
  sim::Verdict verdict = world_.Run({.until = faults_end + 30min});
  return findings_.status().ok() ? verdict.status : findings_.status();
}

}  // namespace faultline::ledger
