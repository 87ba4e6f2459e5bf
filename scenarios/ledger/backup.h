// Backup: a replica other than 0. Appends what the primary sends, in its order, says how far it
// holds the log, and asks for what it lacks.
//
// The protocol without its I/O, as primary.h. What is missing shows in three ways: a prepare that
// leaves a gap, a greeting whose sender holds more, the end of a chunk that is not the end of the
// log. Then one request for a chunk is under way at a time, with a deadline; the next follows when
// its data has come. So a backup that catches up is never sent more than it can take. The primary
// is asked if it is connected; else another backup, which gives what it knows to be committed.
//
// Invariants
//  1. The log is a prefix of the primary's: an entry is appended only right behind its parent.
//  2. What is acknowledged is held: up to the last entry of the log, without a gap.
#ifndef FAULTLINE_SCENARIOS_LEDGER_BACKUP_H_
#define FAULTLINE_SCENARIOS_LEDGER_BACKUP_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "runtime/time.h"
#include "scenarios/ledger/frames.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/primary.h"
#include "scenarios/ledger/types.h"
#include "transports/message/message.h"

namespace faultline::ledger {

class Backup {
 public:
  // A request for a chunk is repeated after `catch_up_timeout`.
  Backup(ReplicaId self, uint8_t replica_count, Duration catch_up_timeout,
         const ChunkLimits& chunks, const ProtocolParts& parts);
  Backup(const Backup&) = delete;
  Backup& operator=(const Backup&) = delete;

  void OnPeerConnected(ReplicaId peer, const Greeting& greeting, MonotonicTime now);
  void OnPeerLost(ReplicaId peer);

  // Errors: DataLoss, the sender's log is another one; InvalidArgument, this is not for it to send;
  // ResourceExhausted, the log is full. The connection has to end.
  absl::Status OnPrepare(ReplicaId from, const message::Message& prepare, MonotonicTime now);
  absl::Status OnCommit(ReplicaId from, const message::CommitFields& commit);
  absl::Status OnCatchUpData(ReplicaId from, const message::Message& data, MonotonicTime now);
  absl::Status OnCatchUpRequest(ReplicaId from, const message::CatchUpRequestFields& request);
  // A later ping or pong.
  void OnGreeting(ReplicaId from, const Greeting& greeting, MonotonicTime now);

  // Everything that had arrived has been handled: acknowledges it, once.
  void OnFramesEnd();
  // Repeats what was not answered in time.
  void OnTick(MonotonicTime now) { AskForMore(now); }

  uint64_t committed() const { return committed_; }
  bool catching_up() const { return request_.has_value(); }

 private:
  struct Peer {
    bool connected = false;
    uint64_t incarnation = 0;
    uint64_t available = 0;  // how far it can be asked for entries
  };
  struct Request {
    ReplicaId to = 0;
    uint64_t sequence = 0;
    MonotonicTime give_up;
  };

  Log& log() const { return *parts_.log; }
  bool planted(bool LedgerBugs::* bug) const { return Planted(parts_.bugs, bug); }

  absl::Status CheckHeld(const message::PrepareFields& fields, const EntryId& id) const;
  absl::Status CheckCommitted(uint64_t commit, const Digest& digest) const;
  absl::Status Append(const Digest* parent, const EntryId& id, std::span<const std::byte> payload);
  absl::Status AppendChunk(const message::CatchUpDataFields& fields, CatchUpBody body);
  void OnGap(const message::PrepareFields& fields, const EntryId& id,
             std::span<const std::byte> payload);
  void Learn(ReplicaId peer, uint64_t op, uint64_t commit);
  void LearnCommit(uint64_t commit);
  std::optional<ReplicaId> Source() const;
  void AskForMore(MonotonicTime now);
  void MaybeCatchUp(MonotonicTime now);

  const ReplicaId self_;
  const uint8_t replica_count_;
  const Duration catch_up_timeout_;
  const ChunkLimits chunks_;
  const ProtocolParts parts_;
  std::array<Peer, kMaxReplicas> peers_;
  uint64_t committed_ = 0;
  bool acknowledge_ = false;  // something arrived that is to be acknowledged
  uint64_t last_sequence_ = 0;
  std::optional<Request> request_;
  uint64_t skipped_ = 0;  // planted: entries that the next request leaves out
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_BACKUP_H_
