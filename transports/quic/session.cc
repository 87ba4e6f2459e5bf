#include "transports/quic/session.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "runtime/check.h"
#include "runtime/errors.h"
#include "transports/quic/address.h"
#include "transports/quic/session_callbacks.h"

namespace faultline::quic {
namespace {

constexpr int kProbeTimeoutsOfSilence = 3;  // RFC 9000, section 10.2
constexpr int kGracesMax = 10;              // that a close waits while the peer makes progress
constexpr size_t kPeerIdsMax = 4;           // connection ids of the peer that are kept

constexpr auto kNever = static_cast<ngtcp2_tstamp>(INT64_MAX);  // from here on

ngtcp2_tstamp ToTimestamp(MonotonicTime time) {
  return static_cast<ngtcp2_tstamp>(time.time_since_epoch().count());
}

MonotonicTime FromTimestamp(ngtcp2_tstamp time) {
  return MonotonicTime(Duration(static_cast<int64_t>(time)));
}

// What ngtcp2 calls "none".
ngtcp2_duration OrNever(Duration duration) {
  return duration.count() > 0 ? static_cast<ngtcp2_duration>(duration.count()) : UINT64_MAX;
}

MonotonicTime After(MonotonicTime now, Duration duration) {
  return duration > kInfiniteFuture - now ? kInfiniteFuture : now + duration;
}

// 0 is never.
MonotonicTime DeadlineAfter(MonotonicTime now, Duration duration) {
  return duration.count() > 0 ? After(now, duration) : kInfiniteFuture;
}

std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

// --- Beginning ---

Session::Session(const SessionContext& context, bool server, const Endpoint& peer)
    : context_(context),
      server_(server),
      local_(context.local),
      peer_(peer),
      timer_(this),
      announce_by_(DeadlineAfter(context.environment.clock->Now(),
                                 context.options->transport.handshake_timeout)),
      linger_until_(kInfiniteFuture),
      forget_at_(kInfiniteFuture) {}

Session::~Session() { Detach(ErrnoStatus(ECANCELED, "quic: the session was destroyed")); }

absl::StatusOr<std::shared_ptr<Session>> Session::Connect(const SessionContext& context,
                                                          const Endpoint& peer) {
  std::shared_ptr<Session> session(new Session(context, /*server=*/false, peer));
  absl::Status status = session->StartClient();
  if (!status.ok()) return status;
  return session;
}

absl::StatusOr<std::shared_ptr<Session>> Session::Accept(const SessionContext& context,
                                                         const FirstPacket& first) {
  std::shared_ptr<Session> session(new Session(context, /*server=*/true, first.from));
  absl::Status status = session->StartServer(first);
  if (!status.ok()) return status;
  return session;
}

ngtcp2_settings Session::Settings() const {
  const TransportOptions& options = context_.options->transport;
  ngtcp2_settings settings{};
  ngtcp2_settings_default(&settings);
  settings.initial_ts = Timestamp();
  settings.rand_ctx.native_handle = context_.environment.entropy;
  settings.cc_algo = options.congestion_control == CongestionControl::kBbr ? NGTCP2_CC_ALGO_BBR
                                                                           : NGTCP2_CC_ALGO_CUBIC;
  settings.handshake_timeout = OrNever(options.handshake_timeout);
  settings.max_tx_udp_payload_size = kPacketMax;
  settings.no_pmtud = options.path_mtu_discovery ? 0 : 1;
  return settings;
}

ngtcp2_transport_params Session::TransportParameters() const {
  const TransportOptions& options = context_.options->transport;
  ngtcp2_transport_params parameters{};
  ngtcp2_transport_params_default(&parameters);
  parameters.initial_max_stream_data_bidi_local = options.stream_window_bytes;
  parameters.initial_max_stream_data_bidi_remote = options.stream_window_bytes;
  parameters.initial_max_data = options.session_window_bytes;
  parameters.initial_max_streams_bidi = options.max_peer_streams;
  parameters.max_idle_timeout = static_cast<ngtcp2_duration>(options.idle_timeout.count());
  parameters.active_connection_id_limit = kPeerIdsMax;
  return parameters;
}

absl::Status Session::StartClient() {
  engine::Entered entered(context_.environment);
  Entropy* entropy = context_.environment.entropy;
  ngtcp2_cid theirs = NewConnectionId(entropy, NGTCP2_MAX_CIDLEN);
  ngtcp2_cid ours = NewConnectionId(entropy);
  ngtcp2_callbacks callbacks = SessionCallbackTable(server_);
  ngtcp2_settings settings = Settings();
  ngtcp2_transport_params parameters = TransportParameters();
  Path path(local_, peer_);
  ngtcp2_conn* connection = nullptr;
  int error = ngtcp2_conn_client_new(&connection, &theirs, &ours, path.get(), NGTCP2_PROTO_VER_V1,
                                     &callbacks, &settings, &parameters, nullptr, this);
  RegisterId(ours);
  return Adopt(error, connection, context_.tls->NewClientSession(&reference_, peer_));
}

absl::Status Session::StartServer(const FirstPacket& first) {
  engine::Entered entered(context_.environment);
  ngtcp2_cid ours = NewConnectionId(context_.environment.entropy);
  ngtcp2_callbacks callbacks = SessionCallbackTable(server_);
  ngtcp2_settings settings = Settings();
  ngtcp2_transport_params parameters = TransportParameters();
  parameters.original_dcid = first.header.dcid;
  if (first.address_proven) {
    settings.token = first.header.token;
    parameters.original_dcid = first.original_id;
    parameters.retry_scid = first.header.dcid;
    parameters.retry_scid_present = 1;
  }
  parameters.stateless_reset_token_present = 1;
  ResetTokenOf(ours, parameters.stateless_reset_token);
  Path path(local_, peer_);
  ngtcp2_conn* connection = nullptr;
  int error = ngtcp2_conn_server_new(&connection, &first.header.scid, &ours, path.get(),
                                     first.header.version, &callbacks, &settings, &parameters,
                                     nullptr, this);
  RegisterId(ours);
  RegisterId(first.header.dcid);  // what the client uses until it has heard of ours
  return Adopt(error, connection, context_.tls->NewServerSession(&reference_));
}

absl::Status Session::Adopt(int error, ngtcp2_conn* connection, bssl::UniquePtr<SSL> ssl) {
  connection_.reset(connection);
  ssl_ = std::move(ssl);
  if (error != 0) return EngineStatus(error, "a session cannot begin");
  if (ssl_ == nullptr) return absl::ResourceExhaustedError("quic: no memory for a TLS session");
  reference_.get_conn = &ConnectionOf;
  reference_.user_data = this;
  ngtcp2_conn_set_tls_native_handle(connection, ssl_.get());
  Duration keepalive = context_.options->transport.keepalive;
  if (keepalive.count() > 0) {
    ngtcp2_conn_set_keep_alive_timeout(connection, static_cast<ngtcp2_duration>(keepalive.count()));
  }
  Wake();
  return absl::OkStatus();
}

ngtcp2_conn* Session::ConnectionOf(ngtcp2_crypto_conn_ref* reference) {
  return static_cast<Session*>(reference->user_data)->connection_.get();
}

void Session::RegisterId(const ngtcp2_cid& id) {
  ids_.emplace_back(id);
  context_.host->AddId(ids_.back(), this);
}

void Session::ForgetId(const ngtcp2_cid& id) {
  ConnectionId gone(id);
  std::erase(ids_, gone);
  context_.host->RemoveId(gone);
}

void Session::ResetTokenOf(const ngtcp2_cid& id, uint8_t* token) const {
  int error = ngtcp2_crypto_generate_stateless_reset_token(token, context_.reset_key.data(),
                                                           context_.reset_key.size(), &id);
  FAULTLINE_CHECK(error == 0) << "a keyed hash fails without memory alone";
}

ngtcp2_tstamp Session::Timestamp() const { return ToTimestamp(context_.environment.clock->Now()); }

// --- Receiving ---

void Session::Receive(std::span<const std::byte> datagram, const Endpoint& from, Ecn ecn) {
  if (connection_ == nullptr) {
    // Answered ever more rarely: two closed ends must not keep each other talking.
    // What is due already stays due, whatever else the same burst has brought.
    if (answering() && std::has_single_bit(++packets_after_close_)) close_due_ = true;
    if (close_due_) Wake();
    return;
  }
  engine::Entered entered(context_.environment);
  Path path(local_, from);
  ngtcp2_pkt_info info{.ecn = static_cast<uint8_t>(ecn)};
  engine_time_ = Timestamp();
  int error = ngtcp2_conn_read_pkt(connection_.get(), path.get(), &info,
                                   reinterpret_cast<const uint8_t*>(datagram.data()),
                                   datagram.size(), engine_time_);
  if (error != 0) OnReceiveError(error);
  if (connection_ != nullptr && server_) {
    peer_ = ToEndpoint(ngtcp2_conn_get_path(connection_.get())->remote);
  }
  Wake();
}

void Session::OnReceiveError(int error) {
  switch (error) {
    case NGTCP2_ERR_DRAINING:
      return reset_seen_ ? Drain(StatelessReset()) : OnClosedByPeer();
    case NGTCP2_ERR_CRYPTO:
      return OnTlsFailure();
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
      return Drain(absl::UnimplementedError("quic: the peer does not speak QUIC version 1"));
    case NGTCP2_ERR_RETRY:
    case NGTCP2_ERR_DROP_CONN:
      Drain(absl::InvalidArgumentError("quic: the first packet starts no handshake"));
      forget_at_ = context_.environment.clock->Now();  // the peer has never heard of it
      return;
    default:
      break;
  }
  if (early_data_seen_) return CloseWithEngineError(NGTCP2_ERR_PROTO, "early data was refused");
  CloseWithEngineError(error, "a packet of the peer");
}

void Session::OnTlsFailure() {
  uint8_t alert = ngtcp2_conn_get_tls_alert(connection_.get());
  int library_error = ngtcp2_conn_get_tls_error(connection_.get());
  if (alert == 0 && library_error != 0) {
    return CloseWithEngineError(library_error, "TLS handshake");
  }
  ngtcp2_connection_close_error error{};
  ngtcp2_connection_close_error_set_transport_error_tls_alert(&error, alert, nullptr, 0);
  CloseWith(error, TlsFailure(alert, WhyHandshakeFailed(ssl_.get())));
}

void Session::OnClosedByPeer() {
  ngtcp2_connection_close_error error{};
  ngtcp2_conn_get_connection_close_error(connection_.get(), &error);
  bool application = error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION;
  Drain(ClosedByPeer(application, error.error_code, Text(error.reason, error.reasonlen)));
}

// --- Turns ---

bool Session::ready() const {
  return handshake_done_ && (!context_.options->announce_with_stream || !arrived_.empty());
}

void Session::BeginTurn() {
  const MonotonicTime now = context_.environment.clock->Now();
  CheckDeadlines(now);
  if (connection_ == nullptr) return;
  CheckExpiry(now);
  if (connection_ == nullptr) return;
  if (handshake_done_ && !settled_.is_set()) settled_.Set();
  if (!arrived_.empty()) stream_arrived_.Set();
  for (auto& [id, stream] : streams_) CheckStopped(stream.get());
  Deliver();
}

// Data alone: that the handshake is done is told when its last packet is about to leave.
void Session::Deliver() {
  if (connection_ == nullptr) return;
  for (auto& [id, stream] : streams_) stream->Deliver();
}

void Session::CheckDeadlines(MonotonicTime now) {
  if (now >= forget_at_) gone_ = true;
  if (connection_ == nullptr) return;
  if (lingering_ && now >= linger_until_) return Abort(CloseCode::kAborted, "close_grace");
  if (!server_ || announced_ || now < announce_by_) return;
  if (!handshake_done_)
    return CloseWithEngineError(NGTCP2_ERR_HANDSHAKE_TIMEOUT, "handshake_timeout");
  Abort(CloseCode::kNoStream, "handshake_timeout: no stream was opened");
}

void Session::CheckExpiry(MonotonicTime now) {
  engine::Entered entered(context_.environment);
  engine_time_ = ToTimestamp(now);
  if (ngtcp2_conn_get_expiry(connection_.get()) > engine_time_) return;
  int error = ngtcp2_conn_handle_expiry(connection_.get(), engine_time_);
  if (error == 0) return;
  if (error == NGTCP2_ERR_IDLE_CLOSE) return Drain(IdleTimeout());
  CloseWithEngineError(error,
                       error == NGTCP2_ERR_HANDSHAKE_TIMEOUT ? "handshake_timeout" : "a timer");
}

// When the packets of this turn allow the next ones is told to the engine last: a turn ends when
// there was no packet left, and nobody has to wake up only to see that one might leave now. One
// that is held back has a turn in which it is, and that waits for the moment.
void Session::EndTurn() {
  ngtcp2_tstamp expiry = kNever;
  if (connection_ != nullptr) {
    engine::Entered entered(context_.environment);
    expiry = ngtcp2_conn_get_expiry(connection_.get());
    // Before the handshake is done there is no round trip to pace by, but a guess of 333 ms.
    if (handshake_done_) ngtcp2_conn_update_pkt_tx_time(connection_.get(), engine_time_);
    CheckDelivered();
  }
  ArmTimer(expiry);
}

void Session::ArmTimer(ngtcp2_tstamp expiry) {
  MonotonicTime when = forget_at_;
  if (connection_ != nullptr) {
    // A turn has just been taken: what is due still (ngtcp2 drops a retired connection id only when
    // its time lies in the past) would be due for ever in an instant of virtual time.
    expiry = std::max(expiry, engine_time_ + 1);
    if (expiry < kNever) when = std::min(when, FromTimestamp(expiry));
    when = std::min(when, linger_until_);
    if (server_ && !announced_) when = std::min(when, announce_by_);
  }
  if (gone_ || when == kInfiniteFuture) return timer_.Disarm();
  if (!timer_.armed() || timer_.when() != when) timer_.Arm(context_.environment.clock, when);
}

// --- Ends ---

void Session::Abort(CloseCode code, std::string_view reason) {
  if (connection_ == nullptr) return;
  ngtcp2_connection_close_error error{};
  ngtcp2_connection_close_error_set_application_error(
      &error, static_cast<uint64_t>(code), reinterpret_cast<const uint8_t*>(reason.data()),
      reason.size());
  CloseWith(error, ErrnoStatus(ECANCELED, "quic: the session was closed here"));
}

void Session::CloseWithEngineError(int error, std::string_view what) {
  bool late = error == NGTCP2_ERR_HANDSHAKE_TIMEOUT;
  ngtcp2_connection_close_error close{};
  ngtcp2_connection_close_error_set_transport_error_liberr(
      &close, error, reinterpret_cast<const uint8_t*>(what.data()), what.size());
  CloseWith(close, late ? HandshakeTimeout() : EngineStatus(error, what));
}

void Session::CloseWith(const ngtcp2_connection_close_error& error, const absl::Status& status) {
  engine::Entered entered(context_.environment);
  std::array<std::byte, NGTCP2_MAX_UDP_PAYLOAD_SIZE> packet{};
  ngtcp2_path_storage path{};
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  ngtcp2_ssize size = ngtcp2_conn_write_connection_close(connection_.get(), &path.path, &info,
                                                         reinterpret_cast<uint8_t*>(packet.data()),
                                                         packet.size(), &error, Timestamp());
  if (size > 0) {
    close_packet_.assign(packet.begin(), packet.begin() + size);
    close_due_ = true;
  }
  Finish(status);
}

void Session::Drain(const absl::Status& status) {
  engine::Entered entered(context_.environment);
  Finish(status);
}

void Session::Finish(const absl::Status& status) {
  Duration probe(static_cast<int64_t>(ngtcp2_conn_get_pto(connection_.get())));
  forget_at_ =
      After(context_.environment.clock->Now(),
            std::min(probe * kProbeTimeoutsOfSilence, context_.options->transport.close_grace));
  connection_.reset();
  ssl_.reset();
  end_ = status;
  for (auto& [id, stream] : streams_) stream->OnSessionEnd(status);
  settled_.Set();
  stream_arrived_.Set();
  Wake();
}

void Session::Detach(const absl::Status& status) {
  if (detached_) return;
  timer_.Disarm();
  gone_ = true;
  for (const ConnectionId& id : ids_) context_.host->RemoveId(id);
  ids_.clear();
  if (connection_ != nullptr) {
    engine::Entered entered(context_.environment);
    Finish(status);
  }
  Unlink();
  detached_ = true;
}

// --- Another path ---

absl::Status Session::Migrate(const Endpoint& local) {
  if (connection_ == nullptr) return end_;
  engine::Entered entered(context_.environment);
  Path path(local, peer_);
  int error = ngtcp2_conn_initiate_immediate_migration(connection_.get(), path.get(), Timestamp());
  if (error == NGTCP2_ERR_INVALID_STATE) {
    return absl::FailedPreconditionError(
        "quic: the peer takes no migration, or has not confirmed the handshake");
  }
  if (error == NGTCP2_ERR_CONN_ID_BLOCKED) {
    return absl::ResourceExhaustedError("quic: the peer has given no connection id to spare");
  }
  if (error != 0) return EngineStatus(error, "a migration");
  local_ = local;
  Wake();
  return absl::OkStatus();
}

// --- For the handle ---

SessionDetails Session::Details() const {
  SessionDetails details;
  if (connection_ == nullptr) return details;
  ngtcp2_conn_stat now{};
  ngtcp2_conn_get_conn_stat(connection_.get(), &now);
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  if (cipher != nullptr) details.cipher = SSL_CIPHER_standard_name(cipher);
  const uint8_t* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &alpn, &alpn_size);
  details.alpn = Text(alpn, alpn_size);
  details.smoothed_rtt = Duration(static_cast<int64_t>(now.smoothed_rtt));
  details.packet_bytes = ngtcp2_conn_get_path_max_tx_udp_payload_size(connection_.get());
  details.congestion_window_bytes = now.cwnd;
  details.paths_validated = paths_validated_;
  details.peer_certificate_pem = PeerCertificatePem(ssl_.get());
  return details;
}

void Session::CloseWhenDelivered() {
  if (connection_ == nullptr || lingering_) return;
  if (!handshake_done_) return Abort(CloseCode::kAborted, "closed during the handshake");
  lingering_ = true;
  MonotonicTime now = context_.environment.clock->Now();
  linger_until_ = After(now, context_.options->transport.close_grace);
  linger_at_most_ = After(now, context_.options->transport.close_grace * kGracesMax);
  for (auto& [id, stream] : streams_) {
    if (!stream->finishing()) (void)stream->ShutdownWrite();
  }
  Wake();
}

void Session::CheckDelivered() {
  if (!lingering_) return;
  if (AllDelivered()) return Abort(CloseCode::kDone, "");
  if (!std::exchange(progress_, false)) return;
  MonotonicTime now = context_.environment.clock->Now();
  linger_until_ = std::min(After(now, context_.options->transport.close_grace), linger_at_most_);
}

bool Session::AllDelivered() const {
  return std::all_of(streams_.begin(), streams_.end(),
                     [](const auto& entry) { return entry.second->Delivered(); });
}

}  // namespace faultline::quic
