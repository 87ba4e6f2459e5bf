// ReplyChecker: replies match their requests.
//
// Invariant reply-matches: a reply arrives at the client whose request it answers, which did issue
// that request, with this content; and each reply to one request names the same op.
#ifndef FAULTLINE_SCENARIOS_LEDGER_CHECKERS_REPLY_CHECKER_H_
#define FAULTLINE_SCENARIOS_LEDGER_CHECKERS_REPLY_CHECKER_H_

#include <cstdint>
#include <map>

#include "scenarios/ledger/checkers/findings.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

class ReplyChecker final : public ClientObserver {
 public:
  explicit ReplyChecker(Findings* findings) : findings_(findings) {}

  void OnIssued(const EntryId& id, const Digest& request) override;
  void OnReply(const ClientId& client, const ReplyFacts& reply) override;

  uint64_t replies() const { return replies_; }

 private:
  struct Issued {
    Digest request;
    uint64_t op = 0;  // that replies name; 0: none yet
  };

  Findings* const findings_;
  std::map<EntryId, Issued> issued_;
  uint64_t replies_ = 0;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CHECKERS_REPLY_CHECKER_H_
