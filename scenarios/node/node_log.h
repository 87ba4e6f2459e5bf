// NodeLog: what a node tells its operator, a line each.
//
//   NodeLog log(&std::cerr, runtime.clock, "replica 0");
//   log.Line("listening for clients on 127.0.0.1:7200");
//       // 2026-03-01T12:00:00.250000Z replica 0: listening for clients on 127.0.0.1:7200
//
// As an observer of connections it tells which other replicas come and go. Clients are counted
// only: there may be many.
#ifndef FAULTLINE_SCENARIOS_NODE_NODE_LOG_H_
#define FAULTLINE_SCENARIOS_NODE_NODE_LOG_H_

#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "runtime/clock.h"
#include "scenarios/ledger/observer.h"

namespace faultline::node {

class NodeLog final : public ledger::ConnectionObserver {
 public:
  // `out` and `clock` outlive it.
  NodeLog(std::ostream* out, Clock* clock, std::string who);

  // Written as a whole, and flushed.
  void Line(std::string_view what);

  void OnConnected(const ledger::Party& self, const ledger::Party& peer,
                   const ledger::ConnectionId& id) override;
  void OnLost(const ledger::Party& self, const ledger::Party& peer, const ledger::ConnectionId& id,
              const absl::Status& status) override;

 private:
  std::ostream* const out_;
  Clock* const clock_;
  const std::string who_;
};

}  // namespace faultline::node

#endif  // FAULTLINE_SCENARIOS_NODE_NODE_LOG_H_
