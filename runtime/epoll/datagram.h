// EpollDatagramSocket: a UDP socket of a loop.
//
// As with streams, the system call is tried first. A datagram says nothing of whether another one
// follows, so only EAGAIN clears `readable_`. Each datagram that leaves makes an edge for writers:
// it is not asked for before a send has to wait.
//
// Several datagrams leave in one call (UDP_SEGMENT) until the kernel refuses that: it has no such
// thing before Linux 4.18, and a device without checksums of its own makes EIO of it. From then on
// each has a call of its own.
#ifndef FAULTLINE_RUNTIME_EPOLL_DATAGRAM_H_
#define FAULTLINE_RUNTIME_EPOLL_DATAGRAM_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/datagram.h"
#include "runtime/epoll/watched.h"
#include "runtime/kernel/address.h"

namespace faultline::epoll {

class EpollDatagramSocket final : public DatagramSocket, private Pollable {
 public:
  // Takes over a non-blocking socket that is bound.
  EpollDatagramSocket(Core* core, Descriptor socket, Endpoint local);
  ~EpollDatagramSocket() override;

  absl::Status Close() override;
  Endpoint local_address() const override { return local_; }

 private:
  bool StartSend(SendOp* op) override;
  bool StartReceive(ReceiveOp* op) override;
  void CancelSend(SendOp* op) override;
  void CancelReceive(ReceiveOp* op) override;
  void AbandonSend(SendOp*) override { sending_ = nullptr; }
  void AbandonReceive(ReceiveOp*) override { receiving_ = nullptr; }
  void OnEvents(uint32_t events) override;

  bool TrySend(SendOp* op);
  // All of `bytes`, cut by the kernel, or the first datagram of them. -1 and errno, or the bytes.
  ssize_t SendNext(const SendOp& op, const kernel::SocketAddress& to,
                   std::span<const std::byte> bytes);
  // sendmsg(2). `segment_bytes` 0: one datagram.
  ssize_t Send(kernel::SocketAddress to, std::span<const std::byte> bytes, Ecn ecn,
               size_t segment_bytes);
  bool TryReceive(ReceiveOp* op);
  absl::Status Error(int error, std::string_view what) const;

  Watched socket_;
  const Endpoint local_;
  bool readable_ = true;
  bool writable_ = true;
  bool segments_ = true;  // the kernel has not refused to cut
  size_t sent_ = 0;       // of the send that is under way
  SendOp* sending_ = nullptr;
  ReceiveOp* receiving_ = nullptr;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_DATAGRAM_H_
