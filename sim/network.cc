#include "sim/network.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/errors.h"
#include "runtime/wait.h"
#include "sim/datagram.h"
#include "sim/host.h"
#include "sim/listener.h"
#include "sim/stream.h"
#include "sim/tcp.h"

namespace faultline::sim {
namespace {

absl::Status ErrorAt(int error, const char* what, const Endpoint& where) {
  return ErrnoStatus(error, absl::StrCat(what, " ", where.ToString()));
}

// No ephemeral port is left: the doing of a fault if one has taken some away.
void NotePortsUsedUp(Host* host) {
  if (host->config().limits.last_ephemeral_port < host->healthy_limits().last_ephemeral_port) {
    host->world()->effects()->Bite(Fault::kPorts);
  }
}

// Tells the connection how a connect ended, whichever way its frame goes.
class Claim {
 public:
  explicit Claim(TcpConnection* connection) : connection_(connection) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() {
    if (connection_ != nullptr) connection_->AbandonConnect();
  }
  TcpConnection* operator->() { return connection_; }
  std::unique_ptr<SimStream> IntoStream(Process* process) {
    auto stream = std::make_unique<SimStream>(process, connection_, 0);
    std::exchange(connection_, nullptr)->ClaimedBySocket(stream.get());
    return stream;
  }

 private:
  TcpConnection* connection_;
};

// A descriptor that goes back unless a socket takes it over.
class DescriptorGuard {
 public:
  explicit DescriptorGuard(Process* process) : process_(process) {}
  DescriptorGuard(const DescriptorGuard&) = delete;
  DescriptorGuard& operator=(const DescriptorGuard&) = delete;
  ~DescriptorGuard() {
    if (process_ != nullptr) process_->ReturnDescriptor();
  }
  void Keep() { process_ = nullptr; }

 private:
  Process* process_;
};

}  // namespace

absl::StatusOr<Endpoint> SimNetwork::TakeLocalPort(const Endpoint& peer,
                                                   const ConnectOptions& options, Plane plane) {
  Host* host = process_->host();
  if (peer.family() == Endpoint::Family::kUnix) return Endpoint();
  Endpoint own = host->SourceFor(peer, plane, 0);
  if (options.local.has_value() && !options.local->is_any()) {
    if (absl::Status status = CheckLocal(*options.local, "bind"); !status.ok()) return status;
    own = *options.local;
  } else if (options.local.has_value()) {
    own = own.WithPort(options.local->port());
  }
  MonotonicTime now = host->world()->now();
  if (own.port() != 0) {
    if (host->ports()->TakePort(own, peer, now)) return own;
    return ErrorAt(EADDRINUSE, "connect from", own);
  }
  std::optional<Endpoint> taken =
      host->ports()->TakeEphemeral(own, peer, host->config().limits, now, host->chooser());
  if (taken.has_value()) return *std::move(taken);
  NotePortsUsedUp(host);
  return ErrorAt(EADDRNOTAVAIL, "connect", peer);
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> SimNetwork::Connect(Endpoint peer,
                                                                  ConnectOptions options) {
  co_await TurnTaken();
  if ((co_await CurrentStop()).stop_requested()) co_return absl::CancelledError("stop requested");
  World* world = process_->host()->world();
  if (peer.family() == Endpoint::Family::kNone) co_return ErrorAt(EAFNOSUPPORT, "connect", peer);
  World::Located located = world->Locate(peer, process_->host());
  if (located.host == nullptr) co_return ErrorAt(ENETUNREACH, "connect", peer);
  if (peer.family() == Endpoint::Family::kUnix &&
      located.host->ports()->listeners()->Find(peer) == nullptr) {
    bool stale = located.host->ports()->HasUnixPath(peer) || peer.path().starts_with('@');
    co_return ErrorAt(stale ? ECONNREFUSED : ENOENT, "connect", peer);
  }
  if (!process_->TakeDescriptor()) co_return ErrorAt(EMFILE, "connect", peer);
  DescriptorGuard descriptor(process_);
  absl::StatusOr<Endpoint> local = TakeLocalPort(peer, options, located.plane);
  if (!local.ok()) co_return local.status();
  Endpoint remote = peer.is_any() ? (peer.family() == Endpoint::Family::kIpv4
                                         ? Endpoint::Ipv4Loopback(peer.port())
                                         : Endpoint::Ipv6Loopback(peer.port()))
                                  : peer;
  Claim connection(world->Adopt(std::make_unique<TcpConnection>(
      world, process_->host(), *local, located.host, remote, located.plane)));
  if (options.stream.receive_buffer_bytes != 0) {
    connection->flow(1).SetReceiveBuffer(options.stream.receive_buffer_bytes);
  }
  connection->SendSyn();
  absl::Status waited = co_await connection->connected()->Wait();
  if (!waited.ok()) co_return waited;
  if (connection->state() != TcpConnection::State::kEstablished) {
    co_return ErrorAt(connection->connect_error(), "connect", peer);
  }
  descriptor.Keep();
  std::unique_ptr<SimStream> stream = connection.IntoStream(process_);
  ApplyOptions(stream.get(), options.stream);
  co_return std::unique_ptr<Stream>(std::move(stream));
}

absl::Status SimNetwork::CheckLocal(const Endpoint& local, const char* what) const {
  if (local.family() == Endpoint::Family::kNone) return ErrorAt(EAFNOSUPPORT, what, local);
  Host* host = process_->host();
  if (local.family() == Endpoint::Family::kUnix || local.is_any()) return absl::OkStatus();
  if (host->world()->Locate(local, host).host != host) return ErrorAt(EADDRNOTAVAIL, what, local);
  return absl::OkStatus();
}

// socket(2) and bind(2): a descriptor, and `local` with a port.
template <typename Socket>
absl::StatusOr<Endpoint> SimNetwork::TakeLocal(const BoundSockets<Socket>& sockets,
                                               const Endpoint& local, bool v6_only,
                                               const char* what) {
  Host* host = process_->host();
  if (absl::Status status = CheckLocal(local, what); !status.ok()) return status;
  std::optional<Endpoint> bound =
      PortTable::Resolve(sockets, local, v6_only, host->config().limits, host->chooser());
  if (!bound.has_value()) {
    if (local.is_ip() && local.port() == 0) NotePortsUsedUp(host);
    return ErrorAt(EADDRINUSE, what, local);
  }
  if (!process_->TakeDescriptor()) return ErrorAt(EMFILE, what, local);
  return *std::move(bound);
}

absl::StatusOr<std::unique_ptr<Listener>> SimNetwork::Listen(const Endpoint& local,
                                                             const ListenOptions& options) {
  PortTable* ports = process_->host()->ports();
  if (!options.reuse_address && ports->Lingers(local, process_->host()->world()->now())) {
    return ErrorAt(EADDRINUSE, "listen", local);
  }
  absl::StatusOr<Endpoint> bound = TakeLocal(*ports->listeners(), local, options.v6_only, "listen");
  if (!bound.ok()) return bound.status();
  return std::unique_ptr<Listener>(std::make_unique<SimListener>(process_, *bound, options));
}

absl::StatusOr<std::unique_ptr<DatagramSocket>> SimNetwork::Bind(const Endpoint& local,
                                                                 const BindOptions& options) {
  if (!local.is_ip()) return ErrorAt(EAFNOSUPPORT, "bind", local);
  absl::StatusOr<Endpoint> bound =
      TakeLocal(*process_->host()->ports()->datagrams(), local, options.v6_only, "bind");
  if (!bound.ok()) return bound.status();
  return std::unique_ptr<DatagramSocket>(
      std::make_unique<SimDatagramSocket>(process_, *bound, options));
}

absl::StatusOr<std::unique_ptr<Stream>> SimNetwork::Adopt(
    std::unique_ptr<DetachedStream> detached) {
  auto* own = dynamic_cast<SimDetachedStream*>(detached.get());
  if (own == nullptr || own->stream()->process() != process_) {
    return absl::InvalidArgumentError("adopt: this stream belongs to another process");
  }
  return std::make_unique<SimStream>(own->stream());
}

}  // namespace faultline::sim
