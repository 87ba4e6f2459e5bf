// Observers: what the service and its clients tell about themselves, for checkers.
//
// Three small interfaces, one for each kind of witness; null pointers in production. Each call
// comes at the moment at which the thing happens, from the task that does it; it neither suspends
// nor calls back. Nothing is reported when a process crashes, except `OnReplicaGone`, which comes
// from a destructor.
#ifndef FAULTLINE_SCENARIOS_LEDGER_OBSERVER_H_
#define FAULTLINE_SCENARIOS_LEDGER_OBSERVER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "runtime/endpoint.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

// One of those who talk to each other.
struct Party {
  enum class Kind : uint8_t {
    kReplica,
    kClient,
    kReader,  // reads a replica's log; its id is drawn as a client's is
  };

  static Party Replica(ReplicaId id) { return {Kind::kReplica, id, {}}; }
  static Party Client(const ClientId& id) { return {Kind::kClient, 0, id}; }
  static Party Reader(const ClientId& id) { return {Kind::kReader, 0, id}; }

  Kind kind = Kind::kReplica;
  ReplicaId replica = 0;
  ClientId client;

  friend bool operator==(const Party&, const Party&) = default;
  friend auto operator<=>(const Party&, const Party&) = default;
};

std::string ToString(const Party& party);

// Names one connection at both of its ends: drawn from what identifies the dialer and its attempt.
using ConnectionId = Digest;

// A reply as it arrived.
struct ReplyFacts {
  EntryId id;
  uint64_t op = 0;
  Digest request;  // DigestOfRequest of what it answers
};

class ReplicaObserver {
 public:
  virtual ~ReplicaObserver() = default;

  // `log` may be read until `OnReplicaGone`.
  virtual void OnReplicaStarted(ReplicaId, uint64_t /*incarnation*/, const Log* /*log*/) {}
  virtual void OnReplicaGone(ReplicaId, uint64_t /*incarnation*/) {}
  // The log of this replica has a new last entry.
  virtual void OnAppended(ReplicaId, uint64_t /*op*/) {}
  // This replica knows that everything up to `op` is held by a majority.
  virtual void OnCommitted(ReplicaId, uint64_t /*op*/) {}
  // The primary has shaken hands with this incarnation of a backup.
  virtual void OnBackupAdmitted(ReplicaId /*backup*/, uint64_t /*incarnation*/) {}
  // The primary has met a backup that holds the log up to `held`, further than itself: it must have
  // been started anew, which it must not.
  virtual void OnLogLost(ReplicaId /*backup*/, uint64_t /*held*/, uint64_t /*own*/) {}
  // The log of this replica takes no more: an entry was refused.
  virtual void OnLogFull(ReplicaId, const absl::Status&) {}
  // The primary is about to tell the client that the entry at `op` stands.
  virtual void OnAcknowledged(uint64_t /*op*/, const EntryId&) {}
};

class ConnectionObserver {
 public:
  virtual ~ConnectionObserver() = default;

  // `self` could not connect to `server`, or was turned away there. It will try again, unless its
  // own status says that this is for ever.
  virtual void OnDialFailed(const Party& /*self*/, const Endpoint& /*server*/,
                            const absl::Status&) {}
  // `self` has shaken hands with `peer`.
  virtual void OnConnected(const Party& /*self*/, const Party& /*peer*/, const ConnectionId&) {}
  // `self` treats the connection as lost; OK if it ended in good order.
  virtual void OnLost(const Party& /*self*/, const Party& /*peer*/, const ConnectionId&,
                      const absl::Status&) {}
  // The end of the connection `by` took `removed` out of the registry of `self`.
  virtual void OnUnregistered(const Party& /*self*/, const Party& /*peer*/,
                              const ConnectionId& /*removed*/, const ConnectionId& /*by*/) {}
  // `self` has queued a frame for the connection, or has received one from it.
  virtual void OnFrameQueued(const Party& /*self*/, const ConnectionId&, const Digest& /*frame*/) {}
  virtual void OnFrameReceived(const Party& /*self*/, const ConnectionId&,
                               const Digest& /*frame*/) {}
  // The writer of `self` goes to sleep while `waiting` frames are queued.
  virtual void OnWriterIdle(const Party& /*self*/, const ConnectionId&, size_t /*waiting*/) {}
};

class ClientObserver {
 public:
  virtual ~ClientObserver() = default;

  // The client has promised itself to get this entry into the ledger.
  virtual void OnIssued(const EntryId&, const Digest& /*request*/) {}
  // A reply has arrived at `client`; nothing has been checked yet.
  virtual void OnReply(const ClientId& /*client*/, const ReplyFacts&) {}
  // The client takes the entry for acknowledged.
  virtual void OnCompleted(const EntryId&, uint64_t /*op*/) {}
};

// Not owned; each may be null.
struct Observers {
  ReplicaObserver* replicas = nullptr;
  ConnectionObserver* connections = nullptr;
  ClientObserver* clients = nullptr;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_OBSERVER_H_
