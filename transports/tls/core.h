// Core: what is behind a `TlsStream`: the session, the stream below, and the two tasks that carry
// ciphertext between them.
//
// The reading task reads from below only while somebody waits for plaintext that is not there; a
// read that was cancelled leaves it at that, and what it brings is kept. The writing task writes
// whatever the session has to say. A write above completes when its plaintext has been encrypted;
// at most `kBufferMax` plus a record gather while as much is on its way, and a further write waits.
//
// Invariants
//  1. An operation is pending only if the session could not serve it when it was last asked.
//  2. `reading_` is set exactly while the reading task has an input to fetch; `output_ready_` is
//  set
//     whenever the output is not empty and the writing task sleeps.
//  3. Faults stay: `read_fault_`, `write_fault_` and the session's own are reported each time.
#ifndef FAULTLINE_TRANSPORTS_TLS_CORE_H_
#define FAULTLINE_TRANSPORTS_TLS_CORE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "runtime/event.h"
#include "runtime/executor.h"
#include "runtime/owned_task.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/tls/context.h"
#include "transports/tls/session.h"

namespace faultline::tls::internal {

class Core final : public Stream {
 public:
  Core(std::unique_ptr<Stream> below, bssl::UniquePtr<SSL> ssl, const ContextBase& context,
       BufferPool* pool, std::string wanted);
  ~Core() override { Abort(); }

  // Up to an open session; afterwards plaintext flows. Errors: see `ServerHandshake` in stream.h.
  Task<absl::Status> Handshake();
  // After a handshake that failed: lets the alert reach the peer, within `close_grace`.
  Task<void> SayFarewell();
  // See TlsStream::CloseOrderly.
  Task<absl::Status> CloseOrderly();

  Session* session() { return &session_; }
  const Session& session() const { return session_; }
  Stream* below() { return below_.get(); }
  const Stream* below() const { return below_.get(); }
  Executor* executor() { return executor_; }
  // Null once the context is gone.
  std::shared_ptr<Closing> closing() const { return closing_.lock(); }
  bool closed() const { return closed_; }
  // Dies loudly if an operation is pending.
  void RequireIdle() const;

  absl::Status ShutdownWrite() override;
  // Drops what is still queued; `CloseOrderly` does not.
  absl::Status Close() override;
  void Abort() override;
  Endpoint local_address() const override { return below_->local_address(); }
  Endpoint peer_address() const override { return below_->peer_address(); }
  absl::Status SetNoDelay(bool on) override { return below_->SetNoDelay(on); }
  absl::Status SetSendBufferSize(size_t bytes) override { return below_->SetSendBufferSize(bytes); }
  absl::Status SetReceiveBufferSize(size_t bytes) override {
    return below_->SetReceiveBufferSize(bytes);
  }
  absl::StatusOr<size_t> SendBufferSize() const override { return below_->SendBufferSize(); }
  absl::StatusOr<size_t> ReceiveBufferSize() const override { return below_->ReceiveBufferSize(); }

  bool StartRead(ReadOp* op) override;
  bool StartWrite(WriteOp* op) override;
  void CancelRead(ReadOp* op) override;
  void CancelWrite(WriteOp* op) override;
  void AbandonRead(ReadOp*) override { reading_ = nullptr; }
  void AbandonWrite(WriteOp*) override { writing_ = nullptr; }

 private:
  Task<absl::Status> ShakeHands();
  Task<absl::Status> Flush();
  Task<absl::Status> FetchInput();
  Task<void> PumpReads();
  Task<void> PumpWrites();
  Task<absl::Status> ExchangeCloseNotify();
  Task<absl::Status> WaitForEnd();
  Task<absl::Status> LetAlertArrive();

  bool TryRead(ReadOp* op);
  bool TryWrite(WriteOp* op);
  void SendSoon();
  void StopPumps();

  Executor* executor_ = nullptr;  // of the task that shook hands
  Clock* const clock_;
  const Duration handshake_grace_;
  const Duration close_grace_;
  const std::weak_ptr<Closing> closing_;  // owns the core in the end; dies with the context
  const std::unique_ptr<Stream> below_;
  Session session_;
  ReadOp* reading_ = nullptr;
  WriteOp* writing_ = nullptr;
  Event input_wanted_;
  Event output_ready_;
  Event output_empty_;  // or never will be: `write_fault_`
  bool input_ended_ = false;
  bool end_read_ = false;  // close_notify was handed to a reader
  bool write_finished_ = false;
  bool closed_ = false;
  absl::Status read_fault_;   // of the stream below
  absl::Status write_fault_;  // of the stream below
  OwnedTask read_pump_;       // last: they use all of the above
  OwnedTask write_pump_;
};

}  // namespace faultline::tls::internal

#endif  // FAULTLINE_TRANSPORTS_TLS_CORE_H_
