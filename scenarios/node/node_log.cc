#include "scenarios/node/node_log.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace faultline::node {

using ledger::ConnectionId;
using ledger::Party;

NodeLog::NodeLog(std::ostream* out, Clock* clock, std::string who)
    : out_(out), clock_(clock), who_(std::move(who)), dials_(clock) {}

void NodeLog::Line(std::string_view what) {
  const absl::Time now = absl::FromUnixNanos(clock_->WallNow().time_since_epoch().count());
  const std::string line =
      absl::StrCat(absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", now, absl::UTCTimeZone()), " ", who_,
                   ": ", absl::string_view(what.data(), what.size()), "\n");
  *out_ << line << std::flush;
}

void NodeLog::OnDialFailed(const Party&, const Endpoint& server, const absl::Status& status) {
  const std::optional<std::string> line = dials_.OnFailed(server, status);
  if (line.has_value()) Line(*line);
}

void NodeLog::OnLogLost(ledger::ReplicaId backup, uint64_t held, uint64_t own) {
  if (std::exchange(said_lost_, true)) return;
  Line(absl::StrCat(
      "this primary has lost its log; replica ", int{backup}, " holds ", held,
      " entries and this one ", own,
      ": nothing is committed until all replicas are stopped and started together, empty"));
}

void NodeLog::OnLogFull(ledger::ReplicaId, const absl::Status& status) {
  if (std::exchange(said_full_, true)) return;
  Line(absl::StrCat("the log is full, further entries are refused: ", std::string(status.message()),
                    " (--max-log-entries, --max-log-bytes)"));
}

void NodeLog::OnConnected(const Party&, const Party& peer, const ConnectionId&) {
  if (peer.kind == Party::Kind::kReplica) Line(absl::StrCat(ToString(peer), " connected"));
}

void NodeLog::OnLost(const Party&, const Party& peer, const ConnectionId&,
                     const absl::Status& status) {
  if (peer.kind != Party::Kind::kReplica) return;
  Line(absl::StrCat(ToString(peer),
                    " lost: ", status.ok() ? "it closed the connection" : status.ToString()));
}

}  // namespace faultline::node
