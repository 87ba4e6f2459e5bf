// ConnectionChecker: how connections are kept.
//
// Invariants, by name:
//   registry         the end of a connection removes itself from the registry, and no other
//   one-loss-notice  each connection is lost once, and only after it was made
//   writer-awake     no writer sleeps while frames wait for it
//   one-connection   (only `CheckSettled`) each pair has one connection, and both ends mean the
//   same
#ifndef FAULTLINE_SCENARIOS_LEDGER_CHECKERS_CONNECTION_CHECKER_H_
#define FAULTLINE_SCENARIOS_LEDGER_CHECKERS_CONNECTION_CHECKER_H_

#include <cstdint>
#include <map>

#include "scenarios/ledger/checkers/findings.h"
#include "scenarios/ledger/observer.h"

namespace faultline::ledger {

class ConnectionChecker final : public ConnectionObserver, public ReplicaObserver {
 public:
  explicit ConnectionChecker(Findings* findings) : findings_(findings) {}

  void OnReplicaStarted(ReplicaId replica, uint64_t incarnation, const Log* log) override;
  void OnConnected(const Party& self, const Party& peer, const ConnectionId& id) override;
  void OnLost(const Party& self, const Party& peer, const ConnectionId& id,
              const absl::Status& status) override;
  void OnUnregistered(const Party& self, const Party& peer, const ConnectionId& removed,
                      const ConnectionId& by) override;
  void OnWriterIdle(const Party& self, const ConnectionId& id, size_t waiting) override;

  // Every fault was over long ago: `replica_count` replicas are connected, each to each, once.
  void CheckSettled(uint8_t replica_count);

  uint64_t connected() const { return connected_; }

 private:
  Findings* const findings_;
  std::map<Party, std::map<ConnectionId, Party>> live_;
  uint64_t connected_ = 0;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CHECKERS_CONNECTION_CHECKER_H_
