#include "runtime/epoll/network.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/epoll/datagram.h"
#include "runtime/epoll/listener.h"
#include "runtime/errors.h"
#include "runtime/wait.h"

namespace faultline::epoll {
namespace {

absl::Status SocketError(int error, const char* call, const Endpoint& endpoint) {
  return ErrnoStatus(error, absl::StrCat(call, " ", endpoint.ToString()));
}

absl::StatusOr<Descriptor> OpenSocket(sa_family_t family, int type, const Endpoint& endpoint) {
  int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return SocketError(errno, "socket", endpoint);
  return Descriptor(fd);
}

absl::Status SetOption(int fd, int level, int name, int value, const Endpoint& endpoint) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) == 0) return absl::OkStatus();
  return SocketError(errno, "setsockopt", endpoint);
}

// A dead socket's file keeps its path taken. connect(2) with a type that no stream listener has
// tells, without bothering whoever is there: EPROTOTYPE if a stream socket is bound to the file,
// listening or not yet; ECONNREFUSED if none is.
bool IsStaleSocket(const SocketAddress& address, const std::string& path) {
  struct stat file;
  if (lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  Descriptor probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) return false;
  return connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

// bind(2); for Unix paths, once more after a stale socket has been removed.
absl::Status BindSocket(int fd, const SocketAddress& address, const Endpoint& local) {
  if (bind(fd, address.get(), address.size) == 0) return absl::OkStatus();
  int error = errno;
  bool has_file = local.family() == Endpoint::Family::kUnix && !local.path().starts_with('@');
  if (error == EADDRINUSE && has_file && IsStaleSocket(address, local.path())) {
    unlink(local.path().c_str());
    if (bind(fd, address.get(), address.size) == 0) return absl::OkStatus();
    error = errno;
  }
  return SocketError(error, "bind", local);
}

// bind(2) before connect(2). With port 0 the port is chosen by connect(2), which knows the peer:
// then as many connections fit as there are pairs of addresses and ports (ip(7)).
absl::Status BindClient(int fd, const Endpoint& local) {
  absl::StatusOr<SocketAddress> address = ToSocketAddress(local);
  if (!address.ok()) return address.status();
  if (local.is_ip() && local.port() == 0) {
    absl::Status late = SetOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, local);
    if (!late.ok()) return late;
  }
  return BindSocket(fd, *address, local);
}

absl::Status PrepareListener(int fd, const SocketAddress& address, const Endpoint& local,
                             const ListenOptions& options) {
  absl::Status status;
  if (local.is_ip() && options.reuse_address) {
    status.Update(SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1, local));
  }
  if (local.family() == Endpoint::Family::kIpv6) {
    status.Update(SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0, local));
  }
  // Before listen(2): the buffer's size decides the window scale that is offered (tcp(7)).
  status.Update(ApplyOptions(fd, local, options.stream));
  if (status.ok()) status.Update(BindSocket(fd, address, local));
  if (status.ok() && listen(fd, options.backlog) != 0) return SocketError(errno, "listen", local);
  return status;
}

absl::Status ForbidFragments(int fd, const Endpoint& local) {
  if (local.family() == Endpoint::Family::kIpv6) {
    return SetOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, local);
  }
  return SetOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, local);
}

absl::Status PrepareDatagrams(int fd, const SocketAddress& address, const Endpoint& local,
                              const BindOptions& options) {
  absl::Status status;
  if (local.family() == Endpoint::Family::kIpv6) {
    status.Update(SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0, local));
  }
  if (options.dont_fragment) status.Update(ForbidFragments(fd, local));
  StreamOptions buffers{.no_delay = false,
                        .send_buffer_bytes = options.send_buffer_bytes,
                        .receive_buffer_bytes = options.receive_buffer_bytes};
  status.Update(ApplyOptions(fd, local, buffers));
  if (status.ok()) status.Update(BindSocket(fd, address, local));
  return status;
}

}  // namespace

// --- Connect ---

Task<absl::StatusOr<std::unique_ptr<Stream>>> EpollNetwork::Connect(Endpoint peer,
                                                                    ConnectOptions options) {
  co_await TurnTaken();
  absl::StatusOr<SocketAddress> address = ToSocketAddress(peer);
  if (!address.ok()) co_return address.status();
  absl::StatusOr<Descriptor> socket = OpenSocket(address->family(), SOCK_STREAM, peer);
  if (!socket.ok()) co_return socket.status();
  absl::Status prepared = ApplyOptions(socket->get(), peer, options.stream);
  if (prepared.ok() && options.local.has_value()) {
    prepared = BindClient(socket->get(), *options.local);
  }
  if (!prepared.ok()) co_return prepared;
  auto stream =
      std::make_unique<EpollStream>(core_, *std::move(socket), Endpoint(), std::move(peer));
  absl::Status connected = co_await ConnectSocket(stream.get(), *address);
  if (!connected.ok()) co_return connected;
  co_return std::unique_ptr<Stream>(std::move(stream));
}

Task<absl::Status> EpollNetwork::ConnectSocket(EpollStream* stream, SocketAddress peer) {
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
      co_return SocketError(errno, "connect", stream->peer_address());
    }
    absl::Status slept = co_await core_->clock.SleepFor(pause);
    if (!slept.ok()) co_return slept;
  }
  stream->SetLocalAddress(LocalAddress(stream->fd()));
  // A connect to a free port of the same machine, from that very port, meets itself (simultaneous
  // open). Nobody listens there: say so.
  bool met_itself = peer.family() != AF_UNIX && stream->local_address() == stream->peer_address();
  if (met_itself) co_return SocketError(ECONNREFUSED, "connect", stream->peer_address());
  co_return absl::OkStatus();
}

Task<absl::Status> EpollNetwork::FinishHandshake(EpollStream* stream) {
  absl::Status ended = co_await stream->Handshake();
  if (!ended.ok()) co_return ended;
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(stream->fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error == 0) co_return absl::OkStatus();
  co_return SocketError(error, "connect", stream->peer_address());
}

// --- Listen, Bind ---

absl::StatusOr<std::unique_ptr<Listener>> EpollNetwork::Listen(const Endpoint& local,
                                                               const ListenOptions& options) {
  absl::StatusOr<SocketAddress> address = ToSocketAddress(local);
  if (!address.ok()) return address.status();
  absl::StatusOr<Descriptor> socket = OpenSocket(address->family(), SOCK_STREAM, local);
  if (!socket.ok()) return socket.status();
  absl::Status status = PrepareListener(socket->get(), *address, local, options);
  if (!status.ok()) return status;
  Endpoint bound = LocalAddress(socket->get());
  return std::make_unique<EpollListener>(core_, *std::move(socket), std::move(bound),
                                         options.stream);
}

absl::StatusOr<std::unique_ptr<DatagramSocket>> EpollNetwork::Bind(const Endpoint& local,
                                                                   const BindOptions& options) {
  if (!local.is_ip()) return SocketError(EAFNOSUPPORT, "bind", local);
  absl::StatusOr<SocketAddress> address = ToSocketAddress(local);
  if (!address.ok()) return address.status();
  absl::StatusOr<Descriptor> socket = OpenSocket(address->family(), SOCK_DGRAM, local);
  if (!socket.ok()) return socket.status();
  absl::Status status = PrepareDatagrams(socket->get(), *address, local, options);
  if (!status.ok()) return status;
  Endpoint bound = LocalAddress(socket->get());
  return std::make_unique<EpollDatagramSocket>(core_, *std::move(socket), std::move(bound));
}

}  // namespace faultline::epoll
