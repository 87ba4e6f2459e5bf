#include "runtime/io_uring/network.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/errors.h"
#include "runtime/io_uring/datagram.h"
#include "runtime/io_uring/flight.h"
#include "runtime/io_uring/listener.h"
#include "runtime/io_uring/stream.h"
#include "runtime/kernel/sockets.h"
#include "runtime/wait.h"

namespace faultline::uring {
namespace {

using kernel::SocketAddress;
using kernel::SocketError;

// connect(2) in flight: 0 or a negated errno. Lives in the frame of `Connect`, with what it names.
class [[nodiscard]] ConnectOp : private Wait {
 public:
  ConnectOp(Core* core, int fd, const SocketAddress* peer) : fd_(fd), peer_(peer), core_(core) {}

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    Bind(self);
    if (self.promise().stop.stop_requested()) return CompleteAtOnce();
    connect_.Start(
        [this](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, fd_, peer_->get(), peer_->size); });
    Suspend(self.promise().stop);
    return true;
  }
  int32_t await_resume() const { return result_; }

 private:
  void OnStop() override { connect_.RequestCancel(); }
  void OnConnect(int32_t result) {
    result_ = result;
    Complete();
  }

  const int fd_;
  const SocketAddress* const peer_;
  Core* const core_;
  int32_t result_ = -ECANCELED;
  Flight<ConnectOp, &ConnectOp::OnConnect> connect_{this, core_};
};

bool MetItself(const Endpoint& local, const Endpoint& peer) {
  return peer.is_ip() && local == peer;
}

}  // namespace

// --- Connect ---

Task<absl::StatusOr<std::unique_ptr<Stream>>> UringNetwork::Connect(Endpoint peer,
                                                                    ConnectOptions options) {
  co_await TurnTaken();
  absl::StatusOr<SocketAddress> address = kernel::ToSocketAddress(peer);
  if (!address.ok()) co_return address.status();
  absl::StatusOr<Descriptor> socket = kernel::OpenSocket(address->family(), SOCK_STREAM, peer);
  if (!socket.ok()) co_return socket.status();
  absl::Status prepared = kernel::ApplyOptions(socket->get(), peer, options.stream);
  if (prepared.ok() && options.local.has_value()) {
    prepared = kernel::BindClient(socket->get(), *options.local);
  }
  if (!prepared.ok()) co_return prepared;
  const SocketAddress to = *address;
  const int32_t result = co_await ConnectOp(core_, socket->get(), &to);
  if (result == -ECANCELED || result == -EINTR) co_return absl::CancelledError("stop requested");
  if (result < 0) co_return SocketError(-result, "connect", peer);
  Endpoint local = kernel::LocalAddress(socket->get());
  // A connect to a free port of the same machine, from that very port, meets itself (simultaneous
  // open). Nobody listens there: say so.
  if (MetItself(local, peer)) co_return SocketError(ECONNREFUSED, "connect", peer);
  co_return std::make_unique<UringStream>(core_, *std::move(socket), std::move(local),
                                          std::move(peer));
}

// --- Listen, Bind ---

absl::StatusOr<std::unique_ptr<Listener>> UringNetwork::Listen(const Endpoint& local,
                                                               const ListenOptions& options) {
  absl::StatusOr<SocketAddress> address = kernel::ToSocketAddress(local);
  if (!address.ok()) return address.status();
  absl::StatusOr<Descriptor> socket = kernel::OpenSocket(address->family(), SOCK_STREAM, local);
  if (!socket.ok()) return socket.status();
  absl::Status status = kernel::PrepareListener(socket->get(), *address, local, options);
  if (!status.ok()) return status;
  Endpoint bound = kernel::LocalAddress(socket->get());
  return std::make_unique<UringListener>(core_, *std::move(socket), std::move(bound),
                                         options.stream);
}

absl::StatusOr<std::unique_ptr<DatagramSocket>> UringNetwork::Bind(const Endpoint& local,
                                                                   const BindOptions& options) {
  if (!local.is_ip()) return SocketError(EAFNOSUPPORT, "bind", local);
  absl::StatusOr<SocketAddress> address = kernel::ToSocketAddress(local);
  if (!address.ok()) return address.status();
  absl::StatusOr<Descriptor> socket = kernel::OpenSocket(address->family(), SOCK_DGRAM, local);
  if (!socket.ok()) return socket.status();
  absl::Status status = kernel::PrepareDatagrams(socket->get(), *address, local, options);
  if (!status.ok()) return status;
  Endpoint bound = kernel::LocalAddress(socket->get());
  return std::make_unique<UringDatagramSocket>(core_, *std::move(socket), std::move(bound));
}

// --- Adopt ---

absl::StatusOr<std::unique_ptr<Stream>> UringNetwork::Adopt(
    std::unique_ptr<DetachedStream> detached) {
  absl::StatusOr<kernel::ConnectedSocket> socket =
      kernel::AdoptSocket(std::move(detached), /*blocking=*/true);
  if (!socket.ok()) return socket.status();
  return std::make_unique<UringStream>(core_, *std::move(socket));
}

}  // namespace faultline::uring
