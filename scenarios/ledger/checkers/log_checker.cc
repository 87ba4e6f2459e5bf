#include "scenarios/ledger/checkers/log_checker.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

std::string Name(ReplicaId replica) { return ToString(Party::Replica(replica)); }

// Where `entry` would take a log whose chain stands at `previous`, from its bytes alone.
Digest Chained(const Digest& previous, const Entry& entry) {
  return DigestOfChain(previous, entry.op, entry.id, DigestOfBytes(entry.payload));
}

}  // namespace

void LogChecker::OnReplicaStarted(ReplicaId replica, uint64_t incarnation, const Log* log) {
  Replica& state = replicas_[replica];
  state.incarnation = incarnation;
  state.log = log;
  state.chain = Digest();
  state.held[incarnation] = 0;
  for (uint64_t op = 1; op <= log->last_op(); ++op) OnAppended(replica, op);
}

void LogChecker::OnReplicaGone(ReplicaId replica, uint64_t incarnation) {
  if (replicas_[replica].incarnation == incarnation) replicas_[replica].log = nullptr;
}

void LogChecker::OnAppended(ReplicaId replica, uint64_t op) {
  Replica& state = replicas_[replica];
  if (op != state.last() + 1 || op > state.log->last_op()) {
    findings_->Add("same-log", absl::StrCat(Name(replica), " appended op ", op, " after op ",
                                            state.last(), " to a log of ", state.log->last_op()));
    return;
  }
  const Entry entry = state.log->at(op);
  state.chain = Chained(state.chain, entry);
  state.held[state.incarnation] = op;
  if (replica == 0) {
    OnPrimaryAppended(entry, state.chain);
    CheckUnchanged();
  } else {
    OnBackupAppended(replica, entry, state.chain);
  }
}

void LogChecker::OnPrimaryAppended(const Entry& entry, const Digest& chain) {
  chain_.push_back(chain);
  auto [first, inserted] = ops_.try_emplace(entry.id, entry.op);
  if (!inserted) {
    findings_->Add("appended-once", absl::StrCat(ToString(entry.id), " stands at op ",
                                                 first->second, " and at op ", entry.op));
    return;
  }
  uint64_t& last_number = last_numbers_[entry.id.client];
  if (entry.id.number != last_number + 1) {
    findings_->Add("client-order", absl::StrCat(ToString(entry.id), " stands at op ", entry.op,
                                                ", right after number ", last_number));
  }
  last_number = entry.id.number;
}

void LogChecker::OnBackupAppended(ReplicaId backup, const Entry& entry, const Digest& chain) {
  if (entry.op > chain_.size()) {
    findings_->Add("same-log",
                   absl::StrCat(Name(backup), " has ", ToString(entry.id), " at op ", entry.op,
                                "; the primary's log ends at op ", chain_.size()));
  } else if (chain != chain_[entry.op - 1]) {
    findings_->Add("same-log", absl::StrCat(Name(backup), " has ", ToString(entry.id), " at op ",
                                            entry.op, ", where the primary's log is another one"));
  }
}

void LogChecker::OnCommitted(ReplicaId replica, uint64_t op) {
  if (replica == 0) {
    CheckUnchanged();
    if (op <= committed_) return;
    CheckMajority(op, "committed");
    committed_ = op;
  } else if (op > replicas_[replica].last()) {
    findings_->Add("majority",
                   absl::StrCat(Name(replica), " takes op ", op, " for committed and holds op ",
                                replicas_[replica].last()));
  }
}

void LogChecker::OnBackupAdmitted(ReplicaId backup, uint64_t incarnation) {
  replicas_[backup].admitted = incarnation;
}

void LogChecker::OnAcknowledged(uint64_t op, const EntryId& id) {
  CheckUnchanged();
  if (op > committed_) CheckMajority(op, "acknowledged");
  CheckStands(id, op, "the primary's reply");
}

void LogChecker::OnCompleted(const EntryId& id, uint64_t op) {
  CheckStands(id, op, "the reply to the client");
  auto [known, inserted] = acknowledged_.try_emplace(id, op);
  if (!inserted && known->second != op) {
    findings_->Add("stands", absl::StrCat(ToString(id), " was acknowledged at op ", known->second,
                                          " and then at op ", op));
  }
}

void LogChecker::CheckMajority(uint64_t op, const char* what) {
  int holders = 0;
  std::string names;
  for (ReplicaId r = 0; r < replica_count_; ++r) {
    const Replica& state = replicas_[r];
    auto held = state.held.find(r == 0 ? state.incarnation : state.admitted);
    if (held == state.held.end() || held->second < op) continue;
    ++holders;
    absl::StrAppend(&names, names.empty() ? "" : ", ", Name(r));
  }
  if (replicas_[0].last() >= op && holders * 2 > replica_count_) return;
  std::string entry = op >= 1 && op <= replicas_[0].last() && replicas_[0].log != nullptr
                          ? ToString(replicas_[0].log->at(op).id)
                          : "nothing";
  findings_->Add("majority", absl::StrCat(entry, " at op ", op, " is ", what, ", held by {", names,
                                          "}, ", holders, " of ", int{replica_count_}));
}

// The log keeps a chain of its own over all that it holds: if that is what the entries gave when
// they were added, then none of them has been exchanged.
void LogChecker::CheckUnchanged() {
  const Log* log = replicas_[0].log;
  if (log == nullptr || chain_.empty()) return;
  if (log->last_op() < chain_.size()) {
    findings_->Add("unchanged", absl::StrCat("the primary's log had ", chain_.size(),
                                             " entries and has ", log->last_op()));
  } else if (log->chain(chain_.size()) != chain_.back()) {
    findings_->Add("unchanged", absl::StrCat("the primary's log up to op ", chain_.size(),
                                             " is not what the primary appended there"));
  }
}

void LogChecker::CheckStands(const EntryId& id, uint64_t op, const char* whose) {
  const Log* log = replicas_[0].log;
  if (log == nullptr || op < 1 || op > log->last_op()) {
    findings_->Add("stands", absl::StrCat(ToString(id), " does not stand at op ", op, " where ",
                                          whose, " says that it does: the log ends before"));
  } else if (op <= chain_.size() && log->chain(op) != chain_[op - 1]) {
    findings_->Add("unchanged", absl::StrCat("the primary's log up to op ", op,
                                             " is not what the primary appended there"));
  } else if (log->at(op).id != id) {
    findings_->Add("stands",
                   absl::StrCat(ToString(id), " does not stand at op ", op, " where ", whose,
                                " says that it does: ", ToString(log->at(op).id), " does"));
  }
}

void LogChecker::Sweep() {
  for (ReplicaId r = 0; r < replica_count_; ++r) SweepLog(r);
  for (const auto& [id, op] : acknowledged_) CheckStands(id, op, "an earlier reply");
}

void LogChecker::SweepLog(ReplicaId replica) {
  const Log* log = replicas_[replica].log;
  if (log == nullptr) return;
  if (replica == 0 && log->last_op() < chain_.size()) {
    findings_->Add("unchanged", absl::StrCat("the primary's log had ", chain_.size(),
                                             " entries and has ", log->last_op()));
  }
  Digest chain;
  for (uint64_t op = 1; op <= log->last_op() && op <= chain_.size(); ++op) {
    const Entry entry = log->at(op);
    chain = Chained(chain, entry);
    if (chain == chain_[op - 1]) continue;
    findings_->Add(replica == 0 ? "unchanged" : "same-log",
                   absl::StrCat(Name(replica), " has ", ToString(entry.id), " at op ", op,
                                ", which is not what the primary appended there"));
    return;
  }
}

void LogChecker::CheckConverged() {
  for (ReplicaId r = 0; r < replica_count_; ++r) {
    const Replica& state = replicas_[r];
    if (state.log == nullptr) {
      findings_->Add("converged", absl::StrCat(Name(r), " is not running"));
    } else if (state.last() != chain_.size()) {
      findings_->Add("converged", absl::StrCat(Name(r), " holds op ", state.last(),
                                               ", the primary's log ends at op ", chain_.size()));
    }
  }
}

void LogChecker::CheckNothingCommittedAfter(uint64_t limit) {
  if (committed_ <= limit) return;
  findings_->Add("majority", absl::StrCat(committed_ - limit, " entries after op ", limit,
                                          " were committed while the primary had no majority"));
}

}  // namespace faultline::ledger
