// LivenessChecker: what has to happen happens in time.
//
// Whoever makes the faults says what the world allows, as it changes (`SetHealth`):
//   kNone    nothing is promised
//   kQuorum  the clients, the primary and enough backups for a majority are up and reach each other
//   kAll     everybody is up and reaches everybody, nothing is slowed
//
// Invariants, by name:
//   completes  under kQuorum or better, a request completes within `quorum_bound`, counted from
//   when
//              it was issued or from when that health began
//   calm       once kQuorum or better has lasted for `settle`, a request completes within
//              `calm_bound`; and once kAll has, no connection is lost. What repairs itself without
//              having been broken was broken.
//
// Time is the world's, in nanoseconds, not that of any host. Requests are judged when they complete
// and whenever `Check` is called: call it at least once at the end.
#ifndef FAULTLINE_SCENARIOS_LEDGER_CHECKERS_LIVENESS_CHECKER_H_
#define FAULTLINE_SCENARIOS_LEDGER_CHECKERS_LIVENESS_CHECKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "runtime/time.h"
#include "scenarios/ledger/checkers/findings.h"
#include "scenarios/ledger/observer.h"

namespace faultline::ledger {

enum class Health : uint8_t { kNone, kQuorum, kAll };

struct LivenessBounds {
  Duration quorum_bound = 30s;
  Duration settle = 30s;
  Duration calm_bound = 1s;
};

class LivenessChecker final : public ClientObserver, public ConnectionObserver {
 public:
  using Now = std::function<MonotonicTime()>;
  // Starts at kAll, settled: a run begins without faults.
  LivenessChecker(LivenessBounds bounds, Now now, Findings* findings)
      : bounds_(bounds), now_(std::move(now)), findings_(findings) {}

  void SetHealth(Health health);
  // Judges the requests that are open.
  void Check();

  void OnIssued(const EntryId& id, const Digest& request) override;
  void OnCompleted(const EntryId& id, uint64_t op) override;
  void OnLost(const Party& self, const Party& peer, const ConnectionId& id,
              const absl::Status& status) override;

  uint64_t open() const { return open_.size(); }
  uint64_t completed() const { return completed_; }
  // The longest that any request has taken, faults or not.
  Duration slowest() const { return slowest_; }

 private:
  void Judge(const EntryId& id, MonotonicTime issued, MonotonicTime now, const char* state);

  const LivenessBounds bounds_;
  const Now now_;
  Findings* const findings_;
  Health health_ = Health::kAll;
  MonotonicTime quorum_since_;             // while kQuorum or kAll
  MonotonicTime quorum_settled_;           // likewise: since then, or in the future
  MonotonicTime all_settled_;              // while kAll
  std::map<EntryId, MonotonicTime> open_;  // and when they were issued
  uint64_t completed_ = 0;
  Duration slowest_{};
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CHECKERS_LIVENESS_CHECKER_H_
