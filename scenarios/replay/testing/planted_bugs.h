// The planted bugs, and what the replay program finds each of them with. For its tests.
#ifndef FAULTLINE_SCENARIOS_REPLAY_TESTING_PLANTED_BUGS_H_
#define FAULTLINE_SCENARIOS_REPLAY_TESTING_PLANTED_BUGS_H_

#include <cstdint>
#include <ostream>

namespace faultline::replay {

inline constexpr char kTransport[] = "--scenario=transport --faults=none";
inline constexpr char kTransportHeavy[] = "--scenario=transport --faults=heavy --plane=client";
inline constexpr char kTransportSwarm[] = "--scenario=transport --faults=swarm --plane=both";
inline constexpr char kEcho[] = "--scenario=echo --faults=none";
inline constexpr char kWebSocket[] = "--scenario=transport --faults=none --transport=ws";
inline constexpr char kWebSocketHeavy[] =
    "--scenario=transport --faults=heavy --plane=client --transport=ws";
inline constexpr char kLedger[] = "--scenario=ledger --faults=swarm --plane=both";
inline constexpr char kLedgerFive[] = "--scenario=ledger-five --faults=swarm --plane=both";
inline constexpr char kHeavy[] = "--scenario=ledger --faults=heavy --plane=both";
inline constexpr char kHeavyOnClients[] = "--scenario=ledger --faults=heavy --plane=client";
inline constexpr char kHeavyOnReplicas[] = "--scenario=ledger --faults=heavy --plane=replica";
inline constexpr char kAmnesia[] = "--scenario=ledger-amnesia --faults=light --plane=client";
inline constexpr char kStalledBackup[] = "--scenario=ledger-stalled-backup --faults=none";
inline constexpr char kSlowBackup[] = "--scenario=ledger-slow-backup --faults=none";

// The seeds are about ten times as many as the bug needs on average, and at least ten.
struct Planted {
  const char* bug;
  const char* where;      // the campaign's flags
  uint64_t seeds;         // found among those from 1 on
  const char* invariant;  // that it breaks; a bug may break one or another of several
};

inline void PrintTo(const Planted& planted, std::ostream* out) { *out << planted.bug; }

inline constexpr Planted kPlanted[] = {
    // The transports'.
    {"partial-write-is-complete", kTransport, 10, "no-noise"},
    {"partial-write-starts-over", kTransport, 10, "no-noise"},
    {"partial-write-swaps-order", kTransport, 10, "in-order"},
    {"failed-writer-goes-on", kTransport, 10, "dead-writer"},
    {"dead-writer-parks-reader", kTransport, 10, "dead-writer|ends"},
    {"torn-header-is-clean-end", kTransport, 10, "torn"},
    {"torn-body-is-clean-end", kTransport, 10, "torn"},
    {"cancelled-read-loses-bytes", kTransportHeavy, 10, "no-noise"},
    {"compaction-off-by-one", kTransportHeavy, 10, "no-noise"},
    {"maximum-size-ignored", kTransportSwarm, 10, "maximum"},
    // Of the least scenario, so that its checks are seen to fail too.
    {"echo-answers-wrongly", kEcho, 10, "answers"},
    {"echo-falls-silent", kEcho, 10, "completes"},
    // The service's, where every fault may strike.
    {"reply-before-majority", kLedger, 10, "majority"},
    {"catch-up-skips-at-chunk-end", kLedger, 15, "same-log"},
    {"loss-noticed-twice", kLedger, 10, "one-loss-notice"},
    {"ack-counted-twice", kLedgerFive, 15, "majority"},
    {"reply-to-reused-slot", kHeavy, 50, "reply-matches"},
    // Those of the traffic with clients, and of the traffic between replicas.
    {"retry-appended-again", kHeavyOnClients, 20, "appended-once"},
    {"expired-reply-swallows-retry", kHeavyOnClients, 20, "completes"},
    {"retry-gets-latest-reply", kHeavyOnClients, 30, "stands|majority"},
    {"stale-close-evicts-newer", kHeavyOnReplicas, 15, "registry"},
    {"live-overtakes-catch-up", kHeavyOnReplicas, 15, "same-log"},
    {"lost-wake-up", kHeavyOnReplicas, 20, "writer-awake"},
    {"ack-past-gap", kHeavyOnReplicas, 50, "majority"},
    // Those that want a story of their own.
    {"ack-of-older-incarnation", kAmnesia, 40, "majority"},
    {"dropped-prepare-forgotten", kStalledBackup, 10, "converged"},
    {"slow-peer-stalls-all", kSlowBackup, 10, "calm|pace"},
};

// Those of the transports that WebSocket has as well.
inline constexpr Planted kPlantedOverWebSocket[] = {
    {"partial-write-is-complete", kWebSocket, 10, "no-noise"},
    {"partial-write-starts-over", kWebSocket, 10, "no-noise"},
    {"failed-writer-goes-on", kWebSocket, 10, "dead-writer"},
    {"dead-writer-parks-reader", kWebSocket, 10, "dead-writer|ends|no-noise"},
    {"torn-header-is-clean-end", kWebSocket, 10, "torn"},
    {"torn-body-is-clean-end", kWebSocket, 10, "torn"},
    {"cancelled-read-loses-bytes", kWebSocketHeavy, 30, "no-noise"},
    {"compaction-off-by-one", kWebSocketHeavy, 30, "no-noise"},
    {"maximum-size-ignored", kWebSocket, 10, "maximum"},
};

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_TESTING_PLANTED_BUGS_H_
