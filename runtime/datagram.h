// DatagramSocket: UDP. Each send is one datagram, whole or not at all; each receive is at most one.
//
//   absl::StatusOr<size_t> sent = co_await socket->SendTo(&peer, bytes);
//   DatagramInfo info;
//   absl::StatusOr<size_t> got = co_await socket->ReceiveFrom(buffer, &info);
//
// A datagram longer than the buffer is cut to it and its rest is lost, as recvfrom(2) does;
// `DatagramInfo::truncated` says so.
#ifndef FAULTLINE_RUNTIME_DATAGRAM_H_
#define FAULTLINE_RUNTIME_DATAGRAM_H_

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/transfer.h"

namespace faultline {

class SendOp;
class ReceiveOp;

// What came with a datagram.
struct DatagramInfo {
  Endpoint from;
  bool truncated = false;
};

class DatagramSocket {
 public:
  virtual ~DatagramSocket() = default;

  // One send and one receive may be pending at a time. `to`, `info` and the bytes stay valid until
  // completion. Errors of sends: EMSGSIZE (longer than 65,507 bytes, or than the MTU where
  // fragmentation is off), ENETUNREACH, EHOSTUNREACH, ECONNREFUSED (an ICMP answer to an earlier
  // send on a connected socket), Cancelled.
  inline SendOp SendTo(const Endpoint* to, std::span<const std::byte> bytes);
  // `info` may be null. A datagram of 0 bytes is a datagram.
  inline ReceiveOp ReceiveFrom(std::span<std::byte> buffer, DatagramInfo* info);

  // close(2). No operation may be pending. Later calls do nothing; destruction closes.
  virtual absl::Status Close() = 0;
  virtual Endpoint local_address() const = 0;

 protected:
  friend class SendOp;
  friend class ReceiveOp;
  virtual bool StartSend(SendOp* op) = 0;
  virtual bool StartReceive(ReceiveOp* op) = 0;
  virtual void CancelSend(SendOp* op) = 0;
  virtual void CancelReceive(ReceiveOp* op) = 0;
  virtual void AbandonSend(SendOp* op) = 0;
  virtual void AbandonReceive(ReceiveOp* op) = 0;
};

class [[nodiscard]] SendOp : public Transfer {
 public:
  SendOp(DatagramSocket* socket, const Endpoint* to, std::span<const std::byte> bytes)
      : Transfer(const_cast<std::byte*>(bytes.data()), bytes.size()), socket_(socket), to_(to) {}
  ~SendOp() {
    if (pending()) socket_->AbandonSend(this);
  }

  const Endpoint& to() const { return *to_; }

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    return Begin(self, [this] { return socket_->StartSend(this); });
  }
  absl::StatusOr<size_t> await_resume() { return TakeResult(); }

 private:
  void OnStop() override { socket_->CancelSend(this); }

  DatagramSocket* const socket_;
  const Endpoint* const to_;
};

class [[nodiscard]] ReceiveOp : public Transfer {
 public:
  ReceiveOp(DatagramSocket* socket, std::span<std::byte> buffer, DatagramInfo* info)
      : Transfer(buffer.data(), buffer.size()), socket_(socket), info_(info) {}
  ~ReceiveOp() {
    if (pending()) socket_->AbandonReceive(this);
  }

  // Null if the caller does not want to know.
  DatagramInfo* info() const { return info_; }

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    return Begin(self, [this] { return socket_->StartReceive(this); });
  }
  absl::StatusOr<size_t> await_resume() { return TakeResult(); }

 private:
  void OnStop() override { socket_->CancelReceive(this); }

  DatagramSocket* const socket_;
  DatagramInfo* const info_;
};

inline SendOp DatagramSocket::SendTo(const Endpoint* to, std::span<const std::byte> bytes) {
  return SendOp(this, to, bytes);
}
inline ReceiveOp DatagramSocket::ReceiveFrom(std::span<std::byte> buffer, DatagramInfo* info) {
  return ReceiveOp(this, buffer, info);
}

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_DATAGRAM_H_
