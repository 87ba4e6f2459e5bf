#include "scenarios/catalogue/ledger_run.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "scenarios/catalogue/health.h"
#include "sim/distribution.h"

namespace faultline::catalogue {
namespace {

constexpr uint16_t kReplicaPort = 7000;
constexpr uint16_t kClientPort = 8000;
constexpr Duration kCheckEvery = 2s;  // between two readings of everything that the logs hold
constexpr Duration kListenAgain = 100ms;
// A run makes about so many scheduling decisions: among them PCT spreads its change points.
constexpr uint64_t kSchedulingSteps = 60'000;

sim::WorldConfig LedgerWorld() {
  sim::WorldConfig config;
  config.pct_steps = kSchedulingSteps;
  return config;
}

std::string Text(std::string_view text) { return std::string(text); }

bool IsWebSocket(any::Scheme scheme) {
  return scheme == any::Scheme::kWebSocket || scheme == any::Scheme::kSecureWebSocket;
}

}  // namespace

void AddLedgerChoices(uint32_t replicas, harness::ScenarioInfo* info) {
  info->transports = {"tcp", "tls", "ws", "wss", "quic"};
  for (const auto& bug : ledger::LedgerBugCatalog()) {
    if (replicas < bug.min_replicas) continue;
    info->bugs.push_back({Text(bug.name), Text(bug.what), Text(bug.origin)});
  }
  for (const auto& bug : message::TransportBugCatalog()) {
    if (bug.needs_bad_peer) continue;  // replicas and clients keep to the protocol
    info->bugs.push_back({Text(bug.name), Text(bug.what), Text(bug.origin)});
    if (!bug.over_websocket) info->bugs.back().transports = {"tcp", "tls", "quic"};
  }
}

LedgerRun::LedgerRun(const LedgerShape& shape, const harness::RunOptions& options,
                     const harness::RunHooks& hooks)
    : shape_(shape),
      key_log_(hooks.wire),
      transport_(*any::ParseScheme(options.transport)),
      findings_([this](const absl::Status& first) { world()->Fail(first); }),
      checkers_(
          {.replica_count = shape.replicas, .liveness = shape.liveness},
          [this] { return world()->now(); }, &findings_),
      meters_(shape.clients),
      done_(shape.clients),
      identities_(shape.replicas),
      stage_(options, hooks, LedgerWorld()) {
  for (const std::string& bug : options.bugs) {
    const bool known = ledger::EnableBug(bug, &ledger_bugs_).ok() ||
                       message::EnableBug(bug, &transport_bugs_).ok();
    FAULTLINE_CHECK(known) << "no planted bug is called " << bug;
  }
  for (uint32_t i = 0; i < shape.replicas; ++i) {
    world()->AddHost({.name = absl::StrCat("replica-", i)});
  }
  for (uint32_t i = 0; i < shape.clients; ++i) {
    world()->AddHost({.name = absl::StrCat("client-", i)});
  }
  workload_.period = shape.period;
  workload_.payload_max = shape.payload_max;
  replica_config_.replicas.pipe.queue_frames = shape.queue_frames;
  if (shape.varied) Vary();
  workload_.clients = shape.clients;
  workload_.entries = static_cast<uint64_t>(shape.working / workload_.period);
}

LedgerRun::~LedgerRun() = default;

// Small queues and chunks reach the corners; large ones the usual way.
void LedgerRun::Vary() {
  auto one_of = [this](std::initializer_list<uint64_t> values) {
    return values.begin()[stage_.chooser()->Below(sim::Choice::kApplication, values.size())];
  };
  replica_config_.replicas.pipe.queue_frames = one_of({8, 32, 256});
  replica_config_.replicas.pipe.max_batch = one_of({1, 8, 256});
  replica_config_.catch_up.max_entries = one_of({2, 16, 256});
  client_config_.pipe.max_batch = one_of({1, 8, 256});
  workload_.payload_max = one_of({0, 256, 4096});
  workload_.pipeline = static_cast<uint32_t>(one_of({1, 4, 16}));
  workload_.period = Duration(static_cast<int64_t>(one_of({25, 100, 400})) * 1'000'000);
  for (sim::Plane plane : {sim::Plane::kReplica, sim::Plane::kClient}) {
    sim::LinkConfig link = world()->link(plane);
    link.latency = DrawLatency();
    world()->SetLink(plane, link);
  }
}

sim::Latency LedgerRun::DrawLatency() {
  switch (stage_.chooser()->Below(sim::Choice::kApplication, 4)) {
    case 0:
      return sim::Latency::Constant(500us);
    case 1:
      return sim::Latency::Uniform(100us, 3ms);
    case 2:
      return sim::Latency::Exponential(200us, 2ms);
    default:
      return sim::Latency::Bimodal(200us, 1ms, {1, 50}, 10ms, 40ms);
  }
}

sim::FaultPlanConfig LedgerRun::FaultsBetween(Duration begin, Duration end) const {
  sim::FaultPlanConfig config;
  config.replica_datagrams = false;
  if (transport_ != any::Scheme::kQuic) {
    config.without.assign(std::begin(sim::kDatagramFaults), std::end(sim::kDatagramFaults));
  }
  config.begin = begin;
  config.end = end;
  for (uint32_t i = 0; i < shape_.replicas; ++i) config.replicas.push_back(i);
  for (uint32_t i = 1; i < shape_.replicas; ++i) config.crashable.push_back(i);
  for (uint32_t i = 0; i < shape_.clients; ++i) config.clients.push_back(client_host(i));
  return config;
}

harness::RunReport LedgerRun::Finish() {
  Boot();
  FollowHealth();
  CheckEverySoOften();
  CheckBound();
  const sim::Verdict verdict = stage_.Run({.until = 24h});
  stage_.Count("entries acknowledged", checkers_.log()->acknowledged());
  stage_.Count("entries in the primary's log", checkers_.log()->appended());
  stage_.Count("connections made", checkers_.connections().connected());
  return stage_.Report(verdict);
}

void LedgerRun::Boot() {
  for (uint8_t id = 0; id < shape_.replicas; ++id) {
    world()->host(id)->Boot(
        [this, id](const Runtime& runtime) { return ReplicaMain(runtime, id); });
  }
  for (uint32_t i = 0; i < shape_.clients; ++i) {
    world()->host(client_host(i))->Boot([this, i](const Runtime& runtime) {
      return ClientMain(runtime, i);
    });
  }
}

void LedgerRun::FollowHealth() {
  for (const HealthChange& change : HealthDuring(stage_.plan(), {.replicas = shape_.replicas})) {
    world()->At(change.at, [this, change] { checkers_.liveness()->SetHealth(change.health); });
  }
}

void LedgerRun::CheckEverySoOften() {
  checkers_.CheckNow();
  const MonotonicTime settled(stage_.faults_end() + shape_.settle);
  if (ClientsDone() && world()->now() >= settled) {
    checkers_.CheckSettled();
    world()->Stop();
    return;
  }
  world()->After(kCheckEvery, [this] { CheckEverySoOften(); });
}

void LedgerRun::CheckBound() {
  const Duration begin = std::max(stage_.faults_end(), shape_.working);
  world()->At(MonotonicTime(begin + shape_.bound), [this] {
    if (ClientsDone()) return;
    const auto left = std::count(done_.begin(), done_.end(), false);
    findings_.Add("completes", absl::StrCat(left, " clients are not done ", shape_.bound / 1s,
                                            " s after the last fault"));
  });
}

bool LedgerRun::ClientsDone() const {
  return std::all_of(done_.begin(), done_.end(), [](bool done) { return done; });
}

any::Url LedgerRun::ClientUrl(uint32_t host) {
  const Endpoint address = world()->host(host)->Address(sim::Plane::kClient, kClientPort);
  return {
      .scheme = transport_, .address = address, .path = IsWebSocket(transport_) ? "/ledger" : ""};
}

any::Options LedgerRun::TransportOptions(any::Security* security) const {
  any::Options options;
  options.security = security;
  options.bugs = &transport_bugs_;
  return options;
}

// A replica makes its certificate when it runs for the first time, and finds it again after a
// crash, as on a disk.
absl::StatusOr<std::unique_ptr<any::Security>> LedgerRun::SecurityOf(const Runtime& runtime,
                                                                     ledger::ReplicaId id) {
  std::optional<tls::Identity>& own = identities_[id];
  if (!own.has_value()) {
    const Endpoint address = world()->host(id)->Address(sim::Plane::kClient, kClientPort);
    absl::StatusOr<tls::Identity> made =
        tls::SelfSigned({runtime.entropy, runtime.clock}, {.names = {any::IpText(address)}});
    if (!made.ok()) return made.status();
    own = *std::move(made);
  }
  return any::Security::Create(runtime, {.identity = *own, .key_log = key_log_.OrNull()});
}

// Clients are given the primary's certificate once there is one.
Task<std::unique_ptr<any::Security>> LedgerRun::ClientSecurity(Runtime runtime) {
  while (any::UsesTls(transport_) && !identities_[0].has_value()) {
    if (!(co_await runtime.clock->SleepFor(1ms)).ok()) break;
  }
  any::SecurityOptions options;
  options.key_log = key_log_.OrNull();
  if (identities_[0].has_value()) options.roots_pem = identities_[0]->certificate_chain_pem;
  absl::StatusOr<std::unique_ptr<any::Security>> security =
      any::Security::Create(runtime, std::move(options));
  FAULTLINE_CHECK(security.ok()) << security.status();
  co_return *std::move(security);
}

// As an init system would: a replica that cannot listen is started again.
Task<void> LedgerRun::ReplicaMain(Runtime runtime, ledger::ReplicaId id) {
  ledger::ReplicaConfig config = replica_config_;
  config.replica = id;
  for (uint32_t i = 0; i < shape_.replicas; ++i) {
    config.peers.push_back(world()->host(i)->Address(sim::Plane::kReplica, kReplicaPort));
  }
  std::unique_ptr<any::Security> security;
  if (any::UsesTls(transport_)) {
    absl::StatusOr<std::unique_ptr<any::Security>> made = SecurityOf(runtime, id);
    FAULTLINE_CHECK(made.ok()) << made.status();
    security = *std::move(made);
  }
  while (true) {
    ledger::Log log;
    const ledger::ReplicaParts parts{
        .log = &log, .observers = checkers_.observers(), .bugs = &ledger_bugs_};
    absl::StatusOr<ledger::ReplicaReport> ended = co_await ledger::RunReplicaAt(
        config, config.peers[id], ClientUrl(id), runtime, parts, TransportOptions(security.get()));
    if (ended.ok() || absl::IsInvalidArgument(ended.status())) {
      findings_.Add("runs", absl::StrCat("replica ", int{id},
                                         " ended by itself: ", ended.status().ToString()));
      co_return;
    }
    (void)co_await runtime.clock->SleepFor(kListenAgain);
  }
}

Task<void> LedgerRun::ClientMain(Runtime runtime, uint32_t index) {
  ledger::ClientConfig config = client_config_;
  config.id = ledger::ClientId{0, index + 1};
  config.servers = {world()->host(0)->Address(sim::Plane::kClient, kClientPort)};
  const ledger::ClientParts parts{
      .observers = checkers_.observers(), .meter = meters_[index], .bugs = &ledger_bugs_};
  const std::unique_ptr<any::Security> security = co_await ClientSecurity(runtime);
  absl::StatusOr<ledger::ClientReport> ended = co_await ledger::RunClientTo(
      config, workload_, ClientUrl(0), runtime, parts, TransportOptions(security.get()));
  const absl::Status status = ended.ok() ? ended->status : ended.status();
  if (!status.ok() || ended->acknowledged != workload_.entries) {
    findings_.Add("runs", absl::StrCat("client ", index + 1, " ended with ",
                                       ended.ok() ? ended->acknowledged : 0, " of ",
                                       workload_.entries, " entries: ", status.ToString()));
  }
  done_[index] = true;
}

}  // namespace faultline::catalogue
