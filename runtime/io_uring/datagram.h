// UringDatagramSocket: a UDP socket of a loop. A datagram that the kernel had for a receive which
// was abandoned is kept for the next. Several leave in one call until the kernel refuses to cut
// them; then each has a call of its own.
#ifndef FAULTLINE_RUNTIME_IO_URING_DATAGRAM_H_
#define FAULTLINE_RUNTIME_IO_URING_DATAGRAM_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/datagram.h"
#include "runtime/io_uring/core.h"
#include "runtime/io_uring/flight.h"
#include "runtime/kernel/address.h"
#include "runtime/kernel/datagrams.h"

namespace faultline::uring {

class UringDatagramSocket final : public DatagramSocket {
 public:
  // Takes over a bound socket in blocking mode.
  UringDatagramSocket(Core* core, Descriptor socket, Endpoint local);
  ~UringDatagramSocket() override;

  absl::Status Close() override;
  Endpoint local_address() const override { return local_; }

 private:
  struct Kept {
    std::vector<std::byte> bytes;
    DatagramInfo info;
  };

  bool StartSend(SendOp* op) override;
  bool StartReceive(ReceiveOp* op) override;
  void CancelSend(SendOp*) override { send_.RequestCancel(); }
  void CancelReceive(ReceiveOp*) override { receive_.RequestCancel(); }
  void AbandonSend(SendOp*) override;
  void AbandonReceive(ReceiveOp* op) override;

  void SubmitSend();
  void SubmitReceive();
  void OnSend(int32_t result);
  void OnReceive(int32_t result);
  DatagramInfo InfoOfReceived(size_t bytes);
  void GiveKept(ReceiveOp* op);
  absl::Status Error(int error, std::string_view what) const;

  Core* const core_;
  Descriptor socket_;
  const Endpoint local_;
  std::optional<Kept> kept_;
  SendOp* sending_ = nullptr;
  ReceiveOp* receiving_ = nullptr;
  kernel::SocketAddress to_;
  kernel::SocketAddress from_;
  bool segments_ = true;  // the kernel has not refused to cut
  size_t sent_ = 0;       // of the send that is under way
  iovec send_buffer_{};
  msghdr send_message_{};
  msghdr receive_message_{};
  kernel::DatagramControl send_control_;
  kernel::DatagramControl receive_control_;
  Flight<UringDatagramSocket, &UringDatagramSocket::OnSend> send_{this, core_};
  Flight<UringDatagramSocket, &UringDatagramSocket::OnReceive> receive_{this, core_};
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_DATAGRAM_H_
