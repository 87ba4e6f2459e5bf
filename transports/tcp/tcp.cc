#include "transports/tcp/tcp.h"

namespace faultline::tcp {

absl::StatusOr<Listener> Listener::Listen(Network* network, BufferPool* pool, const Endpoint& local,
                                          const ListenerOptions& options) {
  absl::StatusOr<std::unique_ptr<faultline::Listener>> listener =
      network->Listen(local, options.socket);
  if (!listener.ok()) return listener.status();
  return Listener(*std::move(listener), pool, options.connection);
}

Task<absl::StatusOr<Connection>> Listener::Accept() {
  absl::StatusOr<std::unique_ptr<Stream>> stream = co_await listener_->Accept();
  if (!stream.ok()) co_return stream.status();
  co_return Connection(*std::move(stream), pool_, options_);
}

Task<absl::StatusOr<Connection>> Connector::Connect(Endpoint peer) {
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      co_await network_->Connect(std::move(peer), options_.socket);
  if (!stream.ok()) co_return stream.status();
  co_return Connection(*std::move(stream), pool_, options_.connection);
}

}  // namespace faultline::tcp
