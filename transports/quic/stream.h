// quic::SessionHandle and quic::Stream: what users hold of a session and of a stream in it.
//
//   absl::StatusOr<std::unique_ptr<Stream>> stream = session.OpenStream();
//   co_await (*stream)->Write(bytes);
//
// A stream reads and writes as every `faultline::Stream` does (runtime/stream.h): what is written
// is taken over at once, up to `send_buffer_bytes`. Its three ends:
//   ShutdownWrite  FIN
//   Close          FIN behind what was written; STOP_SENDING for what the peer still sends
//   Abort          RESET_STREAM and STOP_SENDING; the session goes on
#ifndef FAULTLINE_TRANSPORTS_QUIC_STREAM_H_
#define FAULTLINE_TRANSPORTS_QUIC_STREAM_H_

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/quic/errors.h"
#include "transports/quic/hub.h"
#include "transports/quic/session.h"

namespace faultline::quic {

class Stream final : public faultline::Stream {
 public:
  // `state` belongs to `session`, whose hub `use` keeps running.
  Stream(Hub::Use use, std::shared_ptr<Session> session, StreamState* state)
      : use_(std::move(use)), session_(std::move(session)), state_(state) {}
  ~Stream() override;

  absl::Status ShutdownWrite() override;
  absl::Status Close() override;
  void Abort() override;

  Endpoint local_address() const override { return session_->local_address(); }
  Endpoint peer_address() const override { return session_->peer_address(); }

  // QUIC sends at once what it may; there is nothing to switch.
  absl::Status SetNoDelay(bool) override { return absl::OkStatus(); }
  // Errors: Unimplemented; sizes are set by `TransportOptions`.
  absl::Status SetSendBufferSize(size_t bytes) override;
  absl::Status SetReceiveBufferSize(size_t bytes) override;
  absl::StatusOr<size_t> SendBufferSize() const override;
  absl::StatusOr<size_t> ReceiveBufferSize() const override;

 private:
  friend class SessionStream;
  bool StartRead(ReadOp* op) override { return state_->StartRead(op); }
  bool StartWrite(WriteOp* op) override { return state_->StartWrite(op); }
  void CancelRead(ReadOp* op) override { state_->CancelRead(op); }
  void CancelWrite(WriteOp* op) override { state_->CancelWrite(op); }
  void AbandonRead(ReadOp*) override { state_->AbandonRead(); }
  void AbandonWrite(WriteOp*) override { state_->AbandonWrite(); }

  Hub::Use use_;
  std::shared_ptr<Session> session_;  // shared with its hub and the handle
  StreamState* const state_;
};

// A session. Destroying it without `Close` aborts it, so that a crash never looks like a clean end.
class SessionHandle {
 public:
  SessionHandle(Hub::Use use, std::shared_ptr<Session> session)
      : use_(std::move(use)), session_(std::move(session)) {}
  SessionHandle(SessionHandle&& other) noexcept = default;
  SessionHandle& operator=(SessionHandle&& other) noexcept;
  ~SessionHandle();

  // Waits for the handshake. Errors: Unauthenticated (TLS), ECONNREFUSED, ETIMEDOUT (errors.h);
  // Cancelled.
  Task<absl::Status> Settled();

  // Errors: how the session ended; ResourceExhausted: the peer's max_peer_streams are open;
  // FailedPrecondition after `Close`.
  absl::StatusOr<std::unique_ptr<Stream>> OpenStream();
  // One at a time. Errors: how the session ended; Cancelled.
  Task<absl::StatusOr<std::unique_ptr<Stream>>> AcceptStream();
  // The same, if one is here already; null if not.
  std::unique_ptr<Stream> TryAcceptStream();

  SessionDetails details() const { return session_->Details(); }
  // How it ended; OK as long as it has not.
  const absl::Status& end() const { return session_->end(); }
  Endpoint local_address() const { return session_->local_address(); }
  Endpoint peer_address() const { return session_->peer_address(); }

  // What was written, on each stream with an end behind it, is delivered within `close_grace`; then
  // the peer is told. Does not wait.
  void Close() { session_->CloseWhenDelivered(); }
  void Abort(CloseCode code = CloseCode::kAborted, std::string_view reason = "") {
    session_->Abort(code, reason);
  }

 private:
  std::unique_ptr<Stream> HandleOf(StreamState* state);

  Hub::Use use_;
  std::shared_ptr<Session> session_;  // shared with its hub and the streams
};

// The only stream of a session, and the session: they end together.
class SessionStream final : public faultline::Stream {
 public:
  SessionStream(SessionHandle session, std::unique_ptr<quic::Stream> stream)
      : session_(std::move(session)), stream_(std::move(stream)) {}

  const SessionHandle& session() const { return session_; }

  absl::Status ShutdownWrite() override { return stream_->ShutdownWrite(); }
  absl::Status Close() override;
  // CONNECTION_CLOSE, now.
  void Abort() override;

  Endpoint local_address() const override { return session_.local_address(); }
  Endpoint peer_address() const override { return session_.peer_address(); }

  absl::Status SetNoDelay(bool on) override { return stream_->SetNoDelay(on); }
  absl::Status SetSendBufferSize(size_t bytes) override {
    return stream_->SetSendBufferSize(bytes);
  }
  absl::Status SetReceiveBufferSize(size_t bytes) override {
    return stream_->SetReceiveBufferSize(bytes);
  }
  absl::StatusOr<size_t> SendBufferSize() const override { return stream_->SendBufferSize(); }
  absl::StatusOr<size_t> ReceiveBufferSize() const override { return stream_->ReceiveBufferSize(); }

 private:
  bool StartRead(ReadOp* op) override { return stream_->StartRead(op); }
  bool StartWrite(WriteOp* op) override { return stream_->StartWrite(op); }
  void CancelRead(ReadOp* op) override { stream_->CancelRead(op); }
  void CancelWrite(WriteOp* op) override { stream_->CancelWrite(op); }
  void AbandonRead(ReadOp* op) override { stream_->AbandonRead(op); }
  void AbandonWrite(WriteOp* op) override { stream_->AbandonWrite(op); }

  SessionHandle session_;
  const std::unique_ptr<quic::Stream> stream_;
};

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_STREAM_H_
