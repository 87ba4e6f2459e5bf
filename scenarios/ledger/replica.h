// Replica: one replica without its sockets: who may connect, what each frame means, what is done in
// the background. `RunReplica` (run_replica.h) gives it connections.
//
// A replica listens in two planes: for the other replicas, and for clients. Of each pair of
// replicas the lower number dials the higher. Replica 0 is the primary; the others tell clients so
// and let them go. Readers are welcome at each replica, in the plane of the clients: they are sent
// what it holds, a chunk a request.
//
// Sends never wait. What does not fit into a replica's queue is sent, or asked for, later
// (primary.h, backup.h); a client that does not read its replies is cut off. When all queues of a
// plane together hold too much, the connection with the longest one is.
#ifndef FAULTLINE_SCENARIOS_LEDGER_REPLICA_H_
#define FAULTLINE_SCENARIOS_LEDGER_REPLICA_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/runtime.h"
#include "scenarios/ledger/backup.h"
#include "scenarios/ledger/bugs.h"
#include "scenarios/ledger/config.h"
#include "scenarios/ledger/frames.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/outgoing.h"
#include "scenarios/ledger/pipe.h"
#include "scenarios/ledger/primary.h"
#include "scenarios/ledger/registry.h"

namespace faultline::ledger {

// What a replica is given beside its world. Not owned. The log belongs to the caller, who may read
// it afterwards; it is empty when a process starts.
struct ReplicaParts {
  Log* log = nullptr;
  Observers observers{};
  const LedgerBugs* bugs = nullptr;  // null in production
};

struct ReplicaCounters {
  uint64_t admitted = 0;        // connections whose handshake went well
  uint64_t rejected = 0;        // and those that were told why not
  uint64_t refused = 0;         // dropped at a limit, unheard
  uint64_t lost = 0;            // connections that did not end in good order
  uint64_t dropped_frames = 0;  // that did not fit into a replica's queue
  uint64_t shed = 0;            // connections that were ended to make room for others
  uint64_t ignored_frames = 0;  // of clients, that are none of theirs to send
  uint64_t ended_clean = 0;     // connections at shutdown
  uint64_t ended_forced = 0;
};

class Replica final : private Outgoing {
 public:
  enum class Plane : uint8_t { kReplicas, kClients };

  // `runtime`'s parts and `parts` outlive it. The configuration is valid.
  Replica(const ReplicaConfig& config, const Runtime& runtime, const ReplicaParts& parts);
  ~Replica() override;
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  const ReplicaConfig& config() const { return config_; }
  const PlaneLimits& limits(Plane plane) const {
    return plane == Plane::kReplicas ? config_.replicas : config_.clients;
  }
  bool is_primary() const { return config_.replica == 0; }
  bool dials(ReplicaId peer) const { return config_.replica < peer; }

  // --- Handshakes ---

  // What to tell whoever has opened a connection with `ping`.
  struct Admission {
    bool admitted = false;
    PeerInfo peer{};
    ConnectionId id{};
    Greeting greeting{};
    Frozen answer{};  // a pong, or a reject
  };
  Admission Admit(Plane plane, const message::Message& ping);
  // The ping for the attempt'th connection to a replica, and what follows from its pong. Errors:
  // InvalidArgument, somebody else answered.
  Greeting OwnGreeting(uint64_t attempt) const;
  Frozen MakePing(uint64_t attempt) const { return frames_.Ping(OwnGreeting(attempt)); }
  absl::StatusOr<Admission> Accept(ReplicaId peer, uint64_t attempt,
                                   const message::Message& pong) const;

  // --- Connections ---

  // A pipe for who was admitted.
  Pipe* Add(Plane plane, Pipe* pipe, const Greeting& greeting);
  // It has ended; it may go.
  void Release(Plane plane, Pipe* pipe);
  const Registry& registry(Plane plane) const {
    return plane == Plane::kReplicas ? replicas_ : clients_;
  }
  // Of the frames that wait in a plane.
  ByteBudget* budget(Plane plane) { return &budgets_[static_cast<size_t>(plane)]; }
  PipeHandler* handler(Plane plane) {
    return plane == Plane::kReplicas ? static_cast<PipeHandler*>(&on_replica_frames_)
                                     : &on_client_frames_;
  }
  Party self() const { return Party::Replica(config_.replica); }

  // --- Background ---

  // Null for backups.
  Primary* primary() { return primary_.has_value() ? &*primary_ : nullptr; }
  // The pipe to a replica; null if there is none.
  Pipe* PipeTo(ReplicaId replica) const { return replicas_.Find(Party::Replica(replica)); }
  // Pings, repeats, looks for the silent. Once a `heartbeat`.
  void Tick();

  // Takes no more clients and no more requests.
  void BeginDrain() { draining_ = true; }
  // The primary: everything that it took is committed. A backup: the primary has gone, which may
  // have needed it for that.
  bool drained() const {
    return primary_.has_value() ? primary_->all_committed() : PipeTo(0) == nullptr;
  }

  ReplicaCounters& counters() { return counters_; }
  const Log& log() const { return *parts_.log; }
  uint64_t committed() const;

 private:
  // Hands frames of one plane on.
  class FramesOf final : public PipeHandler {
   public:
    FramesOf(Replica* replica, Plane plane) : replica_(replica), plane_(plane) {}
    absl::Status OnFrame(Pipe* pipe, const message::Message& frame) override {
      return plane_ == Plane::kReplicas ? replica_->OnReplicaFrame(pipe, frame)
                                        : replica_->OnClientFrame(pipe, frame);
    }
    void OnFramesEnd(Pipe*) override {
      if (replica_->backup_.has_value()) replica_->backup_->OnFramesEnd();
    }

   private:
    Replica* const replica_;
    const Plane plane_;
  };

  absl::Status OnReplicaFrame(Pipe* pipe, const message::Message& frame);
  absl::Status OnClientFrame(Pipe* pipe, const message::Message& frame);
  absl::Status OnReaderFrame(Pipe* pipe, const message::Message& frame);
  absl::Status OnGreetingFrame(Pipe* pipe, ReplicaId from, const message::Message& frame);
  absl::Status CheckSender(const Pipe& pipe, const message::Message& frame) const;

  Admission Reject(message::RejectReason reason) const;
  Admission AdmitReplica(const Greeting& greeting);
  Admission AdmitClient(const Greeting& greeting);
  bool Superseded(const Registry& registry, const Greeting& greeting) const;
  Admission Welcome(const Greeting& greeting) const;
  Greeting StateFor(const Party& peer) const;

  bool ToReplica(ReplicaId replica, Frozen frame) override;
  bool ToClient(const ClientId& client, Frozen frame) override;
  bool ToSlot(uint32_t slot, Frozen frame) override;
  bool SendReply(Pipe* pipe, Frozen frame);
  void ShedLongestQueue(Plane plane);

  void PingReplicas();
  void EndTheSilent(Plane plane, MonotonicTime now, bool was_away);

  const ReplicaConfig config_;
  const Runtime runtime_;
  const ReplicaParts parts_;
  const FrameMaker frames_;
  Registry replicas_;
  Registry clients_;
  std::array<ByteBudget, 2> budgets_;  // by plane
  FramesOf on_replica_frames_{this, Plane::kReplicas};
  FramesOf on_client_frames_{this, Plane::kClients};
  std::optional<Primary> primary_;
  std::optional<Backup> backup_;
  ReplicaCounters counters_;
  bool draining_ = false;
  uint64_t last_ping_ = 0;
  MonotonicTime last_tick_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_REPLICA_H_
