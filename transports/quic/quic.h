// Messages over QUIC: one bidirectional stream a peer.
//
//   quic::Connector connector({.scope = &scope, .clock = clock, .network = network,
//                              .entropy = entropy}, pool, options);
//   absl::StatusOr<quic::Connection> connected = co_await connector.Connect(peer);
//   auto [reader, writer] = std::move(*connected).Split();
//
// The contract of the five types is told in transports/message/concepts.h. The client opens the
// stream; a server hands a connection out when the stream is there, so a client that stalls in the
// handshake, or after it, holds nobody up.
//
// When writing was finished and reading has come to a clean end the conversation is over, and the
// session is closed with `kDone` as soon as everything is acknowledged. A connection that is
// destroyed before, both halves of it, is aborted.
#ifndef FAULTLINE_TRANSPORTS_QUIC_QUIC_H_
#define FAULTLINE_TRANSPORTS_QUIC_QUIC_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/task.h"
#include "transports/message/concepts.h"
#include "transports/message/message.h"
#include "transports/message/stream_connection.h"
#include "transports/quic/hub.h"
#include "transports/quic/options.h"
#include "transports/quic/stream.h"

namespace faultline::quic {

using ConnectionOptions = message::StreamConnectionOptions;
using Reader = message::StreamReader;
using Writer = message::StreamWriter;

class Connection {
 public:
  using Reader = quic::Reader;
  using Writer = quic::Writer;

  // `pool` outlives the connection; `stream` is the only one of `session`.
  Connection(SessionHandle session, std::unique_ptr<Stream> stream, BufferPool* pool,
             const ConnectionOptions& options);

  // See message::StreamConnection.
  std::pair<Reader, Writer> Split() && { return std::move(frames_).Split(); }
  Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) {
    return frames_.ReadMessage(max_message_size);
  }
  Task<absl::Status> SendBatch(FrozenBatch* batch) { return frames_.SendBatch(batch); }

  Endpoint local_address() const { return frames_.local_address(); }
  Endpoint peer_address() const { return frames_.peer_address(); }
  // As long as the connection, or a half of it, lives.
  SessionDetails details() const { return stream_->session().details(); }

  // No read or send is pending. What was sent is still delivered, within `close_grace`.
  absl::Status Close() { return frames_.Close(); }
  // CONNECTION_CLOSE, now.
  void Abort() { frames_.Abort(); }

 private:
  Connection(std::unique_ptr<SessionStream> stream, BufferPool* pool,
             const ConnectionOptions& options)
      : stream_(stream.get()), frames_(std::move(stream), pool, options) {}

  SessionStream* stream_;  // of `frames_`
  message::StreamConnection frames_;
};

class Listener {
 public:
  using Connection = quic::Connection;

  // What `surroundings` name outlives the listener and its connections, as does `pool`. One stream
  // a session is allowed, whatever `options` say. Errors: those of `Network::Bind`; InvalidArgument
  // for TLS options, named.
  static absl::StatusOr<Listener> Listen(const Surroundings& surroundings, BufferPool* pool,
                                         const Endpoint& local, const Options& options,
                                         const ConnectionOptions& connection);
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) noexcept = default;
  // Closes.
  ~Listener();

  // One at a time. Errors: Cancelled; FailedPrecondition after `Close`. Handshakes that fail are
  // not told of: `counters` count them.
  Task<absl::StatusOr<Connection>> Accept();

  // See `Hub::Load`.
  absl::Status Reload(const TlsOptions& tls) { return hub_->Load(tls); }

  Endpoint local_address() const { return hub_->local_address(); }
  // No accept is pending. Connections that were accepted go on; the socket closes with the last.
  absl::Status Close();
  const HubCounters& counters() const { return hub_->counters(); }

 private:
  Listener(Hub::Use hub, BufferPool* pool, const ConnectionOptions& connection)
      : hub_(std::move(hub)), pool_(pool), connection_(connection) {}

  Hub::Use hub_;
  BufferPool* pool_;
  ConnectionOptions connection_;
};

class Connector {
 public:
  using Connection = quic::Connection;

  // What `surroundings` name outlives the connector and its connections, as does `pool`.
  Connector(const Surroundings& surroundings, BufferPool* pool, const Options& options,
            const ConnectionOptions& connection)
      : surroundings_(surroundings), pool_(pool), options_(options), connection_(connection) {}

  // All connections of one address family share a socket. Gives up after `handshake_timeout`.
  // Errors: ETIMEDOUT, ECONNREFUSED, Unauthenticated and the like (errors.h); InvalidArgument for
  // TLS options, named; those of `Network::Bind`; Cancelled.
  Task<absl::StatusOr<Connection>> Connect(Endpoint peer);

  // The connections go on from other ports (`Hub::Rebind`). Errors: as there.
  absl::Status Rebind();

 private:
  absl::StatusOr<Hub::Use> HubFor(const Endpoint& peer);

  Surroundings surroundings_;
  BufferPool* pool_;
  Options options_;
  ConnectionOptions connection_;
  std::optional<Hub::Use> ipv4_;
  std::optional<Hub::Use> ipv6_;
};

static_assert(message::Reader<Reader> && message::Writer<Writer>);
static_assert(message::Connection<Connection>);
static_assert(message::Listener<Listener> && message::Connector<Connector>);

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_QUIC_H_
