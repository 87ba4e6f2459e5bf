#include "runtime/kernel/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/errors.h"

namespace faultline::kernel {
namespace {

int AsInt(size_t bytes) { return static_cast<int>(std::min<size_t>(bytes, INT_MAX)); }

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

absl::Status ForbidFragments(int fd, const Endpoint& local) {
  if (local.family() == Endpoint::Family::kIpv6) {
    return SetOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, local);
  }
  return SetOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, local);
}

// Traffic classes come with what is received. A socket of IPv6 may receive from IPv4 too.
absl::Status AskForEcn(int fd, const Endpoint& local) {
  absl::Status status = SetOption(fd, IPPROTO_IP, IP_RECVTOS, 1, local);
  if (local.family() == Endpoint::Family::kIpv6) {
    status.Update(SetOption(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1, local));
  }
  return status;
}

}  // namespace

absl::Status SocketError(int error, const char* call, const Endpoint& endpoint) {
  return ErrnoStatus(error, absl::StrCat(call, " ", endpoint.ToString()));
}

absl::StatusOr<Descriptor> OpenSocket(sa_family_t family, int type, const Endpoint& endpoint) {
  int fd = socket(family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return SocketError(errno, "socket", endpoint);
  return Descriptor(fd);
}

absl::Status ApplyOptions(int fd, const Endpoint& of, const StreamOptions& options) {
  absl::Status status;
  if (options.no_delay && of.is_ip()) status.Update(SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1, of));
  if (options.send_buffer_bytes != 0) {
    status.Update(SetOption(fd, SOL_SOCKET, SO_SNDBUF, AsInt(options.send_buffer_bytes), of));
  }
  if (options.receive_buffer_bytes != 0) {
    status.Update(SetOption(fd, SOL_SOCKET, SO_RCVBUF, AsInt(options.receive_buffer_bytes), of));
  }
  return status;
}

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

absl::Status PrepareDatagrams(int fd, const SocketAddress& address, const Endpoint& local,
                              const BindOptions& options) {
  absl::Status status;
  if (local.family() == Endpoint::Family::kIpv6) {
    status.Update(SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0, local));
  }
  if (options.dont_fragment) status.Update(ForbidFragments(fd, local));
  status.Update(AskForEcn(fd, local));
  // Without it (before Linux 5.0) each receive brings one.
  if (options.receive_several) (void)SetOption(fd, SOL_UDP, UDP_GRO, 1, local);
  StreamOptions buffers{.no_delay = false,
                        .send_buffer_bytes = options.send_buffer_bytes,
                        .receive_buffer_bytes = options.receive_buffer_bytes};
  status.Update(ApplyOptions(fd, local, buffers));
  if (status.ok()) status.Update(BindSocket(fd, address, local));
  return status;
}

AcceptError KindOfAcceptError(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    // accept(2): errors of the network that are already pending on the new socket.
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
      return AcceptError::kNextPlease;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return AcceptError::kNoDescriptors;
    default:
      return AcceptError::kOfTheListener;
  }
}

UnixFile::UnixFile(const Endpoint& local) : local_(local) {
  struct stat file;
  if (local.family() == Endpoint::Family::kUnix && !local.path().starts_with('@') &&
      stat(local.path().c_str(), &file) == 0) {
    file_ = Identity{file.st_dev, file.st_ino};
  }
}

void UnixFile::Remove() {
  struct stat file;
  if (!file_.has_value() || stat(local_.path().c_str(), &file) != 0) return;
  if (file.st_dev == file_->device && file.st_ino == file_->inode) unlink(local_.path().c_str());
  file_.reset();
}

}  // namespace faultline::kernel
