// EpollListener: a listening TCP or Unix socket.
//
// An accept tries accept4(2) at once and waits only after EAGAIN; `readable_` remembers that no
// connection is known to wait. When the process is out of descriptors or memory the connection
// stays in the backlog and makes no new edge: the pending accept tries again when this loop closes
// a descriptor, and otherwise after 1 ms, doubling to 100 ms, for those that others close.
#ifndef FAULTLINE_RUNTIME_EPOLL_LISTENER_H_
#define FAULTLINE_RUNTIME_EPOLL_LISTENER_H_

#include <cstdint>
#include <memory>

#include "runtime/epoll/watched.h"
#include "runtime/kernel/address.h"
#include "runtime/kernel/sockets.h"
#include "runtime/network.h"
#include "runtime/stream.h"
#include "runtime/wait.h"

namespace faultline::epoll {

class EpollListener final : public Listener,
                            private Pollable,
                            private kernel::DescriptorWaiter,
                            private Timer {
 public:
  // Takes over a non-blocking socket that listens. `options` are applied to each accepted stream
  // as far as it does not inherit them from the socket.
  EpollListener(Core* core, Descriptor socket, Endpoint local, const StreamOptions& options);
  ~EpollListener() override;

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Accept() override;
  absl::Status Close() override;
  Endpoint local_address() const override { return local_; }

 private:
  class AcceptOp;

  // First and last pause after EMFILE and its like.
  static constexpr Duration kFirstPause = 1ms;
  static constexpr Duration kLastPause = 100ms;

  void OnEvents(uint32_t events) override;
  void OnDescriptorFreed() override;
  void Retry();
  bool TryAccept();
  bool OnAcceptError(int error);
  void WaitForDescriptors();
  void Forget();
  std::unique_ptr<Stream> MakeStream(Descriptor socket, const kernel::SocketAddress& peer);
  Endpoint LocalAddressOf(int fd) const;

  Watched socket_;
  const Endpoint local_;
  const StreamOptions options_;
  bool readable_ = true;
  bool starved_ = false;  // pausing after EMFILE
  Duration pause_ = kFirstPause;
  AcceptOp* accepting_ = nullptr;
  kernel::UnixFile unix_file_;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_LISTENER_H_
