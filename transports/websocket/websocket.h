// Messages over WebSocket (RFC 6455): one binary message is one frame of transports/message.
//
//   websocket::Environment environment{clock, entropy, pool, &scope};
//   auto listener = websocket::Listener::Listen(environment, network, address,
//                                               {.policy = {.path = "/bus"}});
//   absl::StatusOr<websocket::Connection> accepted = co_await listener->Accept();
//
//   websocket::Connector connector(environment, network, {.request = {.path = "/bus"}});
//   absl::StatusOr<websocket::Connection> connected = co_await connector.Connect(peer);
//   auto [reader, writer] = std::move(*connected).Split();
//
// The contract of the five types is told in transports/message/concepts.h. The protocol is that of
// libwebsockets, over any `Stream` (engine.h): pings are answered, fragments are put together, and
// a peer that breaks a rule is told which kind in a close frame: 1002 protocol, 1003 text, 1007 not
// a valid message, 1009 above the maximum. Its reader's error says more.
//
// How a connection ends
//   `FinishWrites` sends a close frame. The peer's reader sees a clean end, and its writer has
//   `close_grace` to finish what it sends, as after a half-close; then its close frame comes and
//   the stream is closed. Who reads must go on reading until then. `Close` does the same and drops
//   what still comes. Either is concluded by a task in the environment's scope, at most two
//   `close_grace` after it began, whether or not the halves still exist. A stream that ends without
//   a close frame is DataLoss, never a clean end. Both halves dropped without either call: RST, as
//   over TCP.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_WEBSOCKET_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_WEBSOCKET_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/network.h"
#include "runtime/scope.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/message/concepts.h"
#include "transports/message/message.h"
#include "transports/websocket/core.h"
#include "transports/websocket/engine.h"

namespace faultline::websocket {

// Collaborators, not owned; all outlive the listeners, connectors and connections. `scope` runs
// what no caller waits for: handshakes, answers to pings, ends of connections. It is joined at
// last, and its stop reaches all of them but the ends, which are bounded.
struct Environment {
  Clock* clock = nullptr;
  Entropy* entropy = nullptr;
  BufferPool* pool = nullptr;
  Scope* scope = nullptr;
};

// What stands between the socket and the protocol: TLS, as an example. Its time counts towards
// `handshake_grace`.
class StreamLayer {
 public:
  virtual ~StreamLayer() = default;
  virtual Task<absl::StatusOr<std::unique_ptr<Stream>>> Wrap(std::unique_ptr<Stream> stream) = 0;
};

// The reading half. Not while a read is pending: moving, destroying.
class Reader {
 public:
  Reader(Reader&&) noexcept = default;
  Reader& operator=(Reader&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~Reader() {
    if (core_ != nullptr) core_->OnReaderGone();
  }

  Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) {
    return core_->ReadMessage(max_message_size);
  }
  std::optional<absl::StatusOr<message::Message>> TryNext(size_t max_message_size) {
    return core_->TryNext(max_message_size);
  }
  // Once the end was reported: what the peer's close frame said; nothing if there was none.
  const std::optional<CloseReason>& peer_reason() const { return core_->peer_reason(); }
  // RST, now: the other half ends too.
  void Abort() { core_->Abort(); }

 private:
  friend class Connection;
  explicit Reader(std::shared_ptr<internal::Core> core) : core_(std::move(core)) {}

  std::shared_ptr<internal::Core> core_;  // the two halves and the tender live in different tasks
};

// The writing half. Not while a batch is being sent: moving, destroying.
class Writer {
 public:
  Writer(Writer&&) noexcept = default;
  Writer& operator=(Writer&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~Writer() {
    if (core_ != nullptr) core_->OnWriterGone();
  }

  Task<absl::Status> SendBatch(FrozenBatch* batch) { return core_->SendBatch(batch); }
  absl::Status FinishWrites() { return core_->FinishWrites(); }
  // RST, now: the other half ends too.
  void Abort() { core_->Abort(); }

 private:
  friend class Connection;
  explicit Writer(std::shared_ptr<internal::Core> core) : core_(std::move(core)) {}

  std::shared_ptr<internal::Core> core_;  // the two halves and the tender live in different tasks
};

class Connection {
 public:
  using Reader = websocket::Reader;
  using Writer = websocket::Writer;

  // The upgrade over a stream that is connected. `policy` outlives the call. Errors: those of
  // `Session::Upgrade`; DeadlineExceeded, `handshake_grace`; those of the stream; DataLoss if it
  // ends too soon.
  static Task<absl::StatusOr<Connection>> Serve(Environment environment,
                                                std::shared_ptr<Engine> engine,
                                                std::unique_ptr<Stream> stream,
                                                const UpgradePolicy* policy,
                                                ConnectionOptions options);
  static Task<absl::StatusOr<Connection>> Ask(Environment environment,
                                              std::shared_ptr<Engine> engine,
                                              std::unique_ptr<Stream> stream,
                                              UpgradeRequest request, ConnectionOptions options);

  std::pair<Reader, Writer> Split() && { return {std::move(reader_), std::move(writer_)}; }

  Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) {
    return reader_.ReadMessage(max_message_size);
  }
  Task<absl::Status> SendBatch(FrozenBatch* batch) { return writer_.SendBatch(batch); }

  Endpoint local_address() const { return core()->stream().local_address(); }
  Endpoint peer_address() const { return core()->stream().peer_address(); }

  // No read or send is pending. What was sent is still delivered.
  absl::Status Close() { return core()->Close(); }
  void Abort() { core()->Abort(); }

 private:
  explicit Connection(const std::shared_ptr<internal::Core>& core) : reader_(core), writer_(core) {}
  internal::Core* core() const { return reader_.core_.get(); }

  Reader reader_;
  Writer writer_;
};

// Told of upgrades that failed: refused, too slow, ended. Outlives the listener and its
// environment.
class UpgradeObserver {
 public:
  virtual ~UpgradeObserver() = default;
  virtual void OnUpgradeFailed(const Endpoint& peer, const absl::Status& why) = 0;
};

struct ListenerOptions {
  faultline::ListenOptions socket{};
  ConnectionOptions connection{};
  EngineOptions engine{};
  UpgradePolicy policy{};
  // In flight: further connections wait in the socket's backlog.
  size_t max_handshakes = 256;
  // Null: none. Outlives the listener.
  StreamLayer* layer = nullptr;
  // Null: nobody is told.
  UpgradeObserver* observer = nullptr;
};

// Accepts and upgrades, many connections at a time: a slow peer does not keep others waiting.
class Listener {
 public:
  using Connection = websocket::Connection;

  // Errors: those of `Network::Listen`.
  static absl::StatusOr<Listener> Listen(Environment environment, Network* network,
                                         const Endpoint& local, const ListenerOptions& options);
  // Accepts what `socket` does.
  Listener(Environment environment, std::unique_ptr<faultline::Listener> socket,
           const ListenerOptions& options);
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener();

  // The next connection whose upgrade is done. One at a time. Errors: Cancelled; FailedPrecondition
  // after `Close`; those of the socket, then each time. Peers that are refused, or too slow, are
  // not told of here, but to the observer.
  Task<absl::StatusOr<Connection>> Accept();

  Endpoint local_address() const;
  // No accept is pending. Connections that were accepted go on; upgrades do not.
  absl::Status Close();
  // Upgrades that failed, since the start: refused, too slow, ended, or above `max_sessions`.
  uint64_t failed_upgrades() const;

 private:
  struct State;

  std::shared_ptr<State> state_;  // with the tasks that accept and upgrade
};

struct ConnectorOptions {
  ConnectOptions socket{};
  ConnectionOptions connection{};
  EngineOptions engine{};
  UpgradeRequest request{};
  // Null: none. Outlives the connector.
  StreamLayer* layer = nullptr;
};

class Connector {
 public:
  using Connection = websocket::Connection;

  // `network` outlives the connector.
  Connector(Environment environment, Network* network, const ConnectorOptions& options);

  // Give it a deadline: the system's own for a connection is minutes; `handshake_grace` begins
  // after it. Errors: those of `Network::Connect` and of `Connection::Ask`.
  Task<absl::StatusOr<Connection>> Connect(Endpoint peer);

 private:
  Environment environment_;
  Network* network_;
  ConnectorOptions options_;
  std::shared_ptr<Engine> engine_;  // with the connections
};

static_assert(message::Reader<Reader> && message::Writer<Writer>);
static_assert(message::Connection<Connection>);
static_assert(message::Listener<Listener> && message::Connector<Connector>);

}  // namespace faultline::websocket

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_WEBSOCKET_H_
