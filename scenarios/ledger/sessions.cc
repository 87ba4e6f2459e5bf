#include "scenarios/ledger/sessions.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"

namespace faultline::ledger {

absl::StatusOr<Session*> SessionTable::Open(const ClientId& client, uint64_t sent,
                                            MonotonicTime now) {
  Session* session = Find(client);
  if (session == nullptr) {
    if (sent != 0) {
      return absl::FailedPreconditionError(absl::StrCat(ToString(client), " is forgotten"));
    }
    if (sessions_.size() >= limits_.max_sessions && !MakeRoom(now)) {
      return absl::ResourceExhaustedError(absl::StrCat(sessions_.size(), " clients are known"));
    }
    session = &sessions_.try_emplace(client, client, limits_.window).first->second;
  } else if (sent < session->last_number_) {
    return absl::AlreadyExistsError(absl::StrCat(ToString(client), " has sent entry ",
                                                 session->last_number_, " and says ", sent));
  }
  session->connected_ = true;
  return session;
}

void SessionTable::Leave(const ClientId& client, MonotonicTime now) {
  Session* session = Find(client);
  if (session == nullptr) return;
  session->connected_ = false;
  session->left_at_ = now;
}

Session* SessionTable::Find(const ClientId& client) {
  auto found = sessions_.find(client);
  return found == sessions_.end() ? nullptr : &found->second;
}

Judgement SessionTable::Judge(const Session& session, uint64_t number, const Digest& digest,
                              uint64_t committed) const {
  const uint64_t window = limits_.window;
  if (number > session.last_number_ + 1) return Judgement::kGap;
  if (number == session.last_number_ + 1) {
    const bool overrun = number > window && session.op(number - window) > committed;
    return overrun ? Judgement::kOverrun : Judgement::kNew;
  }
  if (number + window <= session.last_number_) return Judgement::kStale;
  if (session.digest(number) != digest) return Judgement::kConflict;
  return session.op(number) <= committed ? Judgement::kCommitted : Judgement::kInFlight;
}

void SessionTable::Record(Session* session, uint64_t number, const Digest& digest, uint64_t op) {
  FAULTLINE_CHECK(number == session->last_number_ + 1) << "numbers are recorded in order";
  session->window_[number % limits_.window] = {op, digest};
  session->last_number_ = number;
}

// Forgets the client that has been away for longest, if for long enough.
bool SessionTable::MakeRoom(MonotonicTime now) {
  const Session* oldest = nullptr;
  for (const auto& [client, session] : sessions_) {
    if (session.connected_ || now - session.left_at_ < limits_.forget_after) continue;
    if (oldest == nullptr || session.left_at_ < oldest->left_at_) oldest = &session;
  }
  if (oldest == nullptr) return false;
  sessions_.erase(ClientId(oldest->client_));
  return true;
}

}  // namespace faultline::ledger
