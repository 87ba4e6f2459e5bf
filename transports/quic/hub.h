// Hub: one datagram socket, and the QUIC sessions on it.
//
// It runs as a task in the scope of its surroundings: a loop that receives and hands each datagram
// to the session that its connection id names, and a loop that gives sessions their turns and sends
// what they write. No handshake waits for another: each is a session like any other, and is handed
// to `Accept` when it is done.
//
// States
//   running --the last user has gone, every session is over--> over
//   running --the scope is asked to stop--> stopping: nobody new; sessions may end by themselves
//   stopping --they have, or close_grace is over--> over
//   any --the frame of the task is destroyed (a crash)--> over, without another word to the peers
//
// Invariants
//  1. A session is in `sessions_` from its first packet until it is gone; its ids are in `ids_` as
//     long.
//  2. `pending_` counts the server's sessions that were not announced, those that have failed and
//     are not gone among them; with those that wait in `ready_` they are at most `max_handshakes`.
//  3. Only the sending loop sends.
#ifndef FAULTLINE_TRANSPORTS_QUIC_HUB_H_
#define FAULTLINE_TRANSPORTS_QUIC_HUB_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/channel.h"
#include "runtime/datagram.h"
#include "runtime/endpoint.h"
#include "runtime/event.h"
#include "runtime/list.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"
#include "transports/quic/connection_id.h"
#include "transports/quic/options.h"
#include "transports/quic/session.h"
#include "transports/quic/tls_context.h"

namespace faultline::quic {

// What a hub has seen and done, in datagrams unless they say otherwise.
struct HubCounters {
  uint64_t received = 0;
  uint64_t sent = 0;
  uint64_t send_errors = 0;           // taken for losses
  uint64_t receives = 0;              // that brought them; each brings one or several
  uint64_t sends = 0;                 // that they left by; likewise
  uint64_t received_ect = 0;          // of senders who understand congestion marks (RFC 3168)
  uint64_t received_ce = 0;           // of these, marked
  uint64_t migrations = 0;            // of sessions, after `Rebind`
  uint64_t dropped = 0;               // of nobody's session, or no QUIC at all
  uint64_t version_negotiations = 0;  // answers of these kinds:
  uint64_t retries = 0;
  uint64_t refusals = 0;
  uint64_t stateless_resets = 0;
  uint64_t replies_dropped = 0;  // more than kRepliesMax were waiting
  uint64_t sessions = 0;         // that have begun
  uint64_t turns = 0;            // of sessions: something has come, is to be sent, or is due
};

class Hub final : private SessionHost {
 public:
  enum class Role : uint8_t { kServer, kClient };

  // Keeps the hub running. Movable.
  class Use {
   public:
    Use() = default;
    explicit Use(std::shared_ptr<Hub> hub) : hub_(std::move(hub)) { ++hub_->uses_; }
    Use(Use&& other) noexcept : hub_(std::move(other.hub_)) {}
    Use& operator=(Use&& other) noexcept {
      std::swap(hub_, other.hub_);
      return *this;
    }
    ~Use() {
      if (hub_ != nullptr) hub_->OnUseEnd();
    }
    Use Again() const { return Use(hub_); }
    explicit operator bool() const { return hub_ != nullptr; }
    Hub* operator->() const { return hub_.get(); }

   private:
    std::shared_ptr<Hub> hub_;  // shared with the hub's own task
  };

  // Binds `local` and starts. Errors: those of `Network::Bind`; InvalidArgument for TLS options.
  static absl::StatusOr<Use> Start(const Surroundings& surroundings, Role role,
                                   const Endpoint& local, const Options& options);
  ~Hub() override;

  // Certificates, keys and trust for sessions that begin from now on; the others go on as they are.
  // Errors: InvalidArgument, naming the option: then nothing has changed.
  absl::Status Load(const TlsOptions& options);

  // A session that has sent nothing yet. Errors: FailedPrecondition if the hub is over; those of
  // `Session::Connect`.
  absl::StatusOr<std::shared_ptr<Session>> Connect(const Endpoint& peer);

  // Goes on from another socket, bound to `local`, and closes the one that it had: sessions migrate
  // (`Session::Migrate`), or go on as behind a NAT. Of clients. Errors: those of `Network::Bind`;
  // FailedPrecondition if the hub is over, or a peer has yet to confirm a handshake (RFC 9000,
  // section 9). Then nothing has changed.
  absl::Status Rebind(const Endpoint& local);

  // The next session whose handshake is done. Errors: Cancelled; OutOfRange after `StopAccepting`.
  Channel<std::shared_ptr<Session>>::ReceiveOp Accept() { return ready_.Receive(); }
  // Handshakes under way are given up, new ones refused. Sessions that were accepted go on.
  void StopAccepting();

  const Endpoint& local_address() const { return local_; }
  const HubCounters& counters() const { return counters_; }
  size_t live_sessions() const { return sessions_.size(); }
  bool over() const { return over_; }

 private:
  struct Entry {
    std::shared_ptr<Session> session;  // shared with the user's handle
    bool pending = false;              // counted in `pending_`
  };
  struct Reply {
    Endpoint to;
    std::vector<std::byte> datagram;
  };
  struct StopHook : StopCallback {
    explicit StopHook(Hub* owner) : StopCallback(&OnStop), hub(owner) {}
    static void OnStop(StopCallback* self) { static_cast<StopHook*>(self)->hub->BeginStop(); }
    Hub* const hub;
  };
  struct GraceTimer : Timer {
    explicit GraceTimer(Hub* owner) : Timer(&OnTimer), hub(owner) {}
    static void OnTimer(Timer* self) { static_cast<GraceTimer*>(self)->hub->EndGrace(); }
    Hub* const hub;
  };
  // In the frame of the task: however that ends, the hub is over.
  struct Running {
    explicit Running(Hub* owner) : hub(owner) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { hub->Finish(); }
    Hub* const hub;
  };

  static constexpr size_t kRepliesMax = 64;
  static constexpr size_t kReceiveMax = size_t{64} << 10;  // any datagram, or several
  // Packets of one turn that leave together: as many as a send takes.
  static constexpr size_t kBatchMax = 45 * Session::kPacketMax;
  static constexpr size_t kKeyBytes = 32;

  Hub(const Surroundings& surroundings, Role role, const Options& options);

  // SessionHost
  void Wake(Session* session) override;
  void AddId(const ConnectionId& id, Session* session) override { ids_[id] = session; }
  void RemoveId(const ConnectionId& id) override { ids_.erase(id); }

  static Task<void> Run(std::shared_ptr<Hub> hub);
  // As long as `socket` is the hub's. It keeps it until it has heard that it is not.
  Task<void> ReceiveFrom(std::shared_ptr<DatagramSocket> socket);
  Task<void> ReceiveLoop(DatagramSocket* socket);
  absl::Status OpenSocket(const Endpoint& local);
  Task<void> SendLoop();
  Task<void> TakeTurn(std::shared_ptr<Session> session);
  Task<void> SendReplies();
  // What leaves together: packets of one size, but for a last shorter one.
  struct Batch {
    PacketHeader header{};
    size_t packet_bytes = 0;  // of each
    size_t bytes = 0;         // in all
    bool complete = false;    // nothing may follow

    // Whether a packet of `size` may follow.
    bool Takes(const PacketHeader& next, size_t size) const {
      return bytes == 0 || (next == header && size <= packet_bytes);
    }
    void Add(const PacketHeader& next, size_t size);
  };
  Task<void> Send(Batch* batch);
  Task<void> SendDatagram(const Endpoint* to, std::span<const std::byte> bytes,
                          SendOptions options);
  bool Over() const;
  void Announce(Entry* entry);
  void AfterTurn(Session* session);
  bool IsQuiet(const Entry& entry) const;
  void BeginStop();
  void EndGrace();
  void Finish();
  void OnUseEnd();

  // One or several, as `info` says.
  void OnReceived(std::span<const std::byte> datagrams, const DatagramInfo& info);
  void OnDatagram(std::span<const std::byte> datagram, const DatagramInfo& info);
  void OnUnknown(std::span<const std::byte> datagram, const DatagramInfo& info);
  void OnUnknownAtClient(std::span<const std::byte> datagram, const DatagramInfo& info);
  void OnFirstPacket(std::span<const std::byte> datagram, const DatagramInfo& info);
  void Admit(std::span<const std::byte> datagram, const DatagramInfo& info,
             const FirstPacket& first);
  // Why a new session is refused; empty if it is not.
  std::string_view Refusal() const;
  bool WantsRetry() const;
  bool CheckToken(FirstPacket* first);

  void AddSession(std::shared_ptr<Session> session, bool pending);
  void AddReply(const Endpoint& to, std::span<const uint8_t> datagram, uint64_t* counter);
  void ReplyVersions(const ngtcp2_version_cid& id, const Endpoint& to);
  void ReplyRetry(const FirstPacket& first);
  void ReplyRefusal(const FirstPacket& first, uint64_t code, std::string_view reason);
  void ReplyReset(std::span<const std::byte> datagram, const Endpoint& to);

  SessionContext Context();

  const Surroundings surroundings_;
  const Role role_;
  const Options options_;
  const engine::Environment environment_;
  Endpoint local_;
  // Shared with who receives and who sends: they may still, when the hub has another.
  std::shared_ptr<DatagramSocket> socket_;
  StopSource* receive_stop_ = nullptr;  // of the loop that receives from it, in that loop's frame
  Scope* loops_ = nullptr;              // while the task runs
  std::shared_ptr<const TlsContext> tls_;  // shared with the sessions that began with it
  std::vector<uint8_t> reset_key_;
  std::array<uint8_t, kKeyBytes> token_key_{};
  StopSource own_stop_;
  StopHook stop_hook_;
  GraceTimer grace_timer_;

  std::map<uint64_t, Entry> sessions_;  // by number, in order of their beginning
  std::map<ConnectionId, Session*> ids_;
  List<Session> turns_;  // sessions that have asked for one
  std::deque<Reply> replies_;
  Channel<std::shared_ptr<Session>> ready_;
  Event wake_;
  // Memory that was never used costs nothing: these are not cleared.
  std::array<std::byte, kReceiveMax> receive_buffer_;
  std::array<std::byte, kBatchMax> send_buffer_;
  uint64_t last_number_ = 0;
  size_t pending_ = 0;
  size_t uses_ = 0;
  bool stopping_ = false;
  bool over_ = false;
  HubCounters counters_;
};

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_HUB_H_
