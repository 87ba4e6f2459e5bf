// Session: one QUIC connection: ngtcp2 and BoringSSL behind a face of packets in, packets out.
//
// It makes no calls of a socket. Its hub (hub.h) hands it datagrams, gives it turns and
// asks it for packets:
//
//   session->Receive(datagram, from, ecn);   // then the session has asked for a turn
//   session->BeginTurn();                    // timers; reads and writes that can complete
//   while (size_t size = session->WritePacket(room, &header)) ... send them ...
//   session->EndTurn();                      // arms the timer
//
// States
//   handshaking --TLS completes--> open --CloseWhenDelivered--> lingering
//   any --Abort; fault; lingering is over--> closing: CONNECTION_CLOSE was written; each packet
//   that
//       still comes may be answered by it, for three probe time-outs (RFC 9000, section 10.2.1)
//   any --CONNECTION_CLOSE, reset, silence--> draining: nothing is sent (section 10.2.2)
//   closing, draining --the time is over--> gone
//
// Invariants
//  1. `connection_` is null exactly in closing, draining and gone; `end_` is then not OK.
//  2. No callback of ngtcp2 changes the state; they set flags, which are looked at afterwards.
//  3. Every call of an engine lies within `engine::Entered`.
#ifndef FAULTLINE_TRANSPORTS_QUIC_SESSION_H_
#define FAULTLINE_TRANSPORTS_QUIC_SESSION_H_

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/clock.h"
#include "runtime/datagram.h"
#include "runtime/endpoint.h"
#include "runtime/engine/environment.h"
#include "runtime/event.h"
#include "runtime/list.h"
#include "transports/quic/connection_id.h"
#include "transports/quic/errors.h"
#include "transports/quic/options.h"
#include "transports/quic/stream_state.h"
#include "transports/quic/tls_context.h"

namespace faultline::quic {

class Session;

// Where a packet goes, and what is written on it.
struct PacketHeader {
  Endpoint to{};
  Ecn ecn = Ecn::kNotEct;

  friend bool operator==(const PacketHeader&, const PacketHeader&) = default;
};

// What a session asks of its endpoint.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  // A turn, soon. Asking again before it comes does nothing.
  virtual void Wake(Session* session) = 0;
  virtual void AddId(const ConnectionId& id, Session* session) = 0;
  virtual void RemoveId(const ConnectionId& id) = 0;
};

// What a session has come to, for those who look at connections.
struct SessionDetails {
  std::string cipher;  // as OpenSSL names it: "TLS_AES_128_GCM_SHA256"
  std::string alpn;
  Duration smoothed_rtt{};
  size_t packet_bytes = 0;  // the largest payload of UDP that is known to get through
  size_t congestion_window_bytes = 0;
  uint64_t paths_validated = 0;        // after a migration, ours or the peer's
  std::string peer_certificate_pem{};  // of the peer itself; empty if it has shown none
};

// What every session of a hub is made with. Not owned, but for `tls`; all of it outlives the
// sessions.
struct SessionContext {
  SessionHost* host = nullptr;
  engine::Environment environment{};
  std::shared_ptr<const TlsContext> tls;  // shared: certificates may be replaced meanwhile
  const Options* options = nullptr;
  std::span<const uint8_t> reset_key;  // of stateless reset tokens
  Endpoint local;
};

// The first packet of a client, as the server has understood it.
struct FirstPacket {
  ngtcp2_pkt_hd header{};
  Endpoint from;
  bool address_proven = false;  // by the token of a retry
  ngtcp2_cid original_id{};     // what the client chose, if it was sent a retry
};

class Session final : public ListNode,
                      public std::enable_shared_from_this<Session>,
                      private StreamHost {
 public:
  // The largest packet that is ever written.
  static constexpr size_t kPacketMax = NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE;

  // Errors: ResourceExhausted; InvalidArgument for a packet that starts nothing.
  static absl::StatusOr<std::shared_ptr<Session>> Connect(const SessionContext& context,
                                                          const Endpoint& peer);
  static absl::StatusOr<std::shared_ptr<Session>> Accept(const SessionContext& context,
                                                         const FirstPacket& first);
  ~Session() override;

  // --- For the endpoint ---
  // Its place among the sessions of the endpoint.
  void SetNumber(uint64_t number) { number_ = number; }
  uint64_t number() const { return number_; }
  void Receive(std::span<const std::byte> datagram, const Endpoint& from, Ecn ecn);
  // Hands the data that has come to those who wait for it.
  void Deliver();
  void BeginTurn();
  // The next packet, in `room` of `kPacketMax` bytes; 0 if there is none for now.
  size_t WritePacket(std::span<std::byte> room, PacketHeader* header);
  // Bytes that one turn may send, so that sessions share a socket fairly and packets are paced.
  size_t burst_bytes() const;
  void EndTurn();
  // From now on its packets leave from `local`, and come to it: the path is validated, and begins
  // with a new congestion window and another connection id (RFC 9000, section 9). Of clients.
  // Errors: FailedPrecondition: the peer has not confirmed the handshake, or takes no migration;
  // ResourceExhausted: it has not given an id to spare. Then the session goes on as behind a NAT
  // that has changed its port.
  absl::Status Migrate(const Endpoint& local);
  // It leaves its hub: nothing is sent any more, and the hub is not touched again.
  void Detach(const absl::Status& status);

  bool server() const { return server_; }
  bool open() const { return connection_ != nullptr && handshake_done_; }
  // The peer has said that the handshake is over for it too (RFC 9001, section 4.1.2).
  bool confirmed() const { return confirmed_; }
  // The handshake was done, and the first stream is here if that is asked for. It may have ended
  // since: what came before is still to be read.
  bool ready() const;
  // It has been handed to the user; there is no deadline for that any more.
  void SetAnnounced() { announced_ = true; }
  bool announced() const { return announced_; }
  // Closing: a packet of the peer may still have to be answered.
  bool answering() const { return !close_packet_.empty() && !gone_; }
  bool gone() const { return gone_; }

  // --- For the user's handle ---
  // Waits for the handshake. Errors: how it failed; Cancelled.
  Event::WaitOp Settled() { return settled_.Wait(); }
  const absl::Status& end() const { return end_; }
  // Empty once it has ended.
  SessionDetails Details() const;
  // Errors: the session's end; ResourceExhausted "peer's max_peer_streams"; FailedPrecondition
  // after `CloseWhenDelivered`.
  absl::StatusOr<StreamState*> OpenStream();
  // The next stream that the peer has opened; null if none is here. `StreamArrived` waits for one,
  // or for the session's end.
  StreamState* NextStream();
  Event::WaitOp StreamArrived() { return stream_arrived_.Wait(); }
  // RESET_STREAM and STOP_SENDING; of `StopReading` the latter alone.
  void ResetStream(int64_t stream);
  void StopReading(int64_t stream);
  // The user is through with the stream.
  void Release(StreamState* stream);
  // Sends what was written, with an end on each stream, then CONNECTION_CLOSE.
  void CloseWhenDelivered();
  // CONNECTION_CLOSE, now.
  void Abort(CloseCode code, std::string_view reason);

  bool lingering() const { return lingering_; }
  const TransportOptions& options() const { return context_.options->transport; }
  Endpoint local_address() const { return local_; }
  Endpoint peer_address() const { return peer_; }

 private:
  friend struct SessionCallbacks;

  struct TurnTimer : Timer {
    explicit TurnTimer(Session* owner) : Timer(&OnTimer), session(owner) {}
    static void OnTimer(Timer* timer) {
      Session* session = static_cast<TurnTimer*>(timer)->session;
      session->context_.host->Wake(session);
    }
    Session* const session;
  };
  struct ConnectionDeleter {
    void operator()(ngtcp2_conn* connection) const { ngtcp2_conn_del(connection); }
  };
  using Streams = std::map<int64_t, std::unique_ptr<StreamState>>;

  Session(const SessionContext& context, bool server, const Endpoint& peer);

  absl::Status StartClient();
  absl::Status StartServer(const FirstPacket& first);
  ngtcp2_settings Settings() const;
  ngtcp2_transport_params TransportParameters() const;
  absl::Status Adopt(int error, ngtcp2_conn* connection, bssl::UniquePtr<SSL> ssl);
  static ngtcp2_conn* ConnectionOf(ngtcp2_crypto_conn_ref* reference);
  void RegisterId(const ngtcp2_cid& id);
  void ForgetId(const ngtcp2_cid& id);
  void ResetTokenOf(const ngtcp2_cid& id, uint8_t* token) const;

  // StreamHost
  void Wake() override {
    if (!detached_) context_.host->Wake(this);
  }
  void OnRead(int64_t stream, size_t bytes) override;

  StreamState* AddStream(int64_t id);
  StreamState* FindStream(int64_t id);
  void OnPeerStream(int64_t id);
  void OnStreamForgotten(int64_t id);
  void EraseStream(int64_t id);
  void CheckStopped(StreamState* stream);

  void OnReceiveError(int error);
  void OnTlsFailure();
  void OnClosedByPeer();
  void CheckDeadlines(MonotonicTime now);
  void CheckExpiry(MonotonicTime now);
  void CheckDelivered();
  bool AllDelivered() const;
  bool HasCreditFor(const StreamState& stream) const;
  StreamState* PickStream();
  // What is being written: where it goes and how, filled in step by step.
  struct Draft {
    ngtcp2_path_storage path{};
    ngtcp2_pkt_info info{};
  };
  ngtcp2_ssize WriteOnce(StreamState* stream, std::span<std::byte> room, Draft* draft);
  size_t TakeClosePacket(std::span<std::byte> room, PacketHeader* header);

  // To closing: writes the packet that `error` describes. To draining. Both free the engines.
  void CloseWith(const ngtcp2_connection_close_error& error, const absl::Status& status);
  void CloseWithEngineError(int error, std::string_view what);
  void Drain(const absl::Status& status);
  void Finish(const absl::Status& status);
  void ArmTimer(ngtcp2_tstamp expiry);

  ngtcp2_tstamp Timestamp() const;

  const SessionContext context_;
  const bool server_;
  uint64_t number_ = 0;
  Endpoint local_;
  Endpoint peer_;
  uint64_t paths_validated_ = 0;
  ngtcp2_crypto_conn_ref reference_{};
  bssl::UniquePtr<SSL> ssl_;
  std::unique_ptr<ngtcp2_conn, ConnectionDeleter> connection_;
  std::vector<ConnectionId> ids_;
  TurnTimer timer_;
  // When the engine was last told of a datagram or of a turn. A turn is one instant to it: were
  // time to pass between two packets, an acknowledgement that was not due for the first would be a
  // packet of its own behind it.
  ngtcp2_tstamp engine_time_ = 0;

  Streams streams_;
  int64_t last_sent_ = -1;  // the stream that had the last packet: others come first
  std::deque<StreamState*> arrived_;
  Event stream_arrived_;
  Event settled_;

  bool handshake_done_ = false;
  bool confirmed_ = false;
  bool announced_ = false;
  bool lingering_ = false;
  bool early_data_seen_ = false;
  bool reset_seen_ = false;
  bool gone_ = false;
  bool detached_ = false;  // its hub may be no more
  MonotonicTime announce_by_;
  MonotonicTime linger_until_;
  MonotonicTime linger_at_most_;
  bool progress_ = false;  // something was acknowledged since the last turn
  MonotonicTime forget_at_;
  absl::Status end_;
  std::vector<std::byte> close_packet_;
  bool close_due_ = false;
  uint64_t packets_after_close_ = 0;
};

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_SESSION_H_
