// EpollStream: a TCP or Unix stream of a loop.
//
// An operation tries its system call at once and waits only after EAGAIN. What is known of the
// kernel's buffers is kept in two flags, so that no call is made of which the answer is known:
//
//   readable_   true: a read may find something. Set by an edge. Cleared by EAGAIN, and by a read
//               that got less than it asked for: the kernel's buffer was empty then, and whatever
//               comes later makes a new edge.
//   writable_   likewise: a write that took less than it was given has filled the buffer.
//
// When a short read does not mean that the buffer is drained:
//   - The end of the stream (or an error) lies behind the data, and the edge that told of it has
//     been seen already: no other will come. So once an event has said RDHUP, HUP or ERR, only
//     EAGAIN clears `readable_`. If the end comes after that event, it makes its own edge, before
//     or after the read. Poller::Wait reports the state of its moment, so there is no gap between
//     the two cases.
//   - The peer has sent urgent data: recv(2) stops in front of the mark. The event says PRI.
//   - A Unix peer has sent descriptors: recvmsg(2) stops behind them, and says MSG_CTRUNC, since
//     nobody here takes them (the kernel closes them).
//
// States:  connecting --handshake--> open --ShutdownWrite--> half-closed --Close--> closed
//          any --Close, Abort, destruction--> closed
#ifndef FAULTLINE_RUNTIME_EPOLL_STREAM_H_
#define FAULTLINE_RUNTIME_EPOLL_STREAM_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "runtime/epoll/watched.h"
#include "runtime/kernel/detached_socket.h"
#include "runtime/network.h"
#include "runtime/stream.h"
#include "runtime/wait.h"

namespace faultline::epoll {

class EpollStream final : public Stream, private Pollable {
 public:
  class HandshakeOp;

  // Takes over a non-blocking socket. `local` may be set later, by `SetLocalAddress`.
  EpollStream(Core* core, Descriptor socket, Endpoint local, Endpoint peer);
  // One that another loop has let go of.
  EpollStream(Core* core, kernel::ConnectedSocket connected);
  ~EpollStream() override;

  absl::Status ShutdownWrite() override;
  absl::Status Close() override;
  // A Unix socket has no RST: the peer reads the end of the stream, or ECONNRESET if what it sent
  // was not read.
  void Abort() override;
  absl::StatusOr<std::unique_ptr<DetachedStream>> Detach() override;
  Endpoint local_address() const override { return local_; }
  Endpoint peer_address() const override { return peer_; }
  absl::Status SetNoDelay(bool on) override;
  // The kernel doubles what is set (socket(7)); the getters say what it made of it.
  absl::Status SetSendBufferSize(size_t bytes) override;
  absl::Status SetReceiveBufferSize(size_t bytes) override;
  absl::StatusOr<size_t> SendBufferSize() const override;
  absl::StatusOr<size_t> ReceiveBufferSize() const override;

  // --- For the network, before anybody else has it ---
  int fd() const { return socket_.fd(); }
  // Waits until connect(2), which has returned EINPROGRESS, has ended one way or the other.
  // Errors: Cancelled; ENOMEM, ENOSPC.
  HandshakeOp Handshake();
  void SetLocalAddress(Endpoint local) { local_ = std::move(local); }

 private:
  bool StartRead(ReadOp* op) override;
  bool StartWrite(WriteOp* op) override;
  void CancelRead(ReadOp* op) override;
  void CancelWrite(WriteOp* op) override;
  void AbandonRead(ReadOp*) override { reading_ = nullptr; }
  void AbandonWrite(WriteOp*) override { writing_ = nullptr; }
  void OnEvents(uint32_t events) override;

  bool TryRead(ReadOp* op);
  bool TryWrite(WriteOp* op);
  ssize_t Receive(std::span<const iovec> buffers);
  ssize_t ReceiveUnix(std::span<const iovec> buffers);
  ssize_t Send(std::span<const iovec> buffers);
  void FailPending(int error);
  absl::Status Error(int error, std::string_view what) const;
  absl::Status Lost(int error, std::string_view what);
  absl::Status SetOption(int level, int name, int value);
  absl::StatusOr<size_t> GetOption(int name) const;

  Watched socket_;
  const bool unix_;
  bool readable_ = true;
  bool writable_ = true;
  bool short_read_is_drained_ = true;  // see above
  int lost_ = 0;                       // what the kernel said of a connection that is no more
  Endpoint local_;
  const Endpoint peer_;
  UnreadBytes unread_;
  ReadOp* reading_ = nullptr;
  WriteOp* writing_ = nullptr;
  HandshakeOp* handshake_ = nullptr;
};

class [[nodiscard]] EpollStream::HandshakeOp : private Wait {
 public:
  explicit HandshakeOp(EpollStream* stream) : stream_(stream) {}
  ~HandshakeOp() {
    if (pending()) stream_->handshake_ = nullptr;
  }

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    Bind(self);
    if (!Start()) return false;
    Suspend(self.promise().stop);
    return true;
  }
  absl::Status await_resume() { return std::move(status_); }

 private:
  friend class EpollStream;

  bool Start();
  void OnStop() override;
  void Finish() { Complete(); }

  EpollStream* const stream_;
  absl::Status status_;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_STREAM_H_
