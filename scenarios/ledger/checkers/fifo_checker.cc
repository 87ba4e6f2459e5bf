#include "scenarios/ledger/checkers/fifo_checker.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {

void FifoChecker::OnConnected(const Party& self, const Party& peer, const ConnectionId& id) {
  peers_.insert_or_assign({id, self}, peer);
}

void FifoChecker::OnLost(const Party& self, const Party& peer, const ConnectionId& id,
                         const absl::Status& status) {
  peers_.erase({id, self});
  Direction& incoming = by_sender_[{id, peer}];
  if (status.ok() && !incoming.in_flight.empty()) {
    findings_->Add("fifo", absl::StrCat("connection ", ToString(id), " from ", ToString(peer),
                                        " to ", ToString(self), " ended in good order and lost ",
                                        incoming.in_flight.size(), " frames behind frame ",
                                        incoming.delivered));
  }
  incoming.in_flight.clear();
  incoming.receiver_gone = true;
  if (by_sender_[{id, self}].receiver_gone) {  // both ends are gone
    by_sender_.erase({id, peer});
    by_sender_.erase({id, self});
  }
}

void FifoChecker::OnFrameQueued(const Party& self, const ConnectionId& id, const Digest& frame) {
  Direction& outgoing = by_sender_[{id, self}];
  if (!outgoing.receiver_gone) outgoing.in_flight.push_back(frame);
}

void FifoChecker::OnFrameReceived(const Party& self, const ConnectionId& id, const Digest& frame) {
  ++received_;
  auto peer = peers_.find({id, self});
  if (peer == peers_.end()) {
    findings_->Add("fifo", absl::StrCat(ToString(self), " received a frame from connection ",
                                        ToString(id), ", which it does not have"));
    return;
  }
  Direction& incoming = by_sender_[{id, peer->second}];
  ++incoming.delivered;
  std::deque<Digest>& queue = incoming.in_flight;
  if (!queue.empty() && queue.front() == frame) {
    queue.pop_front();
    return;
  }
  auto where = std::find(queue.begin(), queue.end(), frame);
  const std::string what =
      absl::StrCat("frame ", incoming.delivered, " from ", ToString(peer->second), " to ",
                   ToString(self), " on connection ", ToString(id));
  if (where == queue.end()) {
    findings_->Add("fifo", absl::StrCat(what, " is not one that is under way"));
    return;
  }
  findings_->Add("fifo", absl::StrCat(what, " overtook ", where - queue.begin(), " others"));
  queue.erase(queue.begin(), where + 1);
}

}  // namespace faultline::ledger
