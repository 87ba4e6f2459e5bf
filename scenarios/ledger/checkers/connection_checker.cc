#include "scenarios/ledger/checkers/connection_checker.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {

// A process that crashed told nobody about its connections.
void ConnectionChecker::OnReplicaStarted(ReplicaId replica, uint64_t, const Log*) {
  live_.erase(Party::Replica(replica));
}

void ConnectionChecker::OnConnected(const Party& self, const Party& peer, const ConnectionId& id) {
  ++connected_;
  if (!live_[self].try_emplace(id, peer).second) {
    findings_->Add("one-connection", absl::StrCat(ToString(self), " made connection ", ToString(id),
                                                  " to ", ToString(peer), " twice"));
  }
}

void ConnectionChecker::OnLost(const Party& self, const Party& peer, const ConnectionId& id,
                               const absl::Status& status) {
  if (live_[self].erase(id) == 1) return;
  findings_->Add("one-loss-notice",
                 absl::StrCat(ToString(self), " lost connection ", ToString(id), " to ",
                              ToString(peer), ", which it does not have: ", status.ToString()));
}

void ConnectionChecker::OnUnregistered(const Party& self, const Party& peer,
                                       const ConnectionId& removed, const ConnectionId& by) {
  if (removed == by) return;
  findings_->Add("registry",
                 absl::StrCat("at ", ToString(self), " the end of connection ", ToString(by),
                              " to ", ToString(peer), " removed connection ", ToString(removed)));
}

void ConnectionChecker::OnWriterIdle(const Party& self, const ConnectionId& id, size_t waiting) {
  if (waiting == 0) return;
  findings_->Add("writer-awake", absl::StrCat("the writer of ", ToString(self), " on connection ",
                                              ToString(id), " sleeps over ", waiting, " frames"));
}

void ConnectionChecker::CheckSettled(uint8_t replica_count) {
  for (ReplicaId a = 0; a < replica_count; ++a) {
    for (ReplicaId b = 0; b < replica_count; ++b) {
      if (a == b) continue;
      std::vector<ConnectionId> shared;
      size_t own = 0;
      const auto& others = live_[Party::Replica(b)];
      for (const auto& [id, peer] : live_[Party::Replica(a)]) {
        if (peer != Party::Replica(b)) continue;
        ++own;
        if (others.contains(id)) shared.push_back(id);
      }
      if (own == 1 && shared.size() == 1) continue;
      findings_->Add("one-connection", absl::StrCat(ToString(Party::Replica(a)), " has ", own,
                                                    " connections to ", ToString(Party::Replica(b)),
                                                    ", which has ", shared.size(), " of them"));
    }
  }
}

}  // namespace faultline::ledger
