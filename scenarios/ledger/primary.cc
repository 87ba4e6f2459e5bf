#include "scenarios/ledger/primary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

using message::CatchUpRequestFields;
using message::PrepareOkFields;
using message::RequestFields;

absl::Status Broken(const EntryId& id, const char* how) {
  return absl::InvalidArgumentError(absl::StrCat(ToString(id), " ", how));
}

}  // namespace

Primary::Primary(uint8_t replica_count, const PrimaryLimits& limits, const ProtocolParts& parts)
    : replica_count_(replica_count),
      chunks_(limits.chunks),
      max_payload_(limits.max_payload),
      parts_(parts),
      sessions_(limits.sessions),
      quorum_(replica_count, parts.bugs) {}

absl::Status Primary::OnClientConnected(const ClientId& client, uint64_t sent, MonotonicTime now) {
  return sessions_.Open(client, sent, now).status();
}

void Primary::OnClientLeft(const ClientId& client, bool goodbye, MonotonicTime now) {
  if (goodbye) {
    sessions_.SayGoodbye(client, committed_, now);
  } else {
    sessions_.Leave(client, now);
  }
}

absl::Status Primary::OnRequest(const ClientId& from, const message::Message& request,
                                uint32_t slot) {
  const RequestFields fields = request.Fields<RequestFields>();
  const EntryId id{ClientFromWire(fields.client), fields.request};
  if (id.client != from || id.number == 0) return Broken(id, "does not come from its client");
  Session* session = sessions_.Find(from);
  if (session == nullptr) return Broken(id, "comes without a session");
  const Digest digest = DigestOfRequest(id, DigestOfBytes(request.body()));
  if (digest != DigestFromWire(fields.request_checksum)) return Broken(id, "has a false checksum");
  absl::Status served = CheckServed(request);
  if (!served.ok()) return Refuse(id, digest, std::move(served));
  switch (sessions_.Judge(*session, id.number, digest, committed_)) {
    case Judgement::kNew:
      return Append(session, id, digest, request.body(), slot);
    case Judgement::kInFlight:
    case Judgement::kCommitted:
      return AnswerAgain(*session, id, digest);
    case Judgement::kStale:
      return absl::OkStatus();
    case Judgement::kGap:
      return Broken(id, "leaves a gap");
    case Judgement::kOverrun:
      return Broken(id, "is one too many without a reply");
    case Judgement::kConflict:
      return Broken(id, "was another entry before");
  }
  return Broken(id, "cannot be judged");
}

absl::Status Primary::CheckServed(const message::Message& request) const {
  if (request.Fields<RequestFields>().operation != message::Operation::kAppend) {
    return absl::FailedPreconditionError("the ledger only appends");
  }
  if (request.body().size() > max_payload_) {
    return absl::FailedPreconditionError(absl::StrCat("a payload of ", request.body().size(),
                                                      " bytes; ", max_payload_, " are taken"));
  }
  return absl::OkStatus();
}

absl::Status Primary::Refuse(const EntryId& id, const Digest& request, absl::Status why) {
  parts_.outgoing->ToClient(id.client, parts_.frames->Refusal(id, request));
  return why;
}

absl::Status Primary::Append(Session* session, const EntryId& id, const Digest& request,
                             std::span<const std::byte> payload, uint32_t slot) {
  absl::StatusOr<uint64_t> op = log().Append(id, payload);
  if (!op.ok()) {
    if (parts_.observer != nullptr) parts_.observer->OnLogFull(0, op.status());
    return Refuse(id, request, op.status());
  }
  if (id.number > session->last_number()) sessions_.Record(session, id.number, request, *op);
  if (parts_.observer != nullptr) parts_.observer->OnAppended(0, *op);
  if (planted(&LedgerBugs::reply_to_reused_slot)) slots_[*op] = slot;
  if (planted(&LedgerBugs::reply_before_majority)) Acknowledge(id, request, *op);
  work_.Set();
  AdvanceCommit();
  return absl::OkStatus();
}

absl::Status Primary::AnswerAgain(const Session& session, const EntryId& id,
                                  const Digest& request) {
  const uint64_t op = session.op(id.number);
  if (planted(&LedgerBugs::retry_appended_again)) {
    return Append(sessions_.Find(id.client), id, request, log().at(op).payload, 0);
  }
  if (op > committed_) return absl::OkStatus();  // the reply will come
  if (planted(&LedgerBugs::expired_reply_swallows_retry)) return absl::OkStatus();
  if (planted(&LedgerBugs::retry_gets_latest_reply)) {
    Acknowledge(id, request, session.op(session.last_number()));
    return absl::OkStatus();
  }
  Acknowledge(id, request, op);
  return absl::OkStatus();
}

void Primary::AdvanceCommit() {
  const uint64_t before = committed_;
  committed_ = quorum_.Committed(log().last_op());
  if (committed_ == before) return;
  if (parts_.observer != nullptr) parts_.observer->OnCommitted(0, committed_);
  work_.Set();
  if (planted(&LedgerBugs::reply_before_majority)) return;
  for (uint64_t op = before + 1; op <= committed_; ++op) {
    const Entry entry = log().at(op);
    Acknowledge(entry.id, DigestOfRequest(entry.id, entry.payload_digest), op);
  }
}

void Primary::Acknowledge(const EntryId& id, const Digest& request, uint64_t op) {
  if (parts_.observer != nullptr) parts_.observer->OnAcknowledged(op, id);
  Frozen reply = parts_.frames->Reply(id, request, op, committed_);
  if (auto slot = slots_.find(op); slot != slots_.end()) {
    parts_.outgoing->ToSlot(slot->second, std::move(reply));
    slots_.erase(slot);
    return;
  }
  parts_.outgoing->ToClient(id.client, std::move(reply));
}

void Primary::OnBackupConnected(ReplicaId backup, uint64_t incarnation) {
  Backup& state = backups_[backup];
  state = {.connected = true, .incarnation = incarnation};
  quorum_.Admit(backup, incarnation);
  if (parts_.observer != nullptr) parts_.observer->OnBackupAdmitted(backup, incarnation);
}

void Primary::OnBackupLost(ReplicaId backup) { backups_[backup] = Backup(); }

absl::Status Primary::OnPrepareOk(ReplicaId backup, const PrepareOkFields& ok) {
  Backup& state = backups_[backup];
  if (ok.incarnation != state.incarnation ||
      ok.primary_incarnation != parts_.frames->incarnation()) {
    return absl::InvalidArgumentError(
        absl::StrCat("an acknowledgement of op ", ok.op, " from another incarnation"));
  }
  if (ok.op > log().last_op() && parts_.observer != nullptr) {
    parts_.observer->OnLogLost(backup, ok.op, log().last_op());
  }
  if (ok.op > log().last_op() || DigestFromWire(ok.digest) != log().chain(ok.op)) {
    return absl::DataLossError(absl::StrCat("replica ", int{backup}, " has another log at op ",
                                            ok.op, " of ", log().last_op()));
  }
  quorum_.Acknowledge(backup, ok.op);
  if (!state.streaming && log().last_op() - ok.op <= chunks_.max_entries) {
    state.streaming = true;
    state.next = ok.op + 1;
    work_.Set();
  }
  if (state.blocked) work_.Set();
  AdvanceCommit();
  return absl::OkStatus();
}

absl::Status Primary::OnCatchUpRequest(ReplicaId backup, const CatchUpRequestFields& request) {
  const uint64_t last = log().last_op();
  const bool skips = planted(&LedgerBugs::catch_up_skips_at_chunk_end);
  if (request.first_op == 0 || request.first_op > last + 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("catch-up from op ", request.first_op, " of a log of ", last));
  }
  if (!skips && DigestFromWire(request.digest) != log().chain(request.first_op - 1)) {
    return absl::DataLossError(
        absl::StrCat("replica ", int{backup}, " has another log before op ", request.first_op));
  }
  uint64_t end = 0;
  Frozen data = parts_.frames->CatchUpData(log(), request.first_op, last, committed_,
                                           request.sequence, chunks_, &end);
  Backup& state = backups_[backup];
  state.streaming = false;
  if (!parts_.outgoing->ToReplica(backup, std::move(data))) return absl::OkStatus();
  if (end == last || planted(&LedgerBugs::live_overtakes_catch_up)) {
    state.streaming = true;
    state.next = last + 1;
  }
  return absl::OkStatus();
}

void Primary::Replicate() {
  work_.Reset();
  stalled_by_.reset();
  for (Backup& backup : backups_) backup.blocked = false;
  for (uint64_t op = NextToSend(); op <= log().last_op(); op = NextToSend()) {
    SendPrepare(op);
    if (stalled_by_.has_value()) return;
  }
  SendCommit();
}

// The lowest entry that some backup has not been sent and has room for.
uint64_t Primary::NextToSend() const {
  uint64_t next = log().last_op() + 1;
  for (const Backup& backup : backups_) {
    if (backup.streaming && !backup.blocked) next = std::min(next, backup.next);
  }
  return next;
}

void Primary::SendPrepare(uint64_t op) {
  const Frozen frame = parts_.frames->Prepare(log(), op, committed_);
  for (ReplicaId r = 1; r < replica_count_; ++r) {
    Backup& backup = backups_[r];
    if (!backup.streaming || backup.blocked || backup.next != op) continue;
    if (parts_.outgoing->ToReplica(r, frame)) {
      ++backup.next;
      backup.told = committed_;
      continue;
    }
    backup.blocked = true;  // it goes on from here when the backup has acknowledged something
    if (planted(&LedgerBugs::dropped_prepare_forgotten) || planted(&LedgerBugs::ack_past_gap)) {
      ++backup.next;
    }
    if (planted(&LedgerBugs::slow_peer_stalls_all)) {
      stalled_by_ = r;
      return;
    }
  }
}

void Primary::SendCommit() {
  Frozen frame;
  for (ReplicaId r = 1; r < replica_count_; ++r) {
    Backup& backup = backups_[r];
    if (!backup.streaming || backup.told >= committed_) continue;
    if (frame.empty()) frame = parts_.frames->Commit(log(), committed_);
    if (parts_.outgoing->ToReplica(r, frame)) backup.told = committed_;
  }
}

}  // namespace faultline::ledger
