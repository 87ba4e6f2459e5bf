// LedgerRun: one run of the replicated ledger in a simulated world, under every checker.
//
//   LedgerRun run(shape, options, hooks);
//   run.stage()->DrawFaults(run.FaultsBetween(1s, 20s));
//   run.stage()->AddFault(...);
//   return run.Finish();
//
// Hosts 0 to replicas - 1 are the replicas, 0 the primary; the clients follow. A run goes through
// three times: the faults, until the last one has ended; healing, in which the clients finish what
// they have to do; and quiet. It ends when all clients are done and, `settle` after the last fault,
// everything has settled; or with the first broken invariant.
#ifndef FAULTLINE_SCENARIOS_CATALOGUE_LEDGER_RUN_H_
#define FAULTLINE_SCENARIOS_CATALOGUE_LEDGER_RUN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/harness/scenario.h"
#include "scenarios/harness/stage.h"
#include "scenarios/ledger/any.h"
#include "scenarios/ledger/checkers/checkers.h"
#include "sim/host.h"
#include "sim/wire.h"
#include "transports/any/url.h"
#include "transports/message/bugs.h"

namespace faultline::catalogue {

struct LedgerShape {
  uint8_t replicas = 3;
  uint32_t clients = 3;
  Duration working = 25s;  // the clients' entries are spread over so long
  // Queues, chunks, payloads, pace and latencies are drawn anew for each run; otherwise the
  // defaults hold, and what follows.
  bool varied = true;
  Duration period = 100ms;  // between the entries of a client
  size_t payload_max = 1024;
  size_t queue_frames = 256;  // of a connection between replicas
  // The stated bounds: a request with a majority at work; one without any fault.
  ledger::LivenessBounds liveness{.quorum_bound = 30s, .settle = 30s, .calm_bound = 5s};
  Duration settle = 40s;  // from the end of the last fault to the check that all has settled
  Duration bound = 90s;   // from the end of the last fault to the end of the last client
};

// The transports of a ledger scenario with so many replicas, and the planted bugs that it can show.
void AddLedgerChoices(uint32_t replicas, harness::ScenarioInfo* info);

class LedgerRun {
 public:
  LedgerRun(const LedgerShape& shape, const harness::RunOptions& options,
            const harness::RunHooks& hooks);
  LedgerRun(const LedgerRun&) = delete;
  LedgerRun& operator=(const LedgerRun&) = delete;
  ~LedgerRun();

  harness::Stage* stage() { return &stage_; }
  sim::World* world() { return stage_.world(); }
  ledger::LedgerCheckers* checkers() { return &checkers_; }
  ledger::Findings* findings() { return &findings_; }

  uint32_t client_host(uint32_t index) const { return shape_.replicas + index; }
  // A template for drawn faults, between `begin` and `end`: every host in its place, every backup
  // may crash.
  sim::FaultPlanConfig FaultsBetween(Duration begin, Duration end) const;
  // Told about each entry of that client. Not owned; before `Finish`.
  void SetMeter(uint32_t client, ledger::WorkloadMeter* meter) { meters_[client] = meter; }

  // Boots everybody and runs to the verdict. Once.
  harness::RunReport Finish();

 private:
  void Vary();
  sim::Latency DrawLatency();
  void Boot();
  void FollowHealth();
  void CheckEverySoOften();
  void CheckBound();
  bool ClientsDone() const;
  any::Url ClientUrl(uint32_t host);
  any::Options TransportOptions(any::Security* security) const;
  absl::StatusOr<std::unique_ptr<any::Security>> SecurityOf(const Runtime& runtime,
                                                            ledger::ReplicaId id);
  Task<std::unique_ptr<any::Security>> ClientSecurity(Runtime runtime);
  Task<void> ReplicaMain(Runtime runtime, ledger::ReplicaId id);
  Task<void> ClientMain(Runtime runtime, uint32_t index);

  // Tells the observer of the wire what decrypts the packets.
  class KeyLog final : public tls::KeyLog {
   public:
    explicit KeyLog(sim::WireObserver* wire) : wire_(wire) {}
    void OnLine(std::string_view line) override { wire_->OnSecret(line); }
    tls::KeyLog* OrNull() { return wire_ == nullptr ? nullptr : this; }

   private:
    sim::WireObserver* const wire_;
  };

  const LedgerShape shape_;
  KeyLog key_log_;
  const any::Scheme transport_;  // of the clients' plane
  ledger::LedgerBugs ledger_bugs_;
  message::TransportBugs transport_bugs_;
  ledger::ReplicaConfig replica_config_;
  ledger::ClientConfig client_config_;
  ledger::WorkloadConfig workload_;
  ledger::Findings findings_;
  ledger::LedgerCheckers checkers_;
  std::vector<ledger::WorkloadMeter*> meters_;
  std::vector<bool> done_;
  std::vector<std::optional<tls::Identity>> identities_;  // of the replicas, if the transport asks
  harness::Stage stage_;  // last: the world dies before its observers
};

}  // namespace faultline::catalogue

#endif  // FAULTLINE_SCENARIOS_CATALOGUE_LEDGER_RUN_H_
