// Planted bugs: real ones of real systems, each behind a switch, so that it can be shown that the
// checkers find them.
//
//   LedgerBugs bugs;
//   absl::Status known = EnableBug("reply-before-majority", &bugs);
//   ... RunReplica(config, {..., .bugs = &bugs}) ...
//
// The service takes a pointer to the switches, null in production. `LedgerBugCatalog` says of each
// what it does and where it was met.
#ifndef FAULTLINE_SCENARIOS_LEDGER_BUGS_H_
#define FAULTLINE_SCENARIOS_LEDGER_BUGS_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"

namespace faultline::ledger {

// Fields in the order of the catalogue.
struct LedgerBugs {
  bool stale_close_evicts_newer = false;
  bool reply_before_majority = false;
  bool retry_appended_again = false;
  bool expired_reply_swallows_retry = false;
  bool retry_gets_latest_reply = false;
  bool ack_past_gap = false;
  bool ack_counted_twice = false;
  bool ack_of_older_incarnation = false;
  bool catch_up_skips_at_chunk_end = false;
  bool live_overtakes_catch_up = false;
  bool dropped_prepare_forgotten = false;
  bool reply_to_reused_slot = false;
  bool slow_peer_stalls_all = false;
  bool lost_wake_up = false;
  bool loss_noticed_twice = false;
};

struct BugDescription {
  std::string_view name;       // for --bug
  std::string_view what;       // what the service then does
  std::string_view origin;     // where such a bug was real
  uint8_t min_replicas;        // smaller clusters cannot show it
  bool LedgerBugs::* enabled;  // its switch
};

std::span<const BugDescription> LedgerBugCatalog();

// Errors: NotFound, no bug has this name.
absl::Status EnableBug(std::string_view name, LedgerBugs* bugs);

// Whether `bugs` is given and has `bug` on.
inline bool Planted(const LedgerBugs* bugs, bool LedgerBugs::* bug) {
  return __builtin_expect(bugs != nullptr, false) && bugs->*bug;
}

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_BUGS_H_
