// DatagramSocket: UDP. A send is one datagram, whole or not at all, or several in a row; a receive
// is at most one, unless the socket was told to bring several.
//
//   absl::StatusOr<size_t> sent = co_await socket->SendTo(&peer, bytes);
//   DatagramInfo info;
//   absl::StatusOr<size_t> got = co_await socket->ReceiveFrom(buffer, &info);
//
// A datagram longer than the buffer is cut to it and its rest is lost, as recvfrom(2) does;
// `DatagramInfo::truncated` says so.
//
// Several at once, for those who send and receive many (UDP_SEGMENT and UDP_GRO, udp(7)):
//
//   co_await socket->SendTo(&peer, bytes, {.segment_bytes = 1200});  // 1200, 1200, ..., the rest
//   ... BindOptions{.receive_several = true} ...
//   for (std::span datagram : each `info.segment_bytes` of the buffer) ...
#ifndef FAULTLINE_RUNTIME_DATAGRAM_H_
#define FAULTLINE_RUNTIME_DATAGRAM_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/transfer.h"

namespace faultline {

class SendOp;
class ReceiveOp;

// Explicit congestion notification: the two low bits of an IP packet's traffic class (RFC 3168,
// section 5). Who sends kEct0 or kEct1 understands kCe, which a router sets instead of dropping.
enum class Ecn : uint8_t { kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3 };

struct SendOptions {
  Ecn ecn = Ecn::kNotEct;
  // Not 0: the bytes are datagrams of this size, one after the other; the last may be shorter. They
  // are at most `kSegmentsMax`, and 65,507 bytes together.
  size_t segment_bytes = 0;
};

// What came with a datagram.
struct DatagramInfo {
  Endpoint from{};
  bool truncated = false;
  Ecn ecn = Ecn::kNotEct;
  // Not 0: the bytes are datagrams of this size, one after the other; the last may be shorter.
  // Always 0 unless the socket was bound with `receive_several`.
  size_t segment_bytes = 0;
};

class DatagramSocket {
 public:
  static constexpr size_t kSegmentsMax = 64;  // what Linux takes at once (UDP_MAX_SEGMENTS)

  virtual ~DatagramSocket() = default;

  // One send and one receive may be pending at a time. `to`, `info` and the bytes stay valid until
  // completion. Errors of sends: EMSGSIZE (longer than 65,507 bytes, over IPv6 65,527, or than
  // the MTU where fragmentation is off), ENETUNREACH, EHOSTUNREACH, ECONNREFUSED (an ICMP answer to
  // an earlier send on a connected socket), Cancelled; InvalidArgument for more than `kSegmentsMax`
  // segments. Of several datagrams some may have left before the error, or the cancellation.
  inline SendOp SendTo(const Endpoint* to, std::span<const std::byte> bytes,
                       SendOptions options = {});
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
  SendOp(DatagramSocket* socket, const Endpoint* to, std::span<const std::byte> bytes,
         SendOptions options)
      : Transfer(const_cast<std::byte*>(bytes.data()), bytes.size()),
        socket_(socket),
        to_(to),
        options_(options) {}
  ~SendOp() {
    if (pending()) socket_->AbandonSend(this);
  }

  const Endpoint& to() const { return *to_; }
  Ecn ecn() const { return options_.ecn; }
  std::span<const std::byte> bytes() const {
    const iovec& all = buffers().front();
    return {static_cast<const std::byte*>(all.iov_base), all.iov_len};
  }
  // Of each datagram but the last; that of the only one.
  size_t segment_bytes() const {
    return options_.segment_bytes == 0 ? bytes().size() : options_.segment_bytes;
  }
  bool has_several() const { return segment_bytes() < bytes().size(); }
  // OK, or what every backend refuses.
  inline absl::Status Check() const;

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
  const SendOptions options_;
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

inline SendOp DatagramSocket::SendTo(const Endpoint* to, std::span<const std::byte> bytes,
                                     SendOptions options) {
  return SendOp(this, to, bytes, options);
}
inline ReceiveOp DatagramSocket::ReceiveFrom(std::span<std::byte> buffer, DatagramInfo* info) {
  return ReceiveOp(this, buffer, info);
}

inline absl::Status SendOp::Check() const {
  if (!has_several()) return absl::OkStatus();
  if (bytes().size() <= segment_bytes() * DatagramSocket::kSegmentsMax) return absl::OkStatus();
  return absl::InvalidArgumentError("send: more segments than a send may have");
}

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_DATAGRAM_H_
