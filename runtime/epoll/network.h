// EpollNetwork: makes the sockets of a loop.
#ifndef FAULTLINE_RUNTIME_EPOLL_NETWORK_H_
#define FAULTLINE_RUNTIME_EPOLL_NETWORK_H_

#include <memory>

#include "runtime/epoll/core.h"
#include "runtime/epoll/stream.h"
#include "runtime/kernel/address.h"
#include "runtime/network.h"

namespace faultline::epoll {

class EpollNetwork final : public Network {
 public:
  // `core` outlives the network and its sockets.
  explicit EpollNetwork(Core* core) : core_(core) {}

  // A Unix listener whose backlog is full makes the kernel refuse with EAGAIN instead of waiting:
  // tried again, after 1 ms and longer each time, until it takes the connection or a stop is
  // requested.
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Connect(Endpoint peer,
                                                        ConnectOptions options) override;
  // A Unix path is taken over if a socket is there to which nobody is bound any more; any other
  // kind of file, and a socket that somebody has bound, is EADDRINUSE. Two programs that take over
  // the same path in the same instant are not kept apart.
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& local,
                                                   const ListenOptions& options) override;
  absl::StatusOr<std::unique_ptr<DatagramSocket>> Bind(const Endpoint& local,
                                                       const BindOptions& options) override;
  absl::StatusOr<std::unique_ptr<Stream>> Adopt(std::unique_ptr<DetachedStream> detached) override;

 private:
  // connect(2), to its end. Errors: as `Connect`.
  Task<absl::Status> ConnectSocket(EpollStream* stream, kernel::SocketAddress peer);
  Task<absl::Status> FinishHandshake(EpollStream* stream);

  Core* const core_;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_NETWORK_H_
