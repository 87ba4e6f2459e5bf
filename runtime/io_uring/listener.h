// UringListener: a listening TCP or Unix socket.
//
// When the process is out of descriptors or memory the connection stays in the backlog: the pending
// accept tries again when this loop closes a descriptor, and otherwise after 1 ms, doubling to 100
// ms. A connection that the kernel had for an accept which was abandoned is kept for the next.
#ifndef FAULTLINE_RUNTIME_IO_URING_LISTENER_H_
#define FAULTLINE_RUNTIME_IO_URING_LISTENER_H_

#include <cstdint>
#include <memory>

#include "runtime/io_uring/core.h"
#include "runtime/io_uring/flight.h"
#include "runtime/kernel/address.h"
#include "runtime/kernel/sockets.h"
#include "runtime/network.h"
#include "runtime/stream.h"
#include "runtime/wait.h"

namespace faultline::uring {

class UringListener final : public Listener, private kernel::DescriptorWaiter, private Timer {
 public:
  // Takes over a socket that listens, in blocking mode. `options` are applied to each accepted
  // stream as far as it does not inherit them from the socket.
  UringListener(Core* core, Descriptor socket, Endpoint local, const StreamOptions& options);
  ~UringListener() override;

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Accept() override;
  absl::Status Close() override;
  Endpoint local_address() const override { return local_; }

 private:
  class AcceptOp;

  // First and last pause after EMFILE and its like.
  static constexpr Duration kFirstPause = 1ms;
  static constexpr Duration kLastPause = 100ms;

  void OnDescriptorFreed() override;
  void Retry();
  void SubmitAccept();
  void OnAccept(int32_t result);
  void WaitForDescriptors();
  void CancelAccept();
  void AbandonAccept();
  void Finish(absl::StatusOr<std::unique_ptr<Stream>> result);
  std::unique_ptr<Stream> MakeStream(Descriptor socket);

  Core* const core_;
  Descriptor socket_;
  const Endpoint local_;
  const StreamOptions options_;
  kernel::UnixFile unix_file_;
  kernel::SocketAddress peer_;  // of the connection that comes
  Descriptor kept_;             // and of one that nobody has taken yet, like `peer_`
  Duration pause_ = kFirstPause;
  AcceptOp* accepting_ = nullptr;
  Flight<UringListener, &UringListener::OnAccept> accept_{this, core_};
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_LISTENER_H_
