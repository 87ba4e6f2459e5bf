// Messages over TCP, and over Unix sockets.
//
//   tcp::Connector connector(runtime.network, runtime.buffers, {});
//   absl::StatusOr<tcp::Connection> connected =
//       co_await Deadline(clock, clock->Now() + 2s, connector.Connect(peer));
//   auto [reader, writer] = std::move(*connected).Split();
//   scope.Spawn(ReadLoop(std::move(reader)));
//   scope.Spawn(WriteLoop(std::move(writer)));
//
// The contract of the five types is told in transports/message/concepts.h. Frames are handed to the
// kernel without a copy, at most 512 in one sendmsg(2); one recvmsg(2) takes as many as there are.
//
// How a connection ends is told in transports/message/stream_connection.h.
#ifndef FAULTLINE_TRANSPORTS_TCP_TCP_H_
#define FAULTLINE_TRANSPORTS_TCP_TCP_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/network.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/message/concepts.h"
#include "transports/message/stream_connection.h"

namespace faultline::tcp {

using ConnectionOptions = message::StreamConnectionOptions;
using Reader = message::StreamReader;
using Writer = message::StreamWriter;
using Connection = message::StreamConnection;

struct ListenerOptions {
  faultline::ListenOptions socket{};
  ConnectionOptions connection{};
};

class Listener {
 public:
  using Connection = tcp::Connection;

  // `pool` outlives the listener and its connections. Errors: those of `Network::Listen`.
  static absl::StatusOr<Listener> Listen(Network* network, BufferPool* pool, const Endpoint& local,
                                         const ListenerOptions& options);

  // One at a time. Errors: Cancelled; FailedPrecondition after `Close`. Lack of descriptors is
  // waited out below.
  Task<absl::StatusOr<Connection>> Accept();

  Endpoint local_address() const { return listener_->local_address(); }
  // No accept is pending. Connections that were accepted go on.
  absl::Status Close() { return listener_->Close(); }

 private:
  Listener(std::unique_ptr<faultline::Listener> listener, BufferPool* pool,
           const ConnectionOptions& options)
      : listener_(std::move(listener)), pool_(pool), options_(options) {}

  std::unique_ptr<faultline::Listener> listener_;
  BufferPool* pool_;
  ConnectionOptions options_{};
};

struct ConnectorOptions {
  ConnectOptions socket{};
  ConnectionOptions connection{};
};

class Connector {
 public:
  using Connection = tcp::Connection;

  // Neither is owned; `network` outlives the connector, `pool` its connections too.
  Connector(Network* network, BufferPool* pool, const ConnectorOptions& options)
      : network_(network), pool_(pool), options_(options) {}

  // Give it a deadline: the system's own is minutes. Errors: those of `Network::Connect`.
  Task<absl::StatusOr<Connection>> Connect(Endpoint peer);

 private:
  Network* network_;
  BufferPool* pool_;
  ConnectorOptions options_;
};

static_assert(message::Listener<Listener> && message::Connector<Connector>);

}  // namespace faultline::tcp

#endif  // FAULTLINE_TRANSPORTS_TCP_TCP_H_
