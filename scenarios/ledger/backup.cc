#include "scenarios/ledger/backup.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

using message::CatchUpDataFields;
using message::CatchUpRequestFields;
using message::CommitFields;
using message::PrepareFields;

absl::Status NotFrom(ReplicaId from, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat(what, " from replica ", int{from}));
}

}  // namespace

Backup::Backup(ReplicaId self, uint8_t replica_count, Duration catch_up_timeout,
               const ChunkLimits& chunks, const ProtocolParts& parts)
    : self_(self),
      replica_count_(replica_count),
      catch_up_timeout_(catch_up_timeout),
      chunks_(chunks),
      parts_(parts) {}

void Backup::OnPeerConnected(ReplicaId peer, const Greeting& greeting, MonotonicTime now) {
  peers_[peer] = {.connected = true, .incarnation = greeting.incarnation};
  Learn(peer, greeting.op, greeting.commit);
  if (peer == 0) acknowledge_ = true;
  OnFramesEnd();
  MaybeCatchUp(now);
}

void Backup::OnPeerLost(ReplicaId peer) {
  peers_[peer] = Peer();
  if (request_.has_value() && request_->to == peer) request_.reset();
}

absl::Status Backup::OnPrepare(ReplicaId from, const message::Message& prepare, MonotonicTime now) {
  const PrepareFields fields = prepare.Fields<PrepareFields>();
  const EntryId id{ClientFromWire(fields.client), fields.request};
  if (from != 0) return NotFrom(from, "a prepare");
  Learn(0, fields.op, fields.commit);
  if (fields.op > log().last_op() + 1) {
    OnGap(fields, id, prepare.body());
    AskForMore(now);
    return absl::OkStatus();
  }
  acknowledge_ = true;
  if (fields.op == log().last_op() + 1) {
    const Digest parent = DigestFromWire(fields.parent);
    if (DigestFromWire(fields.request_checksum) !=
        DigestOfRequest(id, DigestOfBytes(prepare.body()))) {
      return absl::DataLossError(absl::StrCat("a prepare of ", ToString(id), " that is not it"));
    }
    if (absl::Status status = Append(&parent, id, prepare.body()); !status.ok()) return status;
  } else if (absl::Status held = CheckHeld(fields, id); !held.ok()) {
    return held;
  }
  LearnCommit(fields.commit);
  return absl::OkStatus();
}

// What the primary says about an entry that is held here is what is held.
absl::Status Backup::CheckHeld(const PrepareFields& fields, const EntryId& id) const {
  if (fields.op == 0) return absl::DataLossError("the primary has an entry at op 0");
  const Entry held = log().at(fields.op);
  if (held.id != id ||
      DigestFromWire(fields.request_checksum) != DigestOfRequest(held.id, held.payload_digest)) {
    return absl::DataLossError(absl::StrCat("the primary has another ", ToString(id), " at op ",
                                            fields.op, ", where ", ToString(held.id),
                                            " is held here"));
  }
  if (DigestFromWire(fields.parent) == log().chain(fields.op - 1)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the logs part before op ", fields.op));
}

// A prepare whose predecessors are missing is of no use. (Some planted bugs see that differently.)
void Backup::OnGap(const PrepareFields& fields, const EntryId& id,
                   std::span<const std::byte> payload) {
  if (planted(&LedgerBugs::live_overtakes_catch_up)) {
    (void)Append(nullptr, id, payload);
  } else if (planted(&LedgerBugs::ack_past_gap)) {
    const Digest chain =
        DigestOfChain(DigestFromWire(fields.parent), fields.op, id, DigestOfBytes(payload));
    parts_.outgoing->ToReplica(
        0, parts_.frames->PrepareOk(fields.op, chain, committed_, peers_[0].incarnation));
  }
}

// Right behind `parent`, if given.
absl::Status Backup::Append(const Digest* parent, const EntryId& id,
                            std::span<const std::byte> payload) {
  absl::Status status = parent != nullptr ? log().AppendAfter(*parent, id, payload)
                                          : log().Append(id, payload).status();
  if (parts_.observer == nullptr) return status;
  if (status.ok()) parts_.observer->OnAppended(self_, log().last_op());
  if (absl::IsResourceExhausted(status)) parts_.observer->OnLogFull(self_, status);
  return status;
}

absl::Status Backup::OnCommit(ReplicaId from, const CommitFields& commit) {
  if (from != 0) return NotFrom(from, "a commit");
  absl::Status same = CheckCommitted(commit.commit, DigestFromWire(commit.digest));
  if (!same.ok()) return same;
  LearnCommit(commit.commit);
  return absl::OkStatus();
}

// What is not held yet cannot be compared; it is when it comes.
absl::Status Backup::CheckCommitted(uint64_t commit, const Digest& digest) const {
  if (commit > log().last_op() || log().chain(commit) == digest) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the logs part at op ", commit,
                                          " or before, which the primary calls committed"));
}

void Backup::OnGreeting(ReplicaId from, const Greeting& greeting, MonotonicTime now) {
  Learn(from, greeting.op, greeting.commit);
  if (from == 0) {
    LearnCommit(greeting.commit);
    acknowledge_ = true;
  }
  AskForMore(now);
}

absl::Status Backup::OnCatchUpData(ReplicaId from, const message::Message& data,
                                   MonotonicTime now) {
  const CatchUpDataFields fields = data.Fields<CatchUpDataFields>();
  Learn(from, fields.last_op, fields.commit);
  const uint64_t before = log().last_op();
  if (absl::Status status = AppendChunk(fields, CatchUpBody(data.body())); !status.ok()) {
    return status;
  }
  if (log().last_op() > before) acknowledge_ = true;
  LearnCommit(fields.commit);
  if (request_.has_value() && request_->sequence == fields.sequence) request_.reset();
  if (planted(&LedgerBugs::catch_up_skips_at_chunk_end) &&
      fields.first_op + fields.count <= fields.last_op) {
    ++skipped_;
  }
  MaybeCatchUp(now);
  return absl::OkStatus();
}

// Appends what of the chunk is new. A late answer is as good as a timely one.
absl::Status Backup::AppendChunk(const CatchUpDataFields& fields, CatchUpBody body) {
  const bool skips = planted(&LedgerBugs::catch_up_skips_at_chunk_end);
  const bool unordered = planted(&LedgerBugs::live_overtakes_catch_up);
  if (fields.first_op == 0) return absl::InvalidArgumentError("catch-up data from op 0");
  if (fields.first_op > log().last_op() + 1 && !skips) return absl::OkStatus();
  if (!skips && !unordered && DigestFromWire(fields.parent) != log().chain(fields.first_op - 1)) {
    return absl::DataLossError(
        absl::StrCat("the logs part before op ", fields.first_op, " of catch-up data"));
  }
  uint64_t op = fields.first_op;
  for (; std::optional<CatchUpBody::Item> item = body.Next(); ++op) {
    if (op > log().last_op() || skips) {
      absl::Status status = Append(nullptr, item->id, item->payload);
      if (!status.ok()) return status;
    } else if (log().at(op).id != item->id && !unordered) {
      return absl::DataLossError(absl::StrCat("the logs part at op ", op));
    }
  }
  if (!body.status().ok()) return body.status();
  if (op == fields.first_op + fields.count) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      op - fields.first_op, " entries of catch-up data, ", fields.count, " were announced"));
}

absl::Status Backup::OnCatchUpRequest(ReplicaId from, const CatchUpRequestFields& request) {
  if (request.first_op == 0 || request.first_op > committed_ + 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("catch-up from op ", request.first_op, ", committed is ", committed_));
  }
  if (DigestFromWire(request.digest) != log().chain(request.first_op - 1)) {
    return absl::DataLossError(
        absl::StrCat("replica ", int{from}, " has another log before op ", request.first_op));
  }
  uint64_t end = 0;
  parts_.outgoing->ToReplica(
      from, parts_.frames->CatchUpData(log(), request.first_op, committed_, committed_,
                                       request.sequence, chunks_, &end));
  return absl::OkStatus();
}

void Backup::OnFramesEnd() {
  if (!acknowledge_) return;
  acknowledge_ = false;
  if (!peers_[0].connected) return;
  parts_.outgoing->ToReplica(0, parts_.frames->PrepareOk(log().last_op(), log().chain(), committed_,
                                                         peers_[0].incarnation));
}

// The primary gives whatever it has, a backup what it knows to be committed.
void Backup::Learn(ReplicaId peer, uint64_t op, uint64_t commit) {
  uint64_t& available = peers_[peer].available;
  available = std::max(available, peer == 0 ? op : std::min(op, commit));
}

void Backup::LearnCommit(uint64_t commit) {
  commit = std::min(commit, log().last_op());
  if (commit <= committed_) return;
  committed_ = commit;
  if (parts_.observer != nullptr) parts_.observer->OnCommitted(self_, commit);
}

// Whom to ask for entries: nobody if nobody is known to have more.
std::optional<ReplicaId> Backup::Source() const {
  if (peers_[0].connected) {
    return peers_[0].available > log().last_op() ? std::optional<ReplicaId>(0) : std::nullopt;
  }
  for (ReplicaId r = 1; r < replica_count_; ++r) {
    if (peers_[r].connected && peers_[r].available > log().last_op()) return r;
  }
  return std::nullopt;
}

// What is missing has shown on a connection that exists.
void Backup::AskForMore(MonotonicTime now) {
  if (planted(&LedgerBugs::dropped_prepare_forgotten) && !request_.has_value()) return;
  MaybeCatchUp(now);
}

void Backup::MaybeCatchUp(MonotonicTime now) {
  if (request_.has_value() && now < request_->give_up) return;
  request_.reset();
  const std::optional<ReplicaId> source = Source();
  if (!source.has_value()) return;
  const uint64_t first = log().last_op() + 1 + skipped_;
  const uint64_t sequence = ++last_sequence_;
  Frozen request = parts_.frames->CatchUpRequest(first, log().chain(), sequence);
  if (!parts_.outgoing->ToReplica(*source, std::move(request))) return;
  request_ = Request{*source, sequence, now + catch_up_timeout_};
}

}  // namespace faultline::ledger
