// Client: gets entries into the ledger, over whatever connection there is.
//
//   Client client(config, runtime, observers);
//   ... scope.Spawn(KeepConnected(&client, connector)) ...            // run_client.h
//   absl::StatusOr<uint64_t> op = co_await client.Append(payload);    // its place in the log
//
// Entries are numbered in the order of the calls. At most `window` are unanswered at a time;
// further calls wait. When a connection is lost, whatever is unanswered is sent again over the next
// one, in order; the primary answers what it had appended already without appending it again. So an
// entry whose `Append` returned an op is in the ledger once; one whose `Append` was cancelled may
// be.
//
// A connection counts as lost when nothing is heard for `silence`, or when the oldest unanswered
// entry has waited for `request_timeout`.
#ifndef FAULTLINE_SCENARIOS_LEDGER_CLIENT_H_
#define FAULTLINE_SCENARIOS_LEDGER_CLIENT_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/event.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/ledger/backoff.h"
#include "scenarios/ledger/config.h"
#include "scenarios/ledger/dial.h"
#include "scenarios/ledger/frames.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/pipe.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

struct ClientConfig {
  // Good for one life of one client. All zero: drawn.
  ClientId id{};
  message::Uint128 cluster{1, 0};
  // Tried in turn. One of them is the primary.
  std::vector<Endpoint> servers{};

  uint32_t window = 64;  // unanswered entries; at most the primary's
  PipeLimits pipe{};
  DialTimes dial{};
  BackoffLimits reconnect{};
  Duration request_timeout = 3s;
  Duration silence = 3s;
  Duration keepalive = 1s;    // a ping after so long
  Duration drain_grace = 5s;  // for what is unanswered when the end is asked for
};

class Client final : private PipeHandler {
 public:
  // `runtime`'s parts outlive it. `bugs` is null in production.
  Client(const ClientConfig& config, const Runtime& runtime, const Observers& observers,
         const LedgerBugs* bugs = nullptr);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Adds an entry and returns its op. Errors: Cancelled, it is not known whether it was added;
  // AlreadyExists, PermissionDenied: the cluster does not want this client, now or ever;
  // FailedPrecondition, it has refused one of its entries, after which none can follow;
  // InvalidArgument, the payload is too large. `client` outlives the call.
  Task<absl::StatusOr<uint64_t>> Append(Frozen payload);

  const ClientConfig& config() const { return config_; }
  const ClientId& id() const { return id_; }
  Party self() const { return Party::Client(id_); }
  // Entries that were given a number; that were answered; that wait in the window.
  uint64_t issued() const { return last_number_; }
  uint64_t completed() const { return completed_; }
  size_t unanswered() const { return pending_.size(); }
  // Connections that were made.
  uint64_t connections() const { return connections_; }

  // --- For whoever makes the connections ---

  Frozen MakePing(uint64_t attempt) const { return frames_.Ping(OwnGreeting(attempt)); }
  ConnectionId IdOf(uint64_t attempt, const message::Message& pong) const;
  PipeHandler* handler() { return this; }
  const LedgerBugs* bugs() const { return bugs_; }
  ConnectionObserver* connection_observer() const { return observers_.connections; }

  void OnConnected(Pipe* pipe);
  void OnLost(Pipe* pipe);
  // There is room in the pipe: queues what was not sent over it yet.
  void Feed();
  // Pings, and ends a pipe that is as good as dead. Now and then.
  void Watch();
  // No connection will ever be made: everything that waits fails.
  void GiveUp(absl::Status reason);
  // OK until then.
  const absl::Status& gave_up() const { return gave_up_; }

 private:
  // One call of `Append` that waits for its reply. Leaves with the call's frame.
  struct Ticket {
    Ticket(Client* client, uint64_t number) : client(client), number(number) {}
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket();
    Client* const client;
    const uint64_t number;
    Event done;
    uint64_t op = 0;
  };
  struct Pending {
    uint64_t number = 0;
    Digest request{};
    Frozen frame{};
    Ticket* ticket = nullptr;  // null: nobody waits any more
    MonotonicTime sent_at{};   // over the present connection
    bool done = false;
  };

  absl::Status OnFrame(Pipe* pipe, const message::Message& frame) override;
  void OnFramesEnd(Pipe*) override {}
  absl::Status OnReply(const message::ReplyFields& reply);
  absl::Status OnRefusal(const EntryId& id, message::ReplyStatus status);
  Greeting OwnGreeting(uint64_t attempt) const;
  Pending* Find(uint64_t number);
  void Issue(Ticket* ticket, const Frozen& payload);
  void Complete(Pending* pending, uint64_t op);

  const ClientConfig config_;
  const Runtime runtime_;
  const Observers observers_;
  const LedgerBugs* const bugs_;
  const ClientId id_;
  const FrameMaker frames_;
  std::deque<Pending> pending_;  // by number, without gaps; the first one is not done
  size_t unsent_ = 0;            // index of the first that the present connection has not seen
  uint64_t last_number_ = 0;
  uint64_t completed_ = 0;
  uint64_t last_sent_ = 0;  // over any connection
  Event room_;              // in the window
  Pipe* pipe_ = nullptr;    // null: not connected
  MonotonicTime last_ping_;
  uint64_t connections_ = 0;
  absl::Status gave_up_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CLIENT_H_
