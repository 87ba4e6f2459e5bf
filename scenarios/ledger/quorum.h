// Quorum: what the primary knows of its backups' logs, and what follows: how far a majority holds
// the log.
//
//   Quorum quorum(3);
//   quorum.Admit(1, incarnation);       // a backup has connected
//   quorum.Acknowledge(1, 10);          // it holds everything up to op 10
//   quorum.Committed(12)                // 10: the primary, which holds 12, and backup 1
//
// Acknowledgements are cumulative, so that a repeated or late one does no harm. A backup that
// returns in another incarnation returns empty: what it acknowledged before counts no more. Nothing
// that was committed is taken back: the primary itself holds it and does not crash.
#ifndef FAULTLINE_SCENARIOS_LEDGER_QUORUM_H_
#define FAULTLINE_SCENARIOS_LEDGER_QUORUM_H_

#include <array>
#include <cstdint>

#include "scenarios/ledger/bugs.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

class Quorum {
 public:
  // Replica 0 is the primary. `bugs` may be null.
  explicit Quorum(uint8_t replica_count, const LedgerBugs* bugs = nullptr);

  void Admit(ReplicaId backup, uint64_t incarnation);
  // From the incarnation that was admitted last.
  void Acknowledge(ReplicaId backup, uint64_t op);

  // 0: nothing, or unknown.
  uint64_t held(ReplicaId backup) const { return backups_[backup].held; }

  // The highest op that a majority holds, of which the primary, with a log of `own_last`, is one.
  // Never goes back.
  uint64_t Committed(uint64_t own_last);

 private:
  struct Backup {
    uint64_t incarnation = 0;
    uint64_t held = 0;
  };

  const uint8_t count_;
  std::array<Backup, kMaxReplicas> backups_;  // by replica; the first is not used
  uint64_t committed_ = 0;
  const LedgerBugs* const bugs_;
  std::array<uint64_t, kMaxReplicas> ballots_{};  // planted: the last ones, whoever they come from
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_QUORUM_H_
