#include "scenarios/ledger/quorum.h"

#include <algorithm>
#include <functional>

#include "runtime/check.h"

namespace faultline::ledger {

Quorum::Quorum(uint8_t replica_count, const LedgerBugs* bugs) : count_(replica_count), bugs_(bugs) {
  FAULTLINE_CHECK(replica_count >= 1 && replica_count <= kMaxReplicas)
      << "a cluster of " << int{replica_count};
}

void Quorum::Admit(ReplicaId backup, uint64_t incarnation) {
  FAULTLINE_CHECK(backup > 0 && backup < count_) << "no backup " << int{backup};
  Backup& state = backups_[backup];
  if (state.incarnation == incarnation) return;
  state.incarnation = incarnation;
  if (!Planted(bugs_, &LedgerBugs::ack_of_older_incarnation)) state.held = 0;
}

void Quorum::Acknowledge(ReplicaId backup, uint64_t op) {
  FAULTLINE_CHECK(backup > 0 && backup < count_) << "no backup " << int{backup};
  backups_[backup].held = std::max(backups_[backup].held, op);
  if (Planted(bugs_, &LedgerBugs::ack_counted_twice)) {
    std::copy_backward(ballots_.begin() + 1, ballots_.begin() + count_ - 1,
                       ballots_.begin() + count_);
    ballots_[1] = op;
  }
}

uint64_t Quorum::Committed(uint64_t own_last) {
  std::array<uint64_t, kMaxReplicas> held{};
  held[0] = own_last;
  for (size_t i = 1; i < count_; ++i) held[i] = backups_[i].held;
  if (Planted(bugs_, &LedgerBugs::ack_counted_twice)) held = ballots_, held[0] = own_last;
  // In descending order, the one at half of the count is held by a majority.
  std::sort(held.begin(), held.begin() + count_, std::greater<>());
  committed_ = std::max(committed_, std::min(held[count_ / 2], own_last));
  return committed_;
}

}  // namespace faultline::ledger
