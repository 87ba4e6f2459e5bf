// EpollDatagramSocket: a UDP socket of a loop.
//
// As with streams, the system call is tried first. A datagram says nothing of whether another one
// follows, so only EAGAIN clears `readable_`. Each datagram that leaves makes an edge for writers:
// it is not asked for before a send has to wait.
#ifndef FAULTLINE_RUNTIME_EPOLL_DATAGRAM_H_
#define FAULTLINE_RUNTIME_EPOLL_DATAGRAM_H_

#include <cstdint>
#include <string_view>

#include "runtime/datagram.h"
#include "runtime/epoll/watched.h"

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
  bool TryReceive(ReceiveOp* op);
  absl::Status Error(int error, std::string_view what) const;

  Watched socket_;
  const Endpoint local_;
  bool readable_ = true;
  bool writable_ = true;
  SendOp* sending_ = nullptr;
  ReceiveOp* receiving_ = nullptr;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_DATAGRAM_H_
