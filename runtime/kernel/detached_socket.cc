#include "runtime/kernel/detached_socket.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/status/status.h"
#include "runtime/errors.h"

namespace faultline::kernel {
namespace {

// fcntl(2), O_NONBLOCK.
absl::Status SetBlocking(int fd, bool blocking) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return ErrnoStatus(errno, "fcntl: F_GETFL");
  const int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  if (fcntl(fd, F_SETFL, wanted) != 0) return ErrnoStatus(errno, "fcntl: F_SETFL");
  return absl::OkStatus();
}

}  // namespace

DetachedSocket::~DetachedSocket() {
  if (!connected_.socket) return;
  // RST, as a stream that is destroyed; a Unix socket has none, and takes no notice.
  linger drop{.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(connected_.socket.get(), SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
}

absl::StatusOr<ConnectedSocket> AdoptSocket(std::unique_ptr<DetachedStream> detached,
                                            bool blocking) {
  auto* socket = dynamic_cast<DetachedSocket*>(detached.get());
  if (socket == nullptr) {
    return absl::InvalidArgumentError("adopt: this stream belongs to another kind of network");
  }
  ConnectedSocket connected = socket->Take();
  if (connected.blocking == blocking) return connected;
  absl::Status set = SetBlocking(connected.socket.get(), blocking);
  if (!set.ok()) return set;
  connected.blocking = blocking;
  return connected;
}

}  // namespace faultline::kernel
