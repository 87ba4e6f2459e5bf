#include "scenarios/ledger/checkers/checkers.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {

// Tells each checker what it watches.
class LedgerCheckers::FanOut final : public ReplicaObserver,
                                     public ConnectionObserver,
                                     public ClientObserver {
 public:
  explicit FanOut(LedgerCheckers* all) : all_(all) {}

  void OnReplicaStarted(ReplicaId replica, uint64_t incarnation, const Log* log) override {
    all_->log_.OnReplicaStarted(replica, incarnation, log);
    all_->connections_.OnReplicaStarted(replica, incarnation, log);
  }
  void OnReplicaGone(ReplicaId replica, uint64_t incarnation) override {
    all_->log_.OnReplicaGone(replica, incarnation);
  }
  void OnAppended(ReplicaId replica, uint64_t op) override { all_->log_.OnAppended(replica, op); }
  void OnCommitted(ReplicaId replica, uint64_t op) override { all_->log_.OnCommitted(replica, op); }
  void OnBackupAdmitted(ReplicaId backup, uint64_t incarnation) override {
    all_->log_.OnBackupAdmitted(backup, incarnation);
  }
  void OnAcknowledged(uint64_t op, const EntryId& id) override {
    all_->log_.OnAcknowledged(op, id);
  }

  void OnConnected(const Party& self, const Party& peer, const ConnectionId& id) override {
    all_->fifo_.OnConnected(self, peer, id);
    all_->connections_.OnConnected(self, peer, id);
  }
  void OnLost(const Party& self, const Party& peer, const ConnectionId& id,
              const absl::Status& status) override {
    all_->fifo_.OnLost(self, peer, id, status);
    all_->connections_.OnLost(self, peer, id, status);
    all_->liveness_.OnLost(self, peer, id, status);
  }
  void OnUnregistered(const Party& self, const Party& peer, const ConnectionId& removed,
                      const ConnectionId& by) override {
    all_->connections_.OnUnregistered(self, peer, removed, by);
  }
  void OnFrameQueued(const Party& self, const ConnectionId& id, const Digest& frame) override {
    all_->fifo_.OnFrameQueued(self, id, frame);
  }
  void OnFrameReceived(const Party& self, const ConnectionId& id, const Digest& frame) override {
    all_->fifo_.OnFrameReceived(self, id, frame);
  }
  void OnWriterIdle(const Party& self, const ConnectionId& id, size_t waiting) override {
    all_->connections_.OnWriterIdle(self, id, waiting);
  }

  void OnIssued(const EntryId& id, const Digest& request) override {
    all_->replies_.OnIssued(id, request);
    all_->liveness_.OnIssued(id, request);
  }
  void OnReply(const ClientId& client, const ReplyFacts& reply) override {
    all_->replies_.OnReply(client, reply);
  }
  void OnCompleted(const EntryId& id, uint64_t op) override {
    all_->log_.OnCompleted(id, op);
    all_->liveness_.OnCompleted(id, op);
  }

 private:
  LedgerCheckers* const all_;
};

LedgerCheckers::LedgerCheckers(const CheckerConfig& config, LivenessChecker::Now now,
                               Findings* findings)
    : replica_count_(config.replica_count),
      findings_(findings),
      log_(config.replica_count, findings),
      replies_(findings),
      fifo_(findings),
      connections_(findings),
      liveness_(config.liveness, std::move(now), findings),
      fan_out_(std::make_unique<FanOut>(this)) {}

LedgerCheckers::~LedgerCheckers() = default;

Observers LedgerCheckers::observers() {
  return {.replicas = fan_out_.get(), .connections = fan_out_.get(), .clients = fan_out_.get()};
}

void LedgerCheckers::CheckNow() {
  log_.Sweep();
  liveness_.Check();
}

void LedgerCheckers::CheckSettled() {
  CheckNow();
  log_.CheckConverged();
  connections_.CheckSettled(replica_count_);
  if (liveness_.open() > 0) {
    findings_->Add("completes", absl::StrCat(liveness_.open(), " requests are still open"));
  }
}

}  // namespace faultline::ledger
