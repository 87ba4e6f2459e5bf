// Stream and Listener: connected byte streams (TCP, Unix), and what accepts them.
//
//   absl::StatusOr<size_t> read = co_await stream->Read(buffer);     // 0: the peer has half-closed
//   absl::StatusOr<size_t> written = co_await stream->Write(bytes);  // may be fewer than given
//
// The three ways to end are different calls:
//   ShutdownWrite  half-close: the peer reads everything written, then the end; reading goes on
//   Close          orderly close: what was written is still delivered; unread input makes the
//                  kernel send RST instead of FIN, as close(2) does
//   Abort          RST at once; what was not delivered is dropped. A stream that is destroyed
//                  without `Close` is aborted, so that a crash of ours never looks like a clean
//                  end.
#ifndef FAULTLINE_RUNTIME_STREAM_H_
#define FAULTLINE_RUNTIME_STREAM_H_

#include <cstddef>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/check.h"
#include "runtime/endpoint.h"
#include "runtime/task.h"
#include "runtime/transfer.h"

namespace faultline {

class DetachedStream;
class ReadOp;
class WriteOp;

class Stream {
 public:
  // Aborts unless closed. No operation may be pending, unless the frame that awaits it is being
  // destroyed too, before or after: what is pending fails with ECANCELED.
  virtual ~Stream() = default;

  // One read and one write may be pending at a time; a second is our bug and is refused loudly.
  // `buffers` and what they point to stay valid until completion (transfer.h). At least one byte,
  // at most IOV_MAX (1024) buffers: 0 bytes read always means the end. Errors of reads: Cancelled;
  // ECONNRESET, ETIMEDOUT and the like (errors.h), each time, also if a write was told first: a
  // reset never reads as the end; FailedPrecondition after `Close`.
  inline ReadOp Read(std::span<std::byte> buffer);
  inline ReadOp ReadVector(std::span<const iovec> buffers);
  // Errors of writes: as reads, and EPIPE after a half-close of ours or a reset. SIGPIPE is never
  // raised.
  inline WriteOp Write(std::span<const std::byte> bytes);
  inline WriteOp WriteVector(std::span<const iovec> buffers);

  // shutdown(2) with SHUT_WR. No write may be pending. Errors: ENOTCONN.
  virtual absl::Status ShutdownWrite() = 0;
  // close(2). No operation may be pending: stop and await first. Later calls do nothing.
  virtual absl::Status Close() = 0;
  // close(2) with SO_LINGER {1, 0}. Pending operations fail with ECANCELED. Later calls do nothing.
  virtual void Abort() = 0;

  // Lets go of the connection, for another shard (detached_stream.h); afterwards this is closed. No
  // operation may be pending. Errors: FailedPrecondition after `Close` or `Abort`; Unimplemented,
  // of a stream that stands on another one: it goes on as it was.
  virtual absl::StatusOr<std::unique_ptr<DetachedStream>> Detach();

  virtual Endpoint local_address() const = 0;
  virtual Endpoint peer_address() const = 0;

  // TCP_NODELAY; on for each new stream. Does nothing on Unix streams.
  virtual absl::Status SetNoDelay(bool on) = 0;
  // SO_SNDBUF, SO_RCVBUF, in bytes as the caller counts them. The getters return what is in force.
  virtual absl::Status SetSendBufferSize(size_t bytes) = 0;
  virtual absl::Status SetReceiveBufferSize(size_t bytes) = 0;
  virtual absl::StatusOr<size_t> SendBufferSize() const = 0;
  virtual absl::StatusOr<size_t> ReceiveBufferSize() const = 0;

 protected:
  friend class ReadOp;
  friend class WriteOp;

  // Starts `op`: true if it has completed (`Succeed` or `Fail` was called), false if it is pending
  // now.
  virtual bool StartRead(ReadOp* op) = 0;
  virtual bool StartWrite(WriteOp* op) = 0;
  // A stop was requested: complete it soon, with what was transferred or Cancelled.
  virtual void CancelRead(ReadOp* op) = 0;
  virtual void CancelWrite(WriteOp* op) = 0;
  // The frame of a pending operation is going away: forget it, and its buffers, before returning.
  virtual void AbandonRead(ReadOp* op) = 0;
  virtual void AbandonWrite(WriteOp* op) = 0;
};

// absl::StatusOr<size_t> bytes = co_await stream->Read(...);
class [[nodiscard]] ReadOp : public Transfer {
 public:
  ReadOp(Stream* stream, std::span<const iovec> buffers) : Transfer(buffers), stream_(stream) {}
  ReadOp(Stream* stream, std::span<std::byte> buffer)
      : Transfer(buffer.data(), buffer.size()), stream_(stream) {}
  ~ReadOp() {
    if (pending()) stream_->AbandonRead(this);
  }

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    FAULTLINE_CHECK(HoldsBytes()) << "a read has room for at least one byte";
    return Begin(self, [this] { return stream_->StartRead(this); });
  }
  absl::StatusOr<size_t> await_resume() { return TakeResult(); }

 private:
  void OnStop() override { stream_->CancelRead(this); }

  Stream* const stream_;
};

// absl::StatusOr<size_t> bytes = co_await stream->Write(...);
class [[nodiscard]] WriteOp : public Transfer {
 public:
  WriteOp(Stream* stream, std::span<const iovec> buffers) : Transfer(buffers), stream_(stream) {}
  WriteOp(Stream* stream, std::span<const std::byte> bytes)
      : Transfer(const_cast<std::byte*>(bytes.data()), bytes.size()), stream_(stream) {}
  ~WriteOp() {
    if (pending()) stream_->AbandonWrite(this);
  }

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    FAULTLINE_CHECK(HoldsBytes()) << "a write has at least one byte";
    return Begin(self, [this] { return stream_->StartWrite(this); });
  }
  absl::StatusOr<size_t> await_resume() { return TakeResult(); }

 private:
  void OnStop() override { stream_->CancelWrite(this); }

  Stream* const stream_;
};

inline ReadOp Stream::Read(std::span<std::byte> buffer) { return ReadOp(this, buffer); }
inline ReadOp Stream::ReadVector(std::span<const iovec> buffers) { return ReadOp(this, buffers); }
inline WriteOp Stream::Write(std::span<const std::byte> bytes) { return WriteOp(this, bytes); }
inline WriteOp Stream::WriteVector(std::span<const iovec> buffers) {
  return WriteOp(this, buffers);
}

// Accepts streams. Destroying it closes it: connections in the backlog are reset.
class Listener {
 public:
  virtual ~Listener() = default;

  // The next connection, with the options of `ListenOptions` applied to it. One accept at a time.
  // Errors: Cancelled; FailedPrecondition after `Close`. EMFILE, ENFILE, ENOBUFS and ENOMEM are not
  // returned: the listener waits for descriptors with back-off and goes on; a connection that died
  // in the backlog is skipped.
  virtual Task<absl::StatusOr<std::unique_ptr<Stream>>> Accept() = 0;

  // Stops listening. No accept may be pending. Later calls do nothing.
  virtual absl::Status Close() = 0;

  // Where it listens: the port that was really bound when 0 was asked for.
  virtual Endpoint local_address() const = 0;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_STREAM_H_
