// UringStream: a TCP or Unix stream of a loop.
//
// Each operation is one submission; the kernel tries it at once when the turn's submissions arrive,
// and again when there is something to do (IORING_FEAT_FAST_POLL). Sockets are in blocking mode:
// the kernel would answer EAGAIN otherwise.
//
// A read that is abandoned while the kernel has bytes for it: they are kept, and the next read gets
// them first. What a write had sent by then is sent.
#ifndef FAULTLINE_RUNTIME_IO_URING_STREAM_H_
#define FAULTLINE_RUNTIME_IO_URING_STREAM_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "runtime/io_uring/core.h"
#include "runtime/io_uring/flight.h"
#include "runtime/kernel/detached_socket.h"
#include "runtime/network.h"
#include "runtime/stream.h"

namespace faultline::uring {

class UringStream final : public Stream {
 public:
  // Takes over a connected socket in blocking mode.
  UringStream(Core* core, Descriptor socket, Endpoint local, Endpoint peer);
  // One that another loop has let go of.
  UringStream(Core* core, kernel::ConnectedSocket connected);
  ~UringStream() override { Abort(); }

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

 private:
  bool StartRead(ReadOp* op) override;
  bool StartWrite(WriteOp* op) override;
  void CancelRead(ReadOp*) override { read_.RequestCancel(); }
  void CancelWrite(WriteOp*) override { write_.RequestCancel(); }
  void AbandonRead(ReadOp* op) override;
  void AbandonWrite(WriteOp* op) override;

  void SubmitRead();
  void SubmitWrite();
  void OnRead(int32_t result);
  void OnWrite(int32_t result);
  absl::Status Error(int error, std::string_view what) const;
  absl::Status Lost(int error, std::string_view what);
  absl::Status SetOption(int level, int name, int value);
  absl::StatusOr<size_t> GetOption(int name) const;

  Core* const core_;
  Descriptor socket_;
  const bool unix_;
  int lost_ = 0;  // what the kernel said of a connection that is no more
  const Endpoint local_;
  const Endpoint peer_;
  UnreadBytes kept_;  // of a read that was abandoned, or by another shard
  ReadOp* reading_ = nullptr;
  WriteOp* writing_ = nullptr;
  msghdr read_message_{};
  msghdr write_message_{};
  Flight<UringStream, &UringStream::OnRead> read_{this, core_};
  Flight<UringStream, &UringStream::OnWrite> write_{this, core_};
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_STREAM_H_
