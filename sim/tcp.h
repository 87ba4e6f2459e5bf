// TCP between simulated hosts, at the level of bytes and segments.
//
// A `TcpConnection` is both ends and the wire between them; a `TcpFlow` is one direction of it.
// What is modelled, with Linux's behaviour as the measure: SYN with retransmission, refusal and
// backlog (RFC 9293, 3.5); segments of at most the MSS; send buffers and receive windows, hence
// partial writes, zero windows and slow readers; delivery in order, so that loss and reordering
// show as delay; FIN, half-close, RST (also for unread or late data, and from a later incarnation
// of the peer's host); half-open connections; retransmission until the user time-out.
//
// Invariants
//  1. A flow is at most once in the event queue, for the first segment on its wire; the others wait
//  behind it.
//  2. read <= delivered <= sent <= written; acked <= delivered; the flow's bytes are those from
//  `read` to `written`.
//  3. Acknowledgements travel as data, not as events: `acks_` holds when each arrives, and the
//  sender settles them when it looks. Only a sender that waits for room, or whose acknowledgements
//  are blocked (and who will time out), has an event queued.
//  4. A connection is destroyed when neither end has a socket and both wires are empty.
//
// Layout: with thousands of connections each event finds them cold, and what it costs is the number
// of cache lines that it touches. So a connection is one block of memory (of the frame pool,
// aligned to a line): one line with what both ends look at, then the two flows, each with what a
// segment touches first, then what only handshakes, losses and closing touch.
#ifndef FAULTLINE_SIM_TCP_H_
#define FAULTLINE_SIM_TCP_H_

#include <sys/uio.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/endpoint.h"
#include "runtime/event.h"
#include "runtime/frame_pool.h"
#include "sim/choices.h"
#include "sim/event_queue.h"
#include "sim/path.h"
#include "sim/ring.h"
#include "sim/room.h"
#include "sim/world.h"

namespace faultline::sim {

class Host;
class SimListener;
class SimStream;
class TcpConnection;

class alignas(kCacheLine) TcpFlow final : public Actor {
 public:
  static constexpr size_t kHotBytes = 4 * kCacheLine;

  // `sender` is 0 (the side that connected) or 1. `direct`: a Unix stream, see TcpConnection.
  TcpFlow(TcpConnection* connection, uint64_t connection_id, int sender, Path* forward, Path* back,
          size_t mss, bool direct);

  uint64_t id() const { return chooser_.who(); }
  Chooser* chooser() { return &chooser_; }
  Path* forward() const { return forward_; }

  // --- The sending end ---
  // Bytes that the send buffer takes now.
  size_t Room();
  // Takes the first `size` bytes of `buffers`, for which there is room, and sends what the window
  // allows.
  void Write(std::span<const iovec> buffers, size_t size);
  // Half-close: FIN after everything written.
  void Finish();
  // RST; what was not sent is dropped.
  void SendReset();
  // The first packet of the client's side: completes the handshake.
  void SendHandshakeAck();
  // The receiver is no more. A sender that waits for its window finds out by a probe (RFC 9293,
  // 3.8.6.1); one that has something under way finds out by that.
  void ProbeIfStuck();
  // Something must wait for room: the doing of a fault if one has made the buffers small.
  void NoteFull();
  // The writer waits for room (or no longer does).
  void SetWriterWaiting(bool waiting);
  void SetSendBuffer(size_t bytes) {
    send_buffer_ = Limited(bytes);
    own_send_buffer_ = true;
  }
  // The host's limit has changed: counts for a buffer whose size nobody has set.
  void FollowSendLimit(size_t bytes) {
    if (!own_send_buffer_) send_buffer_ = Limited(bytes);
  }
  size_t send_buffer() const { return send_buffer_; }
  bool fin_sent() const { return fin_sent_; }
  bool fin_queued() const { return fin_queued_; }

  // --- The receiving end ---
  size_t unread() const { return static_cast<size_t>(delivered_ - read_); }
  // Moves the first `size` unread bytes into `buffers`.
  void Read(std::span<const iovec> buffers, size_t size);
  void Discard();  // nobody will read what has arrived
  void SetReceiveBuffer(size_t bytes) {
    receive_buffer_ = Limited(bytes);
    own_receive_buffer_ = true;
  }
  void FollowReceiveLimit(size_t bytes) {
    if (!own_receive_buffer_) receive_buffer_ = Limited(bytes);
  }
  size_t receive_buffer() const { return receive_buffer_; }
  // Before any data: the window that the receiver announces in the handshake.
  void OpenWindow() { window_edge_ = advertised_ = receive_buffer_; }
  bool fin_received() const { return fin_received_; }

  // --- The wire ---
  bool wire_empty() const { return wire_.empty(); }
  // Drops everything that is under way or unsent, silently.
  void Cut();
  // The sending kernel has lost power: what has not left never will.
  void Silence();
  // The numbers of a packet of this direction that stands at `offset` (tcp_wire.cc).
  uint32_t SequenceAt(uint64_t offset) const;
  // What the receiver of this direction acknowledges now, and the window that it announces.
  uint32_t Acknowledged() const;
  uint32_t AnnouncedWindow() const;
  size_t mss() const { return mss_; }

  void Fire() override;
  void Fetch(int depth) const override;
  // A hint for the processor's caches: something is written to it now.
  void FetchHot() const { FetchLines(this, kHotBytes); }

 private:
  static constexpr size_t kLargestBuffer = size_t{1} << 30;
  // Of LossOfFirst: nothing travels, so nothing is shown.
  static constexpr const char* kNoPacket = "";
  enum Flag : uint8_t {
    kHandshakeAck = 1,
    kFin = 2,
    kReset = 4,
    kProbe = 8,
    kFellOff = 16,   // a full queue on the way drops it
    kLate = 32,      // delayed by reordering: those behind it wait
    kLastWait = 64,  // not a packet: the sender gives up when its time comes
  };

  struct Segment {
    MonotonicTime arrival{};
    uint64_t sequence = 0;
    uint32_t bytes = 0;
    uint8_t flags = 0;
    uint8_t retries = 0;
  };
  // Small: of `delivered` the lower half, whose upper half is known from `acked_`; of the window
  // its size.
  struct Ack {
    MonotonicTime arrival{};
    uint32_t delivered = 0;
    uint32_t window = 0;
  };
  struct ForwardUser final : PathUser {
    void OnPassageChange(Path*, Passage) override { flow->OnForwardChange(); }
    void OnPlain(const LinkConfig* link) override { flow->plain_forward_ = link; }
    TcpFlow* flow = nullptr;
  };
  struct BackUser final : PathUser {
    void OnPassageChange(Path*, Passage before) override { flow->OnBackChange(before); }
    void OnPlain(const LinkConfig* link) override { flow->plain_back_ = link; }
    TcpFlow* flow = nullptr;
  };
  struct AckEvent final : Actor {
    void Fire() override { flow->OnAckEvent(); }
    TcpFlow* flow = nullptr;
  };

  static uint32_t Limited(size_t bytes) {
    return static_cast<uint32_t>(std::min(bytes, kLargestBuffer));
  }
  MonotonicTime now() const;
  Duration Rto(int retries) const;
  bool SenderAlive() const;
  bool LeftBeforeCrash() const;
  bool ReceiverHostUp() const;
  const LinkConfig& link() const {
    return plain_forward_ != nullptr ? *plain_forward_ : forward_->link();
  }
  std::optional<MonotonicTime> Depart(size_t bytes);

  void Transmit();
  void Push(uint32_t bytes, uint8_t flags);
  void ScheduleFirst();
  void HoldFirst();
  const char* LossOfFirst(Passage passage);
  void OnLost();
  void Show(const Segment& segment, uint64_t offset, const char* fate) const;
  void ShowAcknowledgement(const char* fate) const;
  bool Exhausted(const Segment& segment) const;
  void GiveUpFirst();
  void Deliver(const Segment& segment, uint64_t offset);
  bool IsDuplicate(const Segment& segment, uint64_t offset) const;
  void DeliverData(const Segment& segment);

  void Acknowledge();
  void AcknowledgeDirectly();
  void SendAck(MonotonicTime arrival);
  Duration WakeUpDelay();
  void SettleAcks();
  void ArmAckEvent();
  void ArmAckEventAt(MonotonicTime when);
  void DisarmAckEvent();
  void OnAckEvent();
  void OnAckTimeout();
  void OnForwardChange();
  void OnBackChange(Passage before);
  bool waiting() const { return writer_waiting_ || sent_ < written_; }
  bool HasSmallBuffers() const;

  // Line 0, behind the actor: who it is, and how far the receiver is.
  const bool direct_ : 1;
  bool fin_queued_ : 1 = false;
  bool fin_sent_ : 1 = false;
  bool fin_received_ : 1 = false;
  bool writer_waiting_ : 1 = false;
  bool stopped_by_window_ : 1 = false;
  bool held_ : 1 = false;   // the first segment waits for a hold to end
  bool reack_ : 1 = false;  // an acknowledgement was lost or is held
  const uint8_t sender_ : 1;
  bool ack_armed_ : 1 = false;        // `ack_event_` is queued
  bool own_send_buffer_ : 1 = false;  // its size was set
  bool own_receive_buffer_ : 1 = false;
  const uint16_t mss_;
  TcpConnection* const connection_;
  const LinkConfig* plain_forward_ = nullptr;  // what `forward_` is while it is plain
  const LinkConfig* plain_back_ = nullptr;
  uint64_t delivered_ = 0;
  uint64_t read_ = 0;
  // Line 1: the sender, and the bytes.
  uint64_t written_ = 0;
  uint64_t sent_ = 0;
  uint64_t acked_ = 0;
  uint64_t window_edge_ = 0;
  uint64_t advertised_ = 0;  // the receiver's
  ByteRing bytes_;
  // Line 2: what comes back.
  uint32_t send_buffer_ = 0;
  uint32_t receive_buffer_ = 0;
  Ring<Ack, 2> acks_;
  Path* const forward_;
  // Line 3: the wire; who draws, and its counts of latencies.
  Ring<Segment, 1> wire_;
  Chooser chooser_;
  // What only losses, waits and partitions touch.
  Path* const back_;
  AckEvent ack_event_;
  MonotonicTime first_loss_ = kInfiniteFuture;  // of the first segment
  MonotonicTime resent_at_;    // when its last retransmission leaves, if it has one
  MonotonicTime reack_since_;  // the first acknowledgement that was lost or is held
  ForwardUser forward_user_;
  BackUser back_user_;
};

// One end of a connection.
struct TcpEnd {
  Host* host = nullptr;
  SimStream* socket = nullptr;
  uint32_t incarnation = 0;  // 0: not there yet
  const uint16_t id = 0;     // of `host`
  uint8_t error = 0;         // pending for the next call, as SO_ERROR
  bool gone : 1 = false;     // no socket, and none will come: closed, aborted, or its process died
  bool reset : 1 = false;    // RST received, sent, or timed out: it no longer exists here
  bool alive() const;        // the kernel that made it still runs
};

class alignas(kCacheLine) TcpConnection : public internal::Pooled {
 public:
  enum class State : uint8_t { kConnecting, kEstablished, kFailed };

  // From `client` to `remote`, which `server` may serve. A `remote` with a path makes it a Unix
  // stream: both ends are on one machine, there are no packets, and what is written is in the
  // peer's buffer at once, as far as that goes. Only who waits for it is told a little later, so
  // that time passes. No fault of a link reaches it.
  TcpConnection(World* world, Host* client, const Endpoint& local, Host* server,
                const Endpoint& remote, Plane plane);
  ~TcpConnection();

  World* world() const { return world_; }
  uint64_t id() const { return id_; }
  State state() const { return state_; }
  bool is_unix() const { return unix_; }
  TcpEnd& end(int side) { return ends_[side]; }
  const TcpEnd& end(int side) const { return ends_[side]; }
  const Endpoint& address(int side) const { return addresses_[side]; }
  TcpFlow& flow(int sender) { return flows_[sender]; }
  const TcpFlow& flow(int sender) const { return flows_[sender]; }
  // A hint for the processor's caches, of a connection that may be gone.
  static void FetchFlow(const TcpConnection* connection, int sender) {
    FetchLines(&connection->flows_[sender], TcpFlow::kHotBytes);
  }

  // --- The connecting side ---
  void SendSyn();
  // Set when the handshake has succeeded or failed; then `connect_error` tells.
  Event* connected() { return &connected_; }
  int connect_error() const { return connect_error_; }
  // The one that connects holds on to the connection until it says how it went on: a socket, or no
  // interest.
  void ClaimedBySocket(SimStream* socket);
  void AbandonConnect();

  // --- Either side's socket ---
  void AttachSocket(int side, SimStream* socket) { ends_[side].socket = socket; }
  // shutdown(2): FIN after everything written.
  void FinishEnd(int side);
  // close(2): FIN, or RST if there is something unread.
  void CloseEnd(int side);
  // RST.
  void AbortEnd(int side);
  // Both have sent FIN, and each has the other's: nothing is sent any more, and no RST matters.
  bool FullyClosed() const { return flows_[0].fin_received() && flows_[1].fin_received(); }
  // The process died: no byte leaves.
  void SilenceEnd(int side);
  // Buffers of `side` whose size nobody has set get that of `limits`.
  void FollowLimits(int side, const HostLimits& limits);
  // The pending error of `side`, once.
  int TakeError(int side);
  // What the error of `side` was, which has been reset.
  int LastError(int side) const { return last_errors_[side]; }

  // --- The listening side ---
  void RefuseFromBacklog();  // the listener has gone: reset
  void ForgetHandshake();    // the listener has gone: it knows nothing of the SYN any more
  void LeaveBacklog();       // accepted, or the listener's process died

  // --- Flows ---
  void OnHandshakeAck();
  // The accept queue is full: the client believes to be connected, the server does not. The server
  // sends SYN-ACK again and again, each of which is answered: modelled as the ACK's retransmission.
  bool DropsHandshakeAck();
  void OnData(int receiver);
  void OnFin(int receiver);
  void OnReset(int receiver);
  void OnUserTimeout(int sender);
  void OnWritable(int sender);
  // The receiver's host does not know this connection: answer with RST.
  void AnswerWithReset(int receiver);
  // A path has changed; the handshake may wait for it.
  void OnPassageChange(Path* path);

  // A middlebox resets both ends, if they are these two hosts.
  void ResetIfBetween(uint32_t a, uint32_t b, Plane plane);

  // Destroys the connection if nothing refers to it any more.
  void MaybeBury();

  size_t index() const { return index_; }
  void set_index(size_t index) { index_ = index; }

 private:
  struct Route {
    Path* there;
    Path* back;
  };
  TcpConnection(World* world, uint64_t id, Host* client, const Endpoint& local, Host* server,
                const Endpoint& remote, Route route, size_t mss);

  // What the handshake's event is for. A packet's arrival; the end of the wait for an answer to a
  // SYN that was lost, or whose answer was; the end of a half-open connection's time in the SYN
  // queue.
  enum class Stage : uint8_t { kSyn, kSynAck, kRefusal, kWait, kExpiry, kDone };

  struct Handshake final : Actor {
    void Fire() override { connection->OnHandshakeEvent(); }
    TcpConnection* connection = nullptr;
    Stage stage = Stage::kSyn;
    int attempt = 0;
    MonotonicTime sent;
    MonotonicTime deadline;  // of the last wait
    bool held = false;       // until the deadline
  };

  struct RoomWait final : RoomWaiter {
    explicit RoomWait(TcpConnection* owner) : connection(owner) {}
    void OnRoom() override;
    TcpConnection* const connection;
  };

  void OnHandshakeEvent();
  // Shows what `side` sends of the handshake, or its RST, to the observer of the wire
  // (tcp_wire.cc).
  void ShowControl(int side, uint8_t flags, const char* fate) const;
  // What `side` sends goes this way.
  Path* path(int side) const { return flows_[side].forward(); }
  Path* HandshakePath() const { return path(handshake_.stage == Stage::kSyn ? 0 : 1); }
  bool Passes(Path* path);
  const char* LossOn(Path* path);
  void ShowHandshake(const char* fate) const;
  void OnSynArrival();
  void OnBacklogFull(bool healthy_has_room);
  void OnSynAckArrival();
  void AwaitRetry();
  void OnRetry();
  void FailConnect(int error);
  void Kill(int side, int error);
  void Wake(int side);
  void ReleasePort(Duration wait);
  void StartTimeWait();
  bool ExpiresInSynQueue();

  // The first line.
  World* const world_;
  TcpEnd ends_[2];
  const bool unix_;
  State state_ = State::kConnecting;
  bool buried_ = false;
  bool claimed_ = true;     // the connecting task has not taken its result yet
  bool abandoned_ = false;  // the connecting side has given up
  bool port_taken_ = true;
  bool queued_ = false;    // in the accept queue
  int8_t first_fin_ = -1;  // the side that closed first

  TcpFlow flows_[2];

  const uint64_t id_;
  size_t index_ = 0;
  const Endpoint addresses_[2];
  Handshake handshake_;
  RoomWait room_wait_{this};
  Event connected_;
  int connect_error_ = 0;
  int last_errors_[2] = {};
  MonotonicTime port_until_ = kInfiniteFuture;  // when the client's port is free again
  SimListener* listener_ = nullptr;             // whose backlog or SYN queue it is in
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_TCP_H_
