// FrameMaker and the catch-up body: the ledger's use of the frames of transports/message.
//
//   FrameMaker frames(pool, cluster, Party::Replica(0), incarnation);
//   outbox.TryPush(frames.Reply(id, request, op, commit));
//
// Every connection begins with a ping by the dialer, answered by a pong or a reject. In that ping
//   sequence     is the number of the dialer's attempt, growing in one life of it
//   incarnation  is the dialer's (0 for clients, whose ids are good for one life)
//   op           is the last entry that a replica holds; of a client, the last number that it sent
// Later pings say that the sender lives, and how far its log goes.
#ifndef FAULTLINE_SCENARIOS_LEDGER_FRAMES_H_
#define FAULTLINE_SCENARIOS_LEDGER_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/frozen.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/types.h"
#include "transports/message/fields.h"
#include "transports/message/message.h"

namespace faultline::ledger {

inline message::Uint128 ToWire(const ClientId& id) { return {id.low, id.high}; }
inline message::Uint128 ToWire(const Digest& digest) { return {digest.low, digest.high}; }
inline ClientId ClientFromWire(const message::Uint128& id) { return {id.high, id.low}; }
inline Digest DigestFromWire(const message::Uint128& digest) { return {digest.low, digest.high}; }

// What a ping or a pong says.
struct Greeting {
  Party who{};
  uint64_t incarnation = 0;
  uint64_t sequence = 0;
  uint64_t timestamp = 0;
  uint64_t op = 0;
  uint64_t commit = 0;
};
// `greeting` is a ping or a pong.
Greeting ReadGreeting(const message::Message& greeting);

// The same at both ends of a connection. `ping` is the one that opened it.
ConnectionId ConnectionIdOf(const Greeting& ping, ReplicaId acceptor);

// In front of each entry in the body of catch-up data, in bytes: client 16, number 8, size 8.
inline constexpr size_t kEntryHeaderSize = 32;

// How much one frame of catch-up data carries: at least one entry, else at most this.
struct ChunkLimits {
  uint64_t max_entries = 256;
  size_t max_bytes = size_t{64} << 10;
};

class FrameMaker {
 public:
  // `pool` outlives it.
  FrameMaker(BufferPool* pool, message::Uint128 cluster, const Party& self, uint64_t incarnation)
      : pool_(pool), cluster_(cluster), self_(self), incarnation_(incarnation) {}

  const message::Uint128& cluster() const { return cluster_; }
  const Party& self() const { return self_; }
  uint64_t incarnation() const { return incarnation_; }

  // `who` and `incarnation` are the maker's, whatever the greeting says.
  Frozen Ping(const Greeting& greeting) const;
  Frozen Pong(const Greeting& greeting) const;

  Frozen Request(const EntryId& id, const Digest& request,
                 std::span<const std::byte> payload) const;
  Frozen Reply(const EntryId& id, const Digest& request, uint64_t op, uint64_t commit) const;
  // To a request that will never be served: a reply with the status kRefused, and no op.
  Frozen Refusal(const EntryId& id, const Digest& request) const;
  Frozen Reject(message::RejectReason reason) const;

  // The entry at `op` of `log`.
  Frozen Prepare(const Log& log, uint64_t op, uint64_t commit) const;
  // To the primary of that incarnation, about the log up to `op`, which stands at `digest`.
  Frozen PrepareOk(uint64_t op, const Digest& digest, uint64_t commit,
                   uint64_t primary_incarnation) const;
  Frozen Commit(const Log& log, uint64_t commit) const;
  // For the entries of `log` from `first_op`, which follow `parent`.
  Frozen CatchUpRequest(uint64_t first_op, const Digest& parent, uint64_t sequence) const;
  // Entries of `log` from `first_op` up to at most `last_op`. `*end_op` is the last one in it.
  Frozen CatchUpData(const Log& log, uint64_t first_op, uint64_t last_op, uint64_t commit,
                     uint64_t sequence, const ChunkLimits& limits, uint64_t* end_op) const;

 private:
  message::Header NewHeader() const;
  template <typename Fields>
  Frozen Make(const Fields& fields, std::span<const std::byte> body = {}) const;

  BufferPool* const pool_;
  const message::Uint128 cluster_;
  const Party self_;
  const uint64_t incarnation_;
};

// Reads the body of catch-up data, entry by entry.
//
//   CatchUpBody body(message.body());
//   while (std::optional<CatchUpBody::Item> item = body.Next()) ...
//   if (!body.status().ok()) ...              // the body is not what it should be
class CatchUpBody {
 public:
  struct Item {
    EntryId id;
    std::span<const std::byte> payload;
  };

  explicit CatchUpBody(std::span<const std::byte> body) : rest_(body) {}

  std::optional<Item> Next();
  // Errors: InvalidArgument, an entry reaches beyond the body.
  const absl::Status& status() const { return status_; }

 private:
  std::span<const std::byte> rest_;
  absl::Status status_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_FRAMES_H_
