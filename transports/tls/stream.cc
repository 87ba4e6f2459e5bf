#include "transports/tls/stream.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"
#include "transports/tls/core.h"

namespace faultline::tls {
namespace {

using internal::Core;

Task<void> CloseInBackground(std::unique_ptr<Core> core) { (void)co_await core->CloseOrderly(); }

Task<void> FarewellInBackground(std::unique_ptr<Core> core) { co_await core->SayFarewell(); }

absl::Status Closed(absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(what, ": the stream is closed"));
}

// `core` has been given a stream; its peer is told if the handshake fails.
Task<absl::StatusOr<std::unique_ptr<TlsStream>>> Complete(std::unique_ptr<Core> core) {
  absl::Status done = co_await core->Handshake();
  if (done.ok()) co_return std::make_unique<TlsStream>(std::move(core));
  Executor* executor = core->executor();
  std::shared_ptr<Closing> closing = core->closing();
  if (closing != nullptr && core->session()->failed()) {
    (void)closing->AdoptFarewell(executor, FarewellInBackground(std::move(core)));
  }
  co_return done;
}

}  // namespace

Task<absl::StatusOr<std::unique_ptr<TlsStream>>> ServerHandshake(std::unique_ptr<Stream> below,
                                                                 ServerContext* context,
                                                                 BufferPool* pool) {
  bssl::UniquePtr<SSL> engine = context->NewEngine();
  co_return co_await Complete(
      std::make_unique<Core>(std::move(below), std::move(engine), *context, pool, ""));
}

Task<absl::StatusOr<std::unique_ptr<TlsStream>>> ClientHandshake(std::unique_ptr<Stream> below,
                                                                 ClientContext* context,
                                                                 BufferPool* pool,
                                                                 std::string server_name) {
  absl::StatusOr<bssl::UniquePtr<SSL>> engine = context->NewEngine(server_name);
  if (!engine.ok()) co_return engine.status();
  co_return co_await Complete(std::make_unique<Core>(std::move(below), *std::move(engine), *context,
                                                     pool, std::move(server_name)));
}

TlsStream::TlsStream(std::unique_ptr<Core> core)
    : core_(std::move(core)), local_(core_->local_address()), peer_(core_->peer_address()) {}

TlsStream::~TlsStream() = default;

std::string TlsStream::alpn() const { return core_ == nullptr ? "" : core_->session()->alpn(); }

std::string TlsStream::peer_certificate_pem() const {
  return core_ == nullptr ? "" : core_->session()->peer_certificate_pem();
}

std::string TlsStream::ExportKey(std::string_view label, std::string_view context,
                                 size_t bytes) const {
  FAULTLINE_CHECK(core_ != nullptr) << "keys are exported from an open stream";
  return core_->session()->ExportKey(label, context, bytes);
}

// --- Ends ---

Task<absl::Status> TlsStream::CloseOrderly() {
  std::unique_ptr<Core> core = std::move(core_);
  if (core == nullptr) co_return absl::OkStatus();
  co_return co_await core->CloseOrderly();
}

absl::Status TlsStream::ShutdownWrite() {
  return core_ == nullptr ? ErrnoStatus(ENOTCONN, "close_notify") : core_->ShutdownWrite();
}

absl::Status TlsStream::Close() {
  if (core_ == nullptr) return absl::OkStatus();
  if (core_->closed()) return absl::OkStatus();
  core_->RequireIdle();
  Executor* executor = core_->executor();
  std::shared_ptr<Closing> closing = core_->closing();
  if (closing == nullptr) {
    core_.reset();
    return absl::FailedPreconditionError("close: the context is gone; the stream was reset");
  }
  return closing->Adopt(executor, CloseInBackground(std::move(core_)));
}

void TlsStream::Abort() {
  if (core_ != nullptr) core_->Abort();
}

// --- Operations ---

bool TlsStream::StartRead(ReadOp* op) {
  if (core_ != nullptr) return core_->StartRead(op);
  op->Fail(Closed("read"));
  return true;
}

bool TlsStream::StartWrite(WriteOp* op) {
  if (core_ != nullptr) return core_->StartWrite(op);
  op->Fail(Closed("write"));
  return true;
}

void TlsStream::CancelRead(ReadOp* op) { core_->CancelRead(op); }
void TlsStream::CancelWrite(WriteOp* op) { core_->CancelWrite(op); }
void TlsStream::AbandonRead(ReadOp* op) { core_->AbandonRead(op); }
void TlsStream::AbandonWrite(WriteOp* op) { core_->AbandonWrite(op); }

// --- Options ---

absl::Status TlsStream::SetNoDelay(bool on) {
  return core_ == nullptr ? Closed("TCP_NODELAY") : core_->SetNoDelay(on);
}

absl::Status TlsStream::SetSendBufferSize(size_t bytes) {
  return core_ == nullptr ? Closed("SO_SNDBUF") : core_->SetSendBufferSize(bytes);
}

absl::Status TlsStream::SetReceiveBufferSize(size_t bytes) {
  return core_ == nullptr ? Closed("SO_RCVBUF") : core_->SetReceiveBufferSize(bytes);
}

absl::StatusOr<size_t> TlsStream::SendBufferSize() const {
  if (core_ == nullptr) return Closed("SO_SNDBUF");
  return core_->SendBufferSize();
}

absl::StatusOr<size_t> TlsStream::ReceiveBufferSize() const {
  if (core_ == nullptr) return Closed("SO_RCVBUF");
  return core_->ReceiveBufferSize();
}

}  // namespace faultline::tls
