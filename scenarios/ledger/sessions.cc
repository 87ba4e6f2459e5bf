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
    session = &sessions_.try_emplace(client, client).first->second;
  } else if (sent < session->last_number_) {
    return absl::AlreadyExistsError(absl::StrCat(ToString(client), " has sent entry ",
                                                 session->last_number_, " and says ", sent));
  }
  if (!session->connected_) AbsentAs(*session)->erase({session->left_at_, client});
  session->connected_ = true;
  return session;
}

void SessionTable::Leave(const ClientId& client, MonotonicTime now) {
  Session* session = Find(client);
  if (session == nullptr || !session->connected_) return;
  session->connected_ = false;
  session->left_at_ = now;
  AbsentAs(*session)->insert({now, client});
  if (absent_empty_.size() > limits_.max_empty) Forget(*Find(absent_empty_.begin()->second));
}

void SessionTable::SayGoodbye(const ClientId& client, uint64_t committed, MonotonicTime now) {
  Session* session = Find(client);
  if (session == nullptr) return;
  // Entries are appended in the order of their numbers: the last one is committed last.
  const uint64_t last = session->last_number_;
  if (last == 0 || session->op(last) <= committed) {
    Forget(*session);
  } else {
    Leave(client, now);
  }
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
  if (session->window_.empty()) session->window_.resize(limits_.window);
  session->window_[number % limits_.window] = {op, digest};
  session->last_number_ = number;
}

void SessionTable::Forget(const Session& session) {
  const ClientId client = session.client_;
  AbsentAs(session)->erase({session.left_at_, client});
  sessions_.erase(client);
}

bool SessionTable::MakeRoom(MonotonicTime now) {
  if (!absent_empty_.empty()) {
    Forget(*Find(absent_empty_.begin()->second));
    return true;
  }
  if (absent_.empty() || now - absent_.begin()->first < limits_.forget_after) return false;
  Forget(*Find(absent_.begin()->second));
  return true;
}

}  // namespace faultline::ledger
