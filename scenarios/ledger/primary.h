// Primary: replica 0. Orders entries, gets them to the backups, answers when a majority holds them.
//
// The protocol without its I/O: it is told what arrived and says what to send (`Outgoing`); nothing
// here suspends. A request goes
//
//   OnRequest --new--> appended --Replicate--> prepares to the backups
//   OnPrepareOk --a majority holds it--> committed --> reply
//
// Invariants
//  1. An entry is appended once, whatever is sent again (sessions.h).
//  2. A reply leaves after its entry is committed; each committed request that is sent again is
//     answered again.
//  3. A backup that is `streaming` has been sent, on this connection and in order, everything from
//     where it stood up to `next - 1`. What does not fit into its queue is not sent: the log is the
//     longer queue, and `next` goes on when the backup has taken something. A slow backup holds up
//     nobody but itself.
//  4. One that is not streaming, because it has just connected and lacks more than a chunk, asks
//     for that (catch-up), chunk by chunk, and streams once a chunk has reached the end of the log.
//  5. What a backup holds counts for the incarnation that said so (quorum.h).
#ifndef FAULTLINE_SCENARIOS_LEDGER_PRIMARY_H_
#define FAULTLINE_SCENARIOS_LEDGER_PRIMARY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "runtime/event.h"
#include "runtime/time.h"
#include "scenarios/ledger/bugs.h"
#include "scenarios/ledger/frames.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/outgoing.h"
#include "scenarios/ledger/quorum.h"
#include "scenarios/ledger/sessions.h"
#include "transports/message/message.h"

namespace faultline::ledger {

// What both roles work with. Not owned; `observer` and `bugs` may be null.
struct ProtocolParts {
  Log* log = nullptr;
  const FrameMaker* frames = nullptr;
  Outgoing* outgoing = nullptr;
  ReplicaObserver* observer = nullptr;
  const LedgerBugs* bugs = nullptr;
};

struct PrimaryLimits {
  SessionLimits sessions{};
  ChunkLimits chunks{};
  // Of an entry, in bytes. What is larger would fit into a request and not into catch-up data.
  size_t max_payload = std::numeric_limits<size_t>::max();
};

class Primary {
 public:
  Primary(uint8_t replica_count, const PrimaryLimits& limits, const ProtocolParts& parts);
  Primary(const Primary&) = delete;
  Primary& operator=(const Primary&) = delete;

  // --- Clients ---

  // A client has shaken hands; `sent` is the last number that it ever sent. Errors: those of
  // `SessionTable::Open`.
  absl::Status OnClientConnected(const ClientId& client, uint64_t sent, MonotonicTime now);
  // `goodbye`: the client has ended its connection itself, in good order.
  void OnClientLeft(const ClientId& client, bool goodbye, MonotonicTime now);
  // `slot` is where the connection sits. Errors: InvalidArgument, the client breaks the protocol:
  // the connection has to end. FailedPrecondition, this is never done, whoever asks;
  // ResourceExhausted, the log is full: then the client has been sent a refusal, and the connection
  // has to end in good order behind it, since what follows would leave a gap.
  absl::Status OnRequest(const ClientId& from, const message::Message& request, uint32_t slot);

  // --- Backups ---

  void OnBackupConnected(ReplicaId backup, uint64_t incarnation);
  void OnBackupLost(ReplicaId backup);
  // Errors: DataLoss, the backup's log is not a prefix of this one; InvalidArgument.
  absl::Status OnPrepareOk(ReplicaId backup, const message::PrepareOkFields& ok);
  absl::Status OnCatchUpRequest(ReplicaId backup, const message::CatchUpRequestFields& request);

  // --- Background ---

  // Set when `Replicate` has something to do.
  Event* work() { return &work_; }
  // Queues new entries, and what was committed, for the backups that stream.
  void Replicate();
  // Planted: the backup that the rest waits for now, if any.
  std::optional<ReplicaId> stalled_by() const { return stalled_by_; }

  // How far a backup should hold the log once everything that was queued for it has arrived; more
  // than that only if it has to ask.
  uint64_t head_for(ReplicaId backup) const {
    return backups_[backup].streaming ? backups_[backup].next - 1 : log().last_op();
  }
  uint64_t committed() const { return committed_; }
  bool all_committed() const { return committed_ == log().last_op(); }

 private:
  struct Backup {
    bool connected = false;
    bool streaming = false;
    bool blocked = false;  // its queue was full when `Replicate` ran last
    uint64_t incarnation = 0;
    uint64_t next = 0;  // the first entry that was not sent, while streaming
    uint64_t told = 0;  // the commit that it was told of last
  };

  Log& log() const { return *parts_.log; }
  bool planted(bool LedgerBugs::* bug) const { return Planted(parts_.bugs, bug); }

  // Why a request that is well formed is not served. OK: it is.
  absl::Status CheckServed(const message::Message& request) const;
  absl::Status Refuse(const EntryId& id, const Digest& request, absl::Status why);
  absl::Status Append(Session* session, const EntryId& id, const Digest& request,
                      std::span<const std::byte> payload, uint32_t slot);
  absl::Status AnswerAgain(const Session& session, const EntryId& id, const Digest& request);
  void AdvanceCommit();
  void Acknowledge(const EntryId& id, const Digest& request, uint64_t op);
  uint64_t NextToSend() const;
  void SendPrepare(uint64_t op);
  void SendCommit();

  const uint8_t replica_count_;
  const ChunkLimits chunks_;
  const size_t max_payload_;
  const ProtocolParts parts_;
  SessionTable sessions_;
  Quorum quorum_;
  std::array<Backup, kMaxReplicas> backups_;  // by replica; the first is not used
  uint64_t committed_ = 0;
  Event work_;

  std::optional<ReplicaId> stalled_by_;  // planted
  std::map<uint64_t, uint32_t> slots_;   // planted: where each open request came from, by op
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_PRIMARY_H_
