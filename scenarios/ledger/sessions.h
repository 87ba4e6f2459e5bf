// SessionTable: what the primary remembers of each client, so that a request that comes twice is
// appended once and answered twice. Bounded.
//
//   absl::StatusOr<Session*> session = table.Open(client, 0, now);        // has sent nothing yet
//   switch (table.Judge(**session, number, digest, committed)) { ... }
//   table.Record(*session, number, digest, op);                           // after kNew
//
// A client numbers its entries 1, 2, 3, ... and has at most `window` of them unanswered. So the
// last `window` entries of each client are all that can ever be asked for again: older ones were
// answered, and the client knew it. A client that sends one entry too many or leaves one out breaks
// the protocol.
//
// Who is forgotten, and when:
//   at once   a client that says goodbye (it ends its connection in good order) with everything
//             answered: its id is good for one life, which is over
//   in need   one that was cut off before it had appended anything, the one that left first; of
//             those at most `max_empty` are kept
//   in need   one that was cut off at least `forget_after` ago, the one that left first
// When nobody can be forgotten new clients are refused: nobody is forgotten who may still retry
// something that was appended. A forgotten client that returns is told so (its session is unknown)
// instead of being taken for a new one, so that nothing is ever appended twice.
#ifndef FAULTLINE_SCENARIOS_LEDGER_SESSIONS_H_
#define FAULTLINE_SCENARIOS_LEDGER_SESSIONS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/time.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

struct SessionLimits {
  size_t max_sessions = 4096;
  // Of clients that are away and have appended nothing.
  size_t max_empty = 1024;
  uint32_t window = 64;
  // A client that has been away for this long may be forgotten when room is needed.
  Duration forget_after = 10min;
};

enum class Judgement : uint8_t {
  kNew,        // append it
  kInFlight,   // appended, not committed: the reply will come
  kCommitted,  // committed: answer again
  kStale,      // the client has had its reply: nothing to do
  kGap,        // an entry before it is missing: the client breaks the protocol
  kOverrun,    // more than `window` unanswered: the client breaks the protocol
  kConflict,   // the number was used for another entry: the client breaks the protocol
};

class Session {
 public:
  explicit Session(const ClientId& client) : client_(client) {}

  const ClientId& client() const { return client_; }
  // The highest number that was appended; 0: none.
  uint64_t last_number() const { return last_number_; }
  // Where `number` stands in the log. It lies in the window.
  uint64_t op(uint64_t number) const { return slot(number).op; }
  const Digest& digest(uint64_t number) const { return slot(number).digest; }

 private:
  friend class SessionTable;
  struct Slot {
    uint64_t op = 0;
    Digest digest;
  };
  const Slot& slot(uint64_t number) const { return window_[number % window_.size()]; }

  const ClientId client_;
  uint64_t last_number_ = 0;
  std::vector<Slot> window_;  // empty until something is appended
  bool connected_ = false;
  MonotonicTime left_at_;
};

class SessionTable {
 public:
  explicit SessionTable(SessionLimits limits) : limits_(limits) {}
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  // A client has connected, which has sent numbers up to `sent` in its life. Pointers stay valid
  // until the session is forgotten, which does not happen while its client is connected. Errors:
  // FailedPrecondition, the client has sent something but is not known (any more); AlreadyExists,
  // the session is further on: this is another client, or an old connection of this one;
  // ResourceExhausted, the table is full.
  absl::StatusOr<Session*> Open(const ClientId& client, uint64_t sent, MonotonicTime now);
  // Its connection has broken, and it may return.
  void Leave(const ClientId& client, MonotonicTime now);
  // It has ended its connection in good order, when everything up to op `committed` was committed.
  void SayGoodbye(const ClientId& client, uint64_t committed, MonotonicTime now);

  // Null if unknown.
  Session* Find(const ClientId& client);

  // What to do about a request, when everything up to op `committed` is committed.
  Judgement Judge(const Session& session, uint64_t number, const Digest& digest,
                  uint64_t committed) const;
  // `number` has been appended at `op`. It is the next one of the session.
  void Record(Session* session, uint64_t number, const Digest& digest, uint64_t op);

  size_t size() const { return sessions_.size(); }

 private:
  // By when they left.
  using Absent = std::set<std::pair<MonotonicTime, ClientId>>;

  Absent* AbsentAs(const Session& session) {
    return session.last_number_ == 0 ? &absent_empty_ : &absent_;
  }
  void Forget(const Session& session);
  bool MakeRoom(MonotonicTime now);

  const SessionLimits limits_;
  std::map<ClientId, Session> sessions_;
  Absent absent_;
  Absent absent_empty_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_SESSIONS_H_
