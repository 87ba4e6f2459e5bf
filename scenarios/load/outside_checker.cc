#include "scenarios/load/outside_checker.h"

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "transports/message/frame_error.h"

namespace faultline::load {
namespace {

using ledger::ClientId;
using ledger::ConnectionId;
using ledger::Digest;
using ledger::EntryId;
using ledger::Party;
using ledger::ReplyFacts;
using message::FrameError;

// A torn frame is what the death of a peer leaves behind; the others nobody should have sent.
bool IsCorruption(FrameError error) {
  return error != FrameError::kNone && error != FrameError::kTornHeader &&
         error != FrameError::kTornBody;
}

}  // namespace

void OutsideChecker::OnIssued(const EntryId& id, const Digest& request) {
  replies_.OnIssued(id, request);
  Client& client = clients_[id.client];
  FAULTLINE_CHECK(id.number == client.entries.size() + 1) << ToString(id) << " is out of turn";
  client.entries.push_back({.request = request});
}

void OutsideChecker::OnReply(const ClientId& self, const ReplyFacts& reply) {
  replies_.OnReply(self, reply);
  Client& client = clients_[self];
  const uint64_t number = reply.id.number;
  if (reply.id.client != self || number <= client.issued_before) return;
  if (number != client.next_reply) {
    findings_->Add("fifo",
                   absl::StrCat("the reply to ", ToString(reply.id), " came when that to number ",
                                client.next_reply, " was due over this connection"));
  }
  client.next_reply = number + 1;
}

void OutsideChecker::OnCompleted(const EntryId& id, uint64_t op) {
  Client& client = clients_[id.client];
  if (id.number == 0 || id.number > client.entries.size()) {
    findings_->Add("acknowledged-once", absl::StrCat(ToString(id), " was never issued"));
    return;
  }
  Entry& entry = client.entries[id.number - 1];
  if (entry.op != 0) {
    findings_->Add("acknowledged-once", absl::StrCat(ToString(id), " was acknowledged at op ",
                                                     entry.op, " and again at op ", op));
  }
  entry.op = op;
  CheckOrder(client, id);
}

// Between the neighbours, as far as they are known.
void OutsideChecker::CheckOrder(const Client& client, const EntryId& id) const {
  const std::vector<Entry>& entries = client.entries;
  const size_t index = id.number - 1;
  const uint64_t op = entries[index].op;
  const uint64_t before = index == 0 ? 0 : entries[index - 1].op;
  const uint64_t after = index + 1 == entries.size() ? 0 : entries[index + 1].op;
  if (before >= op) {
    findings_->Add("client-order", absl::StrCat(ToString(id), " stands at op ", op,
                                                ", the one before it at op ", before));
  }
  if (after != 0 && after <= op) {
    findings_->Add("client-order", absl::StrCat(ToString(id), " stands at op ", op,
                                                ", the one after it at op ", after));
  }
}

void OutsideChecker::OnConnected(const Party& self, const Party&, const ConnectionId&) {
  Client& client = clients_[self.client];
  client.issued_before = client.entries.size();
  client.next_reply = client.issued_before + 1;
}

void OutsideChecker::OnLost(const Party& self, const Party&, const ConnectionId&,
                            const absl::Status& status) {
  if (!IsCorruption(message::FrameErrorOf(status))) return;
  findings_->Add("whole-frames", absl::StrCat(ToString(self), " received ", status.message()));
}

void OutsideChecker::ForEachAcknowledged(
    const std::function<void(const Acknowledged&)>& function) const {
  for (const auto& [id, client] : clients_) {
    for (size_t i = 0; i < client.entries.size(); ++i) {
      const Entry& entry = client.entries[i];
      if (entry.op != 0) function({{id, i + 1}, entry.op, entry.request});
    }
  }
}

}  // namespace faultline::load
