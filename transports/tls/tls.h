// Messages over TLS.
//
//   tls::Listener listener = *tls::Listener::Listen(network, pool, server_context, local, {});
//   absl::StatusOr<tls::Connection> accepted = co_await listener.Accept();
//
//   tls::Connector connector(network, pool, client_context, {.server_name = "node-1"});
//   absl::StatusOr<tls::Connection> connected = co_await connector.Connect(peer);
//
// The contract of the types is told in transports/message/concepts.h, how a connection ends in
// transports/message/stream_connection.h, and what TLS adds to that in transports/tls/stream.h:
// `Close` goes on in the background, within `close_grace`.
//
// Handshakes run beside `Accept`, at most `max_handshakes` at a time, each within the context's
// `handshake_grace`: a slow or hostile one holds up nobody. When all places are taken, the oldest
// handshake that has had `crowded_grace` makes room for who comes next. Those that fail are told to
// an observer; the listener goes on.
#ifndef FAULTLINE_TRANSPORTS_TLS_TLS_H_
#define FAULTLINE_TRANSPORTS_TLS_TLS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/network.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "runtime/time.h"
#include "transports/message/concepts.h"
#include "transports/message/stream_connection.h"
#include "transports/tls/context.h"
#include "transports/tls/stream.h"

namespace faultline::tls {

using ConnectionOptions = message::StreamConnectionOptions;
using Reader = message::StreamReader;
using Writer = message::StreamWriter;

class Connection {
 public:
  using Reader = tls::Reader;
  using Writer = tls::Writer;

  // `pool` outlives the connection.
  Connection(std::unique_ptr<TlsStream> stream, BufferPool* pool, const ConnectionOptions& options)
      : stream_(stream.get()), frames_(std::move(stream), pool, options) {}

  // What was agreed on: ALPN, the peer's certificate. As long as the connection or a half of it
  // lives.
  const TlsStream* stream() const { return stream_; }

  // See message::StreamConnection.
  std::pair<Reader, Writer> Split() && { return std::move(frames_).Split(); }
  Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) {
    return frames_.ReadMessage(max_message_size);
  }
  Task<absl::Status> SendBatch(FrozenBatch* batch) { return frames_.SendBatch(batch); }
  Endpoint local_address() const { return frames_.local_address(); }
  Endpoint peer_address() const { return frames_.peer_address(); }
  absl::Status Close() { return frames_.Close(); }
  void Abort() { frames_.Abort(); }

  // Waits for what `Close` does in the background. See TlsStream.
  Task<absl::Status> CloseOrderly() { return stream_->CloseOrderly(); }

 private:
  TlsStream* stream_;  // of `frames_`
  message::StreamConnection frames_;
};

// Told of handshakes that failed. Outlives the listener.
class HandshakeObserver {
 public:
  virtual ~HandshakeObserver() = default;
  // `why`: as `ServerHandshake`; ResourceExhausted, naming max_handshakes, if it had to make room.
  // Does nothing to the listener.
  virtual void OnHandshakeFailed(const Endpoint& peer, const absl::Status& why) = 0;
};

struct ListenerOptions {
  faultline::ListenOptions socket{};
  ConnectionOptions connection{};
  // In flight, or done and not accepted yet. One more waits for a place, others in the backlog. At
  // least 1.
  size_t max_handshakes = 256;
  // What a handshake may take although others wait for its place.
  Duration crowded_grace = 1s;
  HandshakeObserver* observer = nullptr;
};

namespace internal {
class Acceptor;
}  // namespace internal

class Listener {
 public:
  using Connection = tls::Connection;

  // `pool` and `context` outlive the listener and its connections. Errors: those of
  // `Network::Listen`.
  static absl::StatusOr<Listener> Listen(Network* network, BufferPool* pool, ServerContext* context,
                                         const Endpoint& local, const ListenerOptions& options);
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  // Handshakes in flight are reset, as are connections that nobody has accepted.
  ~Listener();

  // The next connection whose handshake is done. One at a time. The first call starts accepting.
  // Errors: Cancelled (nothing is lost); FailedPrecondition after `Close`.
  Task<absl::StatusOr<Connection>> Accept();

  Endpoint local_address() const;
  // Handshakes in flight.
  size_t handshakes() const;
  // No accept is pending. Connections that were accepted go on.
  absl::Status Close();

 private:
  explicit Listener(std::unique_ptr<internal::Acceptor> acceptor);

  std::unique_ptr<internal::Acceptor> acceptor_;
};

struct ConnectorOptions {
  ConnectOptions socket{};
  ConnectionOptions connection{};
  // Whom to expect (`ClientHandshake`).
  std::string server_name{};
};

class Connector {
 public:
  using Connection = tls::Connection;

  // None is owned; `network` outlives the connector, the others its connections too.
  Connector(Network* network, BufferPool* pool, ClientContext* context, ConnectorOptions options)
      : network_(network), pool_(pool), context_(context), options_(std::move(options)) {}

  // The handshake is bounded by `handshake_grace`; reaching the peer is not: give it a deadline.
  // Errors: those of `Network::Connect` and of `ClientHandshake`.
  Task<absl::StatusOr<Connection>> Connect(Endpoint peer);

 private:
  Network* network_;
  BufferPool* pool_;
  ClientContext* context_;
  ConnectorOptions options_;
};

static_assert(message::Connection<Connection>);
static_assert(message::Listener<Listener> && message::Connector<Connector>);

}  // namespace faultline::tls

#endif  // FAULTLINE_TRANSPORTS_TLS_TLS_H_
