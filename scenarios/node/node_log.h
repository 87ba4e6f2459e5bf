// NodeLog: what a node tells its operator, a line each.
//
//   NodeLog log(&std::cerr, runtime.clock, "replica 0");
//   log.Line("listening for clients on 127.0.0.1:7200");
//       // 2026-03-01T12:00:00.250000Z replica 0: listening for clients on 127.0.0.1:7200
//
// As an observer it tells which other replicas come and go, why one cannot be reached, and what an
// operator has to act upon. Clients are not mentioned: there may be many.
#ifndef FAULTLINE_SCENARIOS_NODE_NODE_LOG_H_
#define FAULTLINE_SCENARIOS_NODE_NODE_LOG_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "runtime/clock.h"
#include "runtime/endpoint.h"
#include "scenarios/ledger/dial_log.h"
#include "scenarios/ledger/observer.h"

namespace faultline::node {

class NodeLog final : public ledger::ConnectionObserver, public ledger::ReplicaObserver {
 public:
  // `out` and `clock` outlive it.
  NodeLog(std::ostream* out, Clock* clock, std::string who);

  // Written as a whole, and flushed.
  void Line(std::string_view what);

  void OnDialFailed(const ledger::Party& self, const Endpoint& server,
                    const absl::Status& status) override;
  void OnConnected(const ledger::Party& self, const ledger::Party& peer,
                   const ledger::ConnectionId& id) override;
  void OnLost(const ledger::Party& self, const ledger::Party& peer, const ledger::ConnectionId& id,
              const absl::Status& status) override;

  // Once each.
  void OnLogLost(ledger::ReplicaId backup, uint64_t held, uint64_t own) override;
  void OnLogFull(ledger::ReplicaId self, const absl::Status& status) override;

 private:
  std::ostream* const out_;
  Clock* const clock_;
  const std::string who_;
  ledger::DialLog dials_;
  bool said_lost_ = false;
  bool said_full_ = false;
};

}  // namespace faultline::node

#endif  // FAULTLINE_SCENARIOS_NODE_NODE_LOG_H_
