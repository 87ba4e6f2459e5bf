#include "transports/tls/core.h"

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/errors.h"

namespace faultline::tls::internal {
namespace {

bool IsReset(const absl::Status& below) { return ErrnoOf(below) == ECONNRESET; }

}  // namespace

Core::Core(std::unique_ptr<Stream> below, bssl::UniquePtr<SSL> ssl, const ContextBase& context,
           BufferPool* pool, std::string wanted)
    : clock_(context.environment().clock),
      handshake_grace_(context.common().handshake_grace),
      close_grace_(context.common().close_grace),
      closing_(context.closing()),
      below_(std::move(below)),
      session_(std::move(ssl), context.environment(), pool, std::move(wanted)) {
  output_empty_.Set();
}

// --- Handshake ---

Task<absl::Status> Core::Handshake() {
  executor_ = (co_await ThisTask()).executor;
  absl::Status done = co_await Deadline(clock_, clock_->Now() + handshake_grace_, ShakeHands());
  if (absl::IsDeadlineExceeded(done) && ErrnoOf(done) == 0) {
    co_return absl::DeadlineExceededError(absl::StrCat(
        "TLS handshake: not done within handshake_grace, ", FormatSeconds(handshake_grace_)));
  }
  if (!done.ok()) co_return done;
  read_pump_ = OwnedTask(executor_, PumpReads());
  write_pump_ = OwnedTask(executor_, PumpWrites());
  co_return absl::OkStatus();
}

Task<absl::Status> Core::ShakeHands() {
  for (;;) {
    absl::StatusOr<bool> done = session_.Handshake();
    absl::Status flushed = co_await Flush();
    if (!done.ok()) co_return done.status();
    if (!flushed.ok()) co_return flushed;
    if (*done) co_return absl::OkStatus();
    absl::Status fetched = co_await FetchInput();
    if (!fetched.ok()) co_return fetched;
    if (input_ended_) co_return session_.Truncated();
  }
}

Task<absl::Status> Core::Flush() {
  Output* output = session_.output();
  while (!output->empty()) {
    absl::StatusOr<size_t> written = co_await below_->Write(output->Next());
    if (!written.ok()) co_return written.status();
    output->Consume(*written);
    if (writing_ != nullptr && TryWrite(writing_)) writing_ = nullptr;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Core::FetchInput() {
  absl::StatusOr<size_t> read = co_await below_->Read(session_.input()->Room());
  if (!read.ok()) co_return read.status();
  session_.input()->Fill(*read);
  if (*read == 0) input_ended_ = true;
  co_return absl::OkStatus();
}

// --- The two tasks ---

Task<void> Core::PumpReads() {
  for (;;) {
    (void)co_await input_wanted_.Wait();
    input_wanted_.Reset();
    while (reading_ != nullptr) {
      read_fault_ = co_await FetchInput();
      if (reading_ != nullptr && TryRead(reading_)) reading_ = nullptr;
      if (!read_fault_.ok() || input_ended_) co_return;
    }
  }
}

Task<void> Core::PumpWrites() {
  while (write_fault_.ok()) {
    (void)co_await output_ready_.Wait();
    output_ready_.Reset();
    write_fault_ = co_await Flush();
    if (writing_ != nullptr && TryWrite(writing_)) writing_ = nullptr;
    if (!write_fault_.ok() || session_.output()->empty()) output_empty_.Set();
  }
}

void Core::SendSoon() {
  if (session_.output()->empty()) return;
  if (write_fault_.ok()) output_empty_.Reset();
  output_ready_.Set();
}

void Core::StopPumps() {
  read_pump_ = OwnedTask();
  write_pump_ = OwnedTask();
}

// --- Reading ---

bool Core::StartRead(ReadOp* op) {
  FAULTLINE_CHECK(reading_ == nullptr) << "one read at a time";
  if (closed_) {
    op->Fail(absl::FailedPreconditionError("read: the stream is closed"));
    return true;
  }
  if (TryRead(op)) return true;
  reading_ = op;
  input_wanted_.Set();
  return false;
}

bool Core::TryRead(ReadOp* op) {
  absl::StatusOr<std::optional<size_t>> read = session_.Read(op->buffers());
  SendSoon();  // an alert, or the answer to a change of keys
  if (!read.ok()) {
    op->Fail(read.status());
  } else if (read->has_value()) {
    end_read_ = **read == 0;
    op->Succeed(**read);
  } else if (!read_fault_.ok()) {
    op->Fail(read_fault_);
  } else if (input_ended_) {
    op->Fail(session_.Truncated());
  } else {
    return false;
  }
  return true;
}

void Core::CancelRead(ReadOp* op) {
  reading_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

// --- Writing ---

bool Core::StartWrite(WriteOp* op) {
  FAULTLINE_CHECK(writing_ == nullptr) << "one write at a time";
  if (closed_) {
    op->Fail(absl::FailedPreconditionError("write: the stream is closed"));
    return true;
  }
  if (TryWrite(op)) return true;
  writing_ = op;
  return false;
}

bool Core::TryWrite(WriteOp* op) {
  if (!write_fault_.ok()) {
    op->Fail(write_fault_);
    return true;
  }
  if (write_finished_) {
    op->Fail(ErrnoStatus(EPIPE, "write after close_notify"));
    return true;
  }
  absl::StatusOr<size_t> written = session_.Write(op->buffers());
  SendSoon();
  if (written.ok() && *written == 0) return false;
  if (written.ok()) {
    op->Succeed(*written);
  } else {
    op->Fail(written.status());
  }
  return true;
}

void Core::CancelWrite(WriteOp* op) {
  writing_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

// --- Ends ---

absl::Status Core::ShutdownWrite() {
  FAULTLINE_CHECK(writing_ == nullptr)
      << "half-close with a write pending: stop and await it first";
  const bool over = write_finished_ && end_read_;
  if (closed_ || over || IsReset(read_fault_) || IsReset(write_fault_)) {
    return ErrnoStatus(ENOTCONN, "close_notify");
  }
  if (std::exchange(write_finished_, true)) return absl::OkStatus();
  session_.SayCloseNotify();
  SendSoon();
  return absl::OkStatus();
}

Task<absl::Status> Core::CloseOrderly() {
  if (closed_) co_return absl::OkStatus();
  RequireIdle();
  (void)ShutdownWrite();
  absl::Status ended =
      co_await Deadline(clock_, clock_->Now() + close_grace_, ExchangeCloseNotify());
  bool sent = session_.output()->empty() && write_fault_.ok();
  if (!sent) {
    Abort();
  } else {
    (void)Close();
  }
  if (!absl::IsDeadlineExceeded(ended) || ErrnoOf(ended) != 0) co_return ended;
  co_return absl::DeadlineExceededError(
      absl::StrCat("TLS close: no close_notify within close_grace, ", FormatSeconds(close_grace_)));
}

Task<absl::Status> Core::ExchangeCloseNotify() {
  absl::Status waited = co_await output_empty_.Wait();
  if (!waited.ok()) co_return waited;
  if (!write_fault_.ok()) co_return write_fault_;
  (void)below_->ShutdownWrite();  // the peer may be gone: reading tells
  co_return co_await WaitForEnd();
}

// What still comes is dropped.
Task<absl::Status> Core::WaitForEnd() {
  std::array<std::byte, 1024> dropped;
  for (;;) {
    absl::StatusOr<size_t> read = co_await Read(dropped);
    if (!read.ok()) co_return read.status();
    if (*read == 0) co_return absl::OkStatus();
  }
}

Task<void> Core::SayFarewell() {
  absl::Status said = co_await Deadline(clock_, clock_->Now() + close_grace_, LetAlertArrive());
  if (said.ok()) (void)Close();
}

// Reading on until the peer has ended: unread input would turn the end into a reset, which drops
// the alert on its way.
Task<absl::Status> Core::LetAlertArrive() {
  absl::Status status = co_await Flush();
  if (status.ok()) status = below_->ShutdownWrite();
  while (status.ok() && !input_ended_) status = co_await FetchInput();
  co_return status;
}

void Core::RequireIdle() const {
  FAULTLINE_CHECK(reading_ == nullptr && writing_ == nullptr)
      << "close with an operation pending: stop and await it first";
}

absl::Status Core::Close() {
  RequireIdle();
  if (std::exchange(closed_, true)) return absl::OkStatus();
  StopPumps();
  return below_->Close();
}

void Core::Abort() {
  if (std::exchange(closed_, true)) return;
  StopPumps();
  if (reading_ != nullptr) std::exchange(reading_, nullptr)->Fail(ErrnoStatus(ECANCELED, "read"));
  if (writing_ != nullptr) std::exchange(writing_, nullptr)->Fail(ErrnoStatus(ECANCELED, "write"));
  below_->Abort();
}

}  // namespace faultline::tls::internal
