#include "runtime/epoll/network.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/epoll/datagram.h"
#include "runtime/epoll/listener.h"
#include "runtime/errors.h"
#include "runtime/kernel/sockets.h"
#include "runtime/wait.h"

namespace faultline::epoll {
// --- Connect ---

Task<absl::StatusOr<std::unique_ptr<Stream>>> EpollNetwork::Connect(Endpoint peer,
                                                                    ConnectOptions options) {
  co_await TurnTaken();
  absl::StatusOr<kernel::SocketAddress> address = kernel::ToSocketAddress(peer);
  if (!address.ok()) co_return address.status();
  absl::StatusOr<Descriptor> socket =
      kernel::OpenSocket(address->family(), SOCK_STREAM | SOCK_NONBLOCK, peer);
  if (!socket.ok()) co_return socket.status();
  absl::Status prepared = kernel::ApplyOptions(socket->get(), peer, options.stream);
  if (prepared.ok() && options.local.has_value()) {
    prepared = kernel::BindClient(socket->get(), *options.local);
  }
  if (!prepared.ok()) co_return prepared;
  auto stream =
      std::make_unique<EpollStream>(core_, *std::move(socket), Endpoint(), std::move(peer));
  absl::Status connected = co_await ConnectSocket(stream.get(), *address);
  if (!connected.ok()) co_return connected;
  co_return std::unique_ptr<Stream>(std::move(stream));
}

Task<absl::Status> EpollNetwork::ConnectSocket(EpollStream* stream, kernel::SocketAddress peer) {
  StopToken stop = co_await CurrentStop();
  for (Duration pause = 1ms;; pause = std::min<Duration>(pause * 2, 100ms)) {
    if (stop.stop_requested()) co_return absl::CancelledError("stop requested");
    if (connect(stream->fd(), peer.get(), peer.size) == 0) break;
    if (errno == EINPROGRESS || errno == EINTR) {
      absl::Status ended = co_await FinishHandshake(stream);
      if (!ended.ok()) co_return ended;
      break;
    }
    if (errno != EAGAIN || peer.family() != AF_UNIX) {
      co_return kernel::SocketError(errno, "connect", stream->peer_address());
    }
    absl::Status slept = co_await core_->clock.SleepFor(pause);
    if (!slept.ok()) co_return slept;
  }
  stream->SetLocalAddress(kernel::LocalAddress(stream->fd()));
  // A connect to a free port of the same machine, from that very port, meets itself (simultaneous
  // open). Nobody listens there: say so.
  bool met_itself = peer.family() != AF_UNIX && stream->local_address() == stream->peer_address();
  if (met_itself) co_return kernel::SocketError(ECONNREFUSED, "connect", stream->peer_address());
  co_return absl::OkStatus();
}

Task<absl::Status> EpollNetwork::FinishHandshake(EpollStream* stream) {
  absl::Status ended = co_await stream->Handshake();
  if (!ended.ok()) co_return ended;
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(stream->fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error == 0) co_return absl::OkStatus();
  co_return kernel::SocketError(error, "connect", stream->peer_address());
}

// --- Listen, Bind ---

absl::StatusOr<std::unique_ptr<Listener>> EpollNetwork::Listen(const Endpoint& local,
                                                               const ListenOptions& options) {
  absl::StatusOr<kernel::SocketAddress> address = kernel::ToSocketAddress(local);
  if (!address.ok()) return address.status();
  absl::StatusOr<Descriptor> socket =
      kernel::OpenSocket(address->family(), SOCK_STREAM | SOCK_NONBLOCK, local);
  if (!socket.ok()) return socket.status();
  absl::Status status = kernel::PrepareListener(socket->get(), *address, local, options);
  if (!status.ok()) return status;
  Endpoint bound = kernel::LocalAddress(socket->get());
  return std::make_unique<EpollListener>(core_, *std::move(socket), std::move(bound),
                                         options.stream);
}

absl::StatusOr<std::unique_ptr<DatagramSocket>> EpollNetwork::Bind(const Endpoint& local,
                                                                   const BindOptions& options) {
  if (!local.is_ip()) return kernel::SocketError(EAFNOSUPPORT, "bind", local);
  absl::StatusOr<kernel::SocketAddress> address = kernel::ToSocketAddress(local);
  if (!address.ok()) return address.status();
  absl::StatusOr<Descriptor> socket =
      kernel::OpenSocket(address->family(), SOCK_DGRAM | SOCK_NONBLOCK, local);
  if (!socket.ok()) return socket.status();
  absl::Status status = kernel::PrepareDatagrams(socket->get(), *address, local, options);
  if (!status.ok()) return status;
  Endpoint bound = kernel::LocalAddress(socket->get());
  return std::make_unique<EpollDatagramSocket>(core_, *std::move(socket), std::move(bound));
}

// --- Adopt ---

absl::StatusOr<std::unique_ptr<Stream>> EpollNetwork::Adopt(
    std::unique_ptr<DetachedStream> detached) {
  absl::StatusOr<kernel::ConnectedSocket> socket =
      kernel::AdoptSocket(std::move(detached), /*blocking=*/false);
  if (!socket.ok()) return socket.status();
  return std::make_unique<EpollStream>(core_, *std::move(socket));
}

}  // namespace faultline::epoll
