// UringNetwork: makes the sockets of a loop.
#ifndef FAULTLINE_RUNTIME_IO_URING_NETWORK_H_
#define FAULTLINE_RUNTIME_IO_URING_NETWORK_H_

#include <memory>

#include "runtime/io_uring/core.h"
#include "runtime/network.h"

namespace faultline::uring {

class UringNetwork final : public Network {
 public:
  // `core` outlives the network and its sockets.
  explicit UringNetwork(Core* core) : core_(core) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Connect(Endpoint peer,
                                                        ConnectOptions options) override;
  // As the epoll backend takes Unix paths over.
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& local,
                                                   const ListenOptions& options) override;
  absl::StatusOr<std::unique_ptr<DatagramSocket>> Bind(const Endpoint& local,
                                                       const BindOptions& options) override;
  absl::StatusOr<std::unique_ptr<Stream>> Adopt(std::unique_ptr<DetachedStream> detached) override;

 private:
  Core* const core_;
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_NETWORK_H_
