// LogChecker: whatever was acknowledged stands, once, in one order; the replicas' logs agree.
//
// It reads the replicas' real logs, at each entry that is added to one of them, at each
// acknowledgement, and as a whole when asked (`Sweep`). It computes digests and chains from the
// entries' bytes itself.
//
// Invariants, by name:
//   appended-once   no entry stands twice in the primary's log
//   client-order    a client's entries stand there in the order of their numbers, none left out
//   same-log        each replica's log is a prefix of the primary's
//   majority        what is committed, or acknowledged without that, is held by a majority then
//   stands          an acknowledged entry is where the reply says that it is, then and ever after
//   unchanged       no entry of the primary's log changes or goes away (see below)
//   converged       (only `CheckConverged`) every replica has the whole log of the primary
//
// "Held by a majority" is asked once of each entry: when the commit point of the primary passes it.
// What the primary acknowledges beyond its commit point must be held by a majority too, at that
// moment. It means: the primary holds the entry, and so does, or did, each of enough backups, in
// the incarnation of it that the primary has met last. A backup that crashes after it has
// acknowledged and returns empty counts until the primary has met the new incarnation: nobody can
// know earlier. That is safe because the primary itself does not crash.
//
// An entry that is committed stays so. If its reply was lost and a backup that held it has been met
// again empty, a retry is answered all the same, although fewer than a majority hold the entry
// until that backup has caught up: the promise was made when it was committed.
//
// When: each entry is read as it is added, committed, acknowledged and completed. At each of these
// events of the primary its log is held against what it appended: the length, and the chain at the
// end and at the entry. That finds a log that was cut or rewritten at the next event, at the price
// of a comparison. Entries whose bytes alone have changed are found by `Sweep`, which reads
// everything again; the caller says how often.
#ifndef FAULTLINE_SCENARIOS_LEDGER_CHECKERS_LOG_CHECKER_H_
#define FAULTLINE_SCENARIOS_LEDGER_CHECKERS_LOG_CHECKER_H_

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "scenarios/ledger/checkers/findings.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

class LogChecker final : public ReplicaObserver, public ClientObserver {
 public:
  LogChecker(uint8_t replica_count, Findings* findings)
      : replica_count_(replica_count), findings_(findings) {}

  void OnReplicaStarted(ReplicaId replica, uint64_t incarnation, const Log* log) override;
  void OnReplicaGone(ReplicaId replica, uint64_t incarnation) override;
  void OnAppended(ReplicaId replica, uint64_t op) override;
  void OnCommitted(ReplicaId replica, uint64_t op) override;
  void OnBackupAdmitted(ReplicaId backup, uint64_t incarnation) override;
  void OnAcknowledged(uint64_t op, const EntryId& id) override;
  void OnCompleted(const EntryId& id, uint64_t op) override;

  // Reads every live replica's whole log again. For quiet moments and the end.
  void Sweep();
  // All replicas are up and have all of the primary's log.
  void CheckConverged();

  // The primary has committed nothing after `limit`, where its backups' logs ended when it was cut
  // off from them.
  void CheckNothingCommittedAfter(uint64_t limit);

  uint64_t appended() const { return chain_.size(); }
  // Entries that clients take for acknowledged.
  uint64_t acknowledged() const { return acknowledged_.size(); }

 private:
  struct Replica {
    uint64_t incarnation = 0;
    const Log* log = nullptr;           // null: not running
    Digest chain;                       // over what it holds
    std::map<uint64_t, uint64_t> held;  // by incarnation
    uint64_t admitted = 0;              // the incarnation that the primary has met last
    uint64_t last() const { return held.empty() ? 0 : held.at(incarnation); }
  };

  void OnPrimaryAppended(const Entry& entry, const Digest& chain);
  void OnBackupAppended(ReplicaId backup, const Entry& entry, const Digest& chain);
  void CheckMajority(uint64_t op, const char* what);
  void CheckUnchanged();
  void CheckStands(const EntryId& id, uint64_t op, const char* whose);
  void SweepLog(ReplicaId replica);

  const uint8_t replica_count_;
  Findings* const findings_;
  std::array<Replica, kMaxReplicas> replicas_;
  uint64_t committed_ = 0;                     // the highest op that the primary took for committed
  std::vector<Digest> chain_;                  // of the primary; of op n at n - 1
  std::map<EntryId, uint64_t> ops_;            // of the entries of the primary
  std::map<ClientId, uint64_t> last_numbers_;  // in the primary's log
  std::map<EntryId, uint64_t> acknowledged_;   // and the op that was named
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CHECKERS_LOG_CHECKER_H_
