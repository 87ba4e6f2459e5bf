#include "scenarios/ledger/bugs.h"

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

constexpr BugDescription kCatalog[] = {
    {"stale-close-evicts-newer",
     "the end of a replaced connection removes the newer connection of the same peer from the "
     "registry",
     "TigerBeetle's message bus; Iggy's bus, a stale exit cleared the newer connection's slot", 3,
     &LedgerBugs::stale_close_evicts_newer},
    {"reply-before-majority",
     "the primary answers as soon as it has appended, before a backup holds the entry",
     "the classic of replication: acknowledged is taken for committed", 3,
     &LedgerBugs::reply_before_majority},
    {"retry-appended-again", "a request that is sent again is appended again",
     "any service that retries without deduplication", 3, &LedgerBugs::retry_appended_again},
    {"expired-reply-swallows-retry",
     "a retry whose reply is out of the cache counts as fresh, but the insertion finds the number "
     "taken: the retry vanishes",
     "Iggy's deduplication", 3, &LedgerBugs::expired_reply_swallows_retry},
    {"retry-gets-latest-reply",
     "a retry is answered with the client's latest reply, not with its own",
     "Iggy's QUIC transport, where a stranded reply shifted each later one", 3,
     &LedgerBugs::retry_gets_latest_reply},
    {"ack-past-gap",
     "a backup acknowledges the highest entry that it has seen, although one before it is missing",
     "cumulative acknowledgements over a plane that drops under back-pressure", 3,
     &LedgerBugs::ack_past_gap},
    {"ack-counted-twice",
     "acknowledgements are counted by message: a repeated one stands for another backup",
     "a backup that acknowledges again after it has reconnected", 5,
     &LedgerBugs::ack_counted_twice},
    {"ack-of-older-incarnation",
     "what a backup had acknowledged before it restarted empty still counts for it",
     "amnesia after a crash, which Viewstamped Replication's recovery protocol is about", 5,
     &LedgerBugs::ack_of_older_incarnation},
    {"catch-up-skips-at-chunk-end", "catching up leaves out one entry between two chunks",
     "an exclusive end that is read as an inclusive one", 3,
     &LedgerBugs::catch_up_skips_at_chunk_end},
    {"live-overtakes-catch-up",
     "the primary sends new entries to a backup that is still catching up, which appends them in "
     "the "
     "order of arrival",
     "state transfer that runs beside the live log", 3, &LedgerBugs::live_overtakes_catch_up},
    {"dropped-prepare-forgotten",
     "an entry that did not fit into a backup's queue is never sent again, and the backup does not "
     "ask for it",
     "TigerBeetle's message bus, where missing flow control dropped prepares", 3,
     &LedgerBugs::dropped_prepare_forgotten},
    {"reply-to-reused-slot",
     "the primary answers into the connection slot that the request came from, whoever has it now",
     "slots that are reused without a generation; Iggy's reply streams", 3,
     &LedgerBugs::reply_to_reused_slot},
    {"slow-peer-stalls-all",
     "the primary waits for room in a slow backup's queue before it serves the others",
     "Iggy's bus, where a borrow held across an await let one slow peer stall all", 3,
     &LedgerBugs::slow_peer_stalls_all},
    {"lost-wake-up",
     "a writer that has emptied a full queue half sleeps until the next message comes",
     "a wake-up flag that is cleared after the queue was looked at", 3, &LedgerBugs::lost_wake_up},
    {"loss-noticed-twice",
     "the reader and the writer of a connection report its loss each for itself",
     "Iggy's bus, whose connection-lost callback has to fire exactly once", 3,
     &LedgerBugs::loss_noticed_twice},
};

}  // namespace

std::span<const BugDescription> LedgerBugCatalog() { return kCatalog; }

absl::Status EnableBug(std::string_view name, LedgerBugs* bugs) {
  for (const BugDescription& bug : kCatalog) {
    if (bug.name != name) continue;
    bugs->*bug.enabled = true;
    return absl::OkStatus();
  }
  return absl::NotFoundError(
      absl::StrCat("no planted bug is called ", absl::string_view(name.data(), name.size())));
}

}  // namespace faultline::ledger
