#include "transports/quic/quic.h"

#include "runtime/check.h"

namespace faultline::quic {
Connection::Connection(SessionHandle session, std::unique_ptr<Stream> stream, BufferPool* pool,
                       const ConnectionOptions& options)
    : Connection(std::make_unique<SessionStream>(std::move(session), std::move(stream)), pool,
                 options) {}

// --- Listener ---

absl::StatusOr<Listener> Listener::Listen(const Surroundings& surroundings, BufferPool* pool,
                                          const Endpoint& local, const Options& options,
                                          const ConnectionOptions& connection) {
  Options bus = options;
  bus.announce_with_stream = true;
  bus.transport.max_peer_streams = 1;
  absl::StatusOr<Hub::Use> hub = Hub::Start(surroundings, Hub::Role::kServer, local, bus);
  if (!hub.ok()) return hub.status();
  return Listener(*std::move(hub), pool, connection);
}

Listener::~Listener() { (void)Close(); }

absl::Status Listener::Close() {
  if (hub_) hub_->StopAccepting();
  return absl::OkStatus();
}

Task<absl::StatusOr<Connection>> Listener::Accept() {
  absl::StatusOr<std::shared_ptr<Session>> ready = co_await hub_->Accept();
  if (absl::IsOutOfRange(ready.status())) {
    co_return absl::FailedPreconditionError("quic: the listener is closed");
  }
  if (!ready.ok()) co_return ready.status();
  SessionHandle session(hub_.Again(), *std::move(ready));
  std::unique_ptr<Stream> stream = session.TryAcceptStream();
  FAULTLINE_CHECK(stream != nullptr) << "a session was announced before its stream was here";
  co_return Connection(std::move(session), std::move(stream), pool_, connection_);
}

// --- Connector ---

absl::StatusOr<Hub::Use> Connector::HubFor(const Endpoint& peer) {
  if (!peer.is_ip()) {
    return absl::InvalidArgumentError("quic: an address of IPv4 or IPv6 is connected to");
  }
  bool ipv4 = peer.family() == Endpoint::Family::kIpv4;
  std::optional<Hub::Use>& hub = ipv4 ? ipv4_ : ipv6_;
  if (!hub.has_value() || (*hub)->over()) {
    Endpoint local = ipv4 ? Endpoint::Ipv4Any(0) : Endpoint::Ipv6Any(0);
    absl::StatusOr<Hub::Use> started =
        Hub::Start(surroundings_, Hub::Role::kClient, local, options_);
    if (!started.ok()) return started.status();
    hub.emplace(*std::move(started));
  }
  return hub->Again();
}

Task<absl::StatusOr<Connection>> Connector::Connect(Endpoint peer) {
  absl::StatusOr<Hub::Use> hub = HubFor(peer);
  if (!hub.ok()) co_return hub.status();
  absl::StatusOr<std::shared_ptr<Session>> begun = (*hub)->Connect(peer);
  if (!begun.ok()) co_return begun.status();
  SessionHandle session(*std::move(hub), *std::move(begun));
  absl::Status settled = co_await session.Settled();
  if (!settled.ok()) co_return settled;
  absl::StatusOr<std::unique_ptr<Stream>> stream = session.OpenStream();
  if (!stream.ok()) co_return stream.status();
  co_return Connection(std::move(session), *std::move(stream), pool_, connection_);
}

absl::Status Connector::Rebind() {
  absl::Status status;
  if (ipv4_.has_value()) status.Update((*ipv4_)->Rebind(Endpoint::Ipv4Any(0)));
  if (ipv6_.has_value()) status.Update((*ipv6_)->Rebind(Endpoint::Ipv6Any(0)));
  return status;
}

}  // namespace faultline::quic
