// OutsideChecker: what can be known of the ledger from its clients' side alone.
//
//   Findings findings;
//   OutsideChecker checker(&findings);
//   ... RunClient(..., {.observers = checker.observers()}) ...
//   checker.ForEachAcknowledged([](const Acknowledged& entry) { ... });
//
// Invariants, by name:
//   reply-matches      as the ledger's own checker has it (reply_checker.h)
//   acknowledged-once  a client takes each of its entries for acknowledged once, and each was
//   issued client-order       the entries of a client stand in the log in the order of their
//   numbers fifo               the replies to entries that were issued while a connection stood
//   come over it
//                      in order, once each, none left out. (Entries from before may be answered
//                      twice over it: as retries, and as what has just been committed.)
//   whole-frames       no frame that was received was corrupted
//
// It remembers each entry: about 150 bytes.
#ifndef FAULTLINE_SCENARIOS_LOAD_OUTSIDE_CHECKER_H_
#define FAULTLINE_SCENARIOS_LOAD_OUTSIDE_CHECKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "scenarios/ledger/checkers/findings.h"
#include "scenarios/ledger/checkers/reply_checker.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/types.h"

namespace faultline::load {

// An entry that a client takes for acknowledged.
struct Acknowledged {
  ledger::EntryId id;
  uint64_t op = 0;
  ledger::Digest request;  // DigestOfRequest
};

class OutsideChecker final : public ledger::ClientObserver, public ledger::ConnectionObserver {
 public:
  explicit OutsideChecker(ledger::Findings* findings) : findings_(findings), replies_(findings) {}

  // For `RunClient`.
  ledger::Observers observers() { return {.connections = this, .clients = this}; }

  void OnIssued(const ledger::EntryId& id, const ledger::Digest& request) override;
  void OnReply(const ledger::ClientId& client, const ledger::ReplyFacts& reply) override;
  void OnCompleted(const ledger::EntryId& id, uint64_t op) override;
  void OnConnected(const ledger::Party& self, const ledger::Party& peer,
                   const ledger::ConnectionId& id) override;
  void OnLost(const ledger::Party& self, const ledger::Party& peer, const ledger::ConnectionId& id,
              const absl::Status& status) override;

  // In the order of (client, number).
  void ForEachAcknowledged(const std::function<void(const Acknowledged&)>& function) const;

 private:
  struct Entry {
    ledger::Digest request;
    uint64_t op = 0;  // 0: not acknowledged
  };
  struct Client {
    std::vector<Entry> entries;  // number n at n - 1
    uint64_t issued_before = 0;  // this connection
    uint64_t next_reply = 0;     // over this connection, of those that were issued since
  };

  void CheckOrder(const Client& client, const ledger::EntryId& id) const;

  ledger::Findings* const findings_;
  ledger::ReplyChecker replies_;
  std::map<ledger::ClientId, Client> clients_;
};

}  // namespace faultline::load

#endif  // FAULTLINE_SCENARIOS_LOAD_OUTSIDE_CHECKER_H_
