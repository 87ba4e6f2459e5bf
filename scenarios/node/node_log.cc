#include "scenarios/node/node_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace faultline::node {

using ledger::ConnectionId;
using ledger::Party;

NodeLog::NodeLog(std::ostream* out, Clock* clock, std::string who)
    : out_(out), clock_(clock), who_(std::move(who)) {}

void NodeLog::Line(std::string_view what) {
  const absl::Time now = absl::FromUnixNanos(clock_->WallNow().time_since_epoch().count());
  const std::string line =
      absl::StrCat(absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", now, absl::UTCTimeZone()), " ", who_,
                   ": ", absl::string_view(what.data(), what.size()), "\n");
  *out_ << line << std::flush;
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
