#include "sim/stream.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"
#include "sim/host.h"
#include "sim/tcp.h"

namespace faultline::sim {

SimStream::SimStream(Process* process, TcpConnection* connection, int side)
    : process_(process),
      connection_(connection),
      side_(static_cast<uint8_t>(side)),
      local_(connection->address(side)),
      peer_(connection->address(1 - side)) {
  connection->AttachSocket(side, this);
}

SimStream::SimStream(SimStream* from) : SimStream(from->process_, from->connection_, from->side_) {
  unread_ = std::move(from->unread_);
  has_unread_ = std::exchange(from->has_unread_, false);
  from->ForgetAnswering();
  from->connection_ = nullptr;
}

SimStream::~SimStream() { Abort(); }

TcpFlow& SimStream::out() const { return connection_->flow(side_); }
TcpFlow& SimStream::in() const { return connection_->flow(1 - side_); }

absl::Status SimStream::Error(int error, const char* what) const {
  return ErrnoStatus(error, absl::StrCat(what, " ", local_.ToString(), " <-> ", peer_.ToString()));
}

// --- Reading ---

bool SimStream::StartRead(ReadOp* op) {
  FAULTLINE_CHECK(reading_ == nullptr) << "one read at a time";
  if (connection_ == nullptr) {
    op->Fail(absl::FailedPreconditionError("read: the stream is closed"));
    return true;
  }
  if (has_unread_) {
    TakeUnread(op);
    return true;
  }
  if (TryRead(op)) return Yielding(*op, &in());
  reading_ = op;
  connection_->world()->FetchOn();
  return false;
}

// Linux's order (tcp_recvmsg): data, then the peer's FIN, then a pending error; then, unlike Linux,
// the error again. On Unix sockets the error comes before the end (unix_stream_read_generic).
bool SimStream::TryRead(ReadOp* op) {
  if (size_t unread = in().unread(); unread > 0) {
    size_t size = Shorten(std::min(unread, op->capacity()), false);
    in().Read(op->buffers(), size);
    op->Succeed(size);
    return true;
  }
  const bool error_first = connection_->is_unix() && connection_->end(side_).reset;
  if (in().fin_received() && !error_first) {
    op->Succeed(0);
    return true;
  }
  if (int error = connection_->TakeError(side_)) {
    op->Fail(Error(error, "read"));
    return true;
  }
  if (!connection_->end(side_).reset) return false;
  op->Fail(Error(connection_->LastError(side_), "read"));  // 0 bytes would be a clean end
  return true;
}

void SimStream::TakeUnread(ReadOp* op) {
  op->Succeed(unread_->Take(op->buffers()));
  if (!unread_->empty()) return;
  unread_ = nullptr;
  has_unread_ = false;
}

void SimStream::Unread(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (unread_ == nullptr) unread_ = std::make_unique<UnreadBytes>();
  has_unread_ = true;
  unread_->Prepend(bytes);
}

void SimStream::Fetch(int depth) const {
  if (depth == 0) {
    process_->FetchHot();
    if (reading_ != nullptr) FetchLines(reading_, sizeof(*reading_));
  } else if (reading_ != nullptr) {
    depth == 1 ? reading_->Fetch() : reading_->FetchAwaiter();
    if (trust_ >= kTrusted) FetchNext(depth);
  }
}

// Some have to write to another one when they have been read: who passes on, asks or tells others.
void SimStream::FetchNext(int depth) const {
  if (depth == 1) {
    FetchLines(next_, kCacheLine);
    return FetchLines(next_connection_, kCacheLine);
  }
  TcpConnection::FetchFlow(next_connection_, next_side_);
}

void SimStream::OnReadable() {
  if (reading_ == nullptr || !TryRead(reading_)) return;
  reading_ = nullptr;
  *process_->answering() = this;
}

// The first write after a read. One to another stream than that could not be foreseen always: what
// it touches, and a read after it, is asked for at once instead of piece by piece.
void SimStream::NoteWrite() {
  SimStream* reader = std::exchange(*process_->answering(), nullptr);
  if (reader == nullptr || (reader == this && trust_ == 0)) return;
  reader->Remember(this);
  if (reader != this) FetchWritten();
}

// Believed from the second time on, and given up when others come more often. An answer to who was
// read speaks little against it.
void SimStream::Remember(const SimStream* other) {
  if (other == this) {
    trust_ -= trust_ > 0;
  } else if (other == next_) {
    trust_ = std::min<uint8_t>(trust_ + kHit, kMostTrust);
  } else if (trust_ > 0) {
    trust_ -= std::min(trust_, kMiss);
  } else {
    next_ = other;
    next_connection_ = other->connection_;
    next_side_ = other->side_;
  }
}

void SimStream::ForgetAnswering() {
  if (*process_->answering() == this) *process_->answering() = nullptr;
}

void SimStream::CancelRead(ReadOp* op) {
  reading_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

// --- Writing ---

bool SimStream::StartWrite(WriteOp* op) {
  FAULTLINE_CHECK(writing_ == nullptr) << "one write at a time";
  if (connection_ == nullptr) {
    op->Fail(absl::FailedPreconditionError("write: the stream is closed"));
    return true;
  }
  NoteWrite();
  if (TryWrite(op)) return Yielding(*op, &out());
  out().NoteFull();
  writing_ = op;
  out().SetWriterWaiting(true);
  return false;
}

void SimStream::FetchWritten() const {
  FetchLines(connection_, kCacheLine);
  out().FetchHot();
  FetchLines(&in(), kCacheLine);
}

bool SimStream::TryWrite(WriteOp* op) {
  if (connection_->is_unix() && connection_->end(1 - side_).gone) {  // as unix_stream_sendmsg
    op->Fail(Error(EPIPE, "write"));
    return true;
  }
  if (connection_->end(side_).reset || out().fin_queued()) {
    int error = connection_->TakeError(side_);
    op->Fail(Error(error != 0 ? error : EPIPE, "write"));
    return true;
  }
  size_t room = out().Room();
  if (room == 0) return false;
  size_t size = Shorten(std::min(room, op->capacity()), true);
  out().Write(op->buffers(), size);
  op->Succeed(size);
  return true;
}

void SimStream::OnWritable() {
  if (writing_ == nullptr || !TryWrite(writing_)) return;
  writing_ = nullptr;
  out().SetWriterWaiting(false);
}

void SimStream::CancelWrite(WriteOp* op) {
  AbandonWrite(op);
  op->Fail(absl::CancelledError("stop requested"));
}

void SimStream::AbandonWrite(WriteOp*) {
  writing_ = nullptr;
  if (connection_ != nullptr) out().SetWriterWaiting(false);
}

// The fault of short transfers: any prefix of at least one byte.
size_t SimStream::Shorten(size_t size, bool write) {
  if (!process_->faulty_sockets()) return size;
  const SocketFaults& faults = process_->host()->config().sockets;
  Chooser* chooser = (write ? out() : in()).chooser();
  if (size <= 1 || !chooser->Chance(write ? Choice::kPartialWrite : Choice::kPartialRead,
                                    write ? faults.partial_write : faults.partial_read)) {
    return size;
  }
  Choice kind = write ? Choice::kPartialWriteSize : Choice::kPartialReadSize;
  // Half of the time a single byte: the shortest transfers find the most.
  uint64_t draw = chooser->Next(kind);
  size_t shortened = draw & 1 ? 1 : 1 + static_cast<size_t>((draw >> 1) % size);
  if (shortened < size) {
    process_->host()->world()->effects()->Bite(write ? Fault::kPartialWrite : Fault::kPartialRead);
  }
  return shortened;
}

// The fault of late completions: `op`, which completed at once, uses up its task's turn.
bool SimStream::Yielding(const Transfer& op, TcpFlow* flow) {
  if (!process_->faulty_sockets()) return true;
  if (flow->chooser()->Chance(Choice::kYield, process_->host()->config().sockets.yield)) {
    while (op.task()->executor->TakeSyncBudget()) {
    }
  }
  return true;
}

// --- Ends ---

// In a crash destructors run, and may call anything here: no byte may leave.
bool SimStream::DiesSilently() {
  ForgetAnswering();
  if (!process_->crashing()) return false;
  FailPending(ECANCELED);  // frames die in any order: theirs may be destroyed after this
  std::exchange(connection_, nullptr)->SilenceEnd(side_);
  return true;
}

void SimStream::OnReset() {
  if (reading_ != nullptr && TryRead(reading_)) reading_ = nullptr;
  if (writing_ != nullptr && TryWrite(writing_)) writing_ = nullptr;
}

void SimStream::FailPending(int error) {
  if (reading_ != nullptr) std::exchange(reading_, nullptr)->Fail(Error(error, "read"));
  if (writing_ != nullptr) std::exchange(writing_, nullptr)->Fail(Error(error, "write"));
}

absl::Status SimStream::ShutdownWrite() {
  if (connection_ == nullptr) return Error(ENOTCONN, "shutdown");
  if (DiesSilently()) return absl::OkStatus();
  FAULTLINE_CHECK(writing_ == nullptr)
      << "half-close with a write pending: stop and await it first";
  if (connection_->end(side_).reset) {
    return connection_->is_unix() ? absl::OkStatus() : Error(ENOTCONN, "shutdown");
  }
  // Both ends' FINs have arrived: TCP has forgotten the connection (TIME_WAIT, CLOSED).
  if (connection_->FullyClosed() && !connection_->is_unix()) return Error(ENOTCONN, "shutdown");
  if (!out().fin_queued()) connection_->FinishEnd(side_);
  return absl::OkStatus();
}

void SimStream::Leave() {
  connection_ = nullptr;
  process_->ReturnDescriptor();
}

absl::Status SimStream::Close() {
  if (connection_ == nullptr || DiesSilently()) return absl::OkStatus();
  FAULTLINE_CHECK(reading_ == nullptr && writing_ == nullptr)
      << "close with an operation pending: stop and await it first";
  if (has_unread_) return Abort(), absl::OkStatus();  // as with unread input
  TcpConnection* connection = connection_;
  Leave();
  connection->CloseEnd(side_);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DetachedStream>> SimStream::Detach() {
  FAULTLINE_CHECK(reading_ == nullptr && writing_ == nullptr)
      << "detach with an operation pending: stop and await it first";
  if (connection_ == nullptr) {
    return absl::FailedPreconditionError("detach: the stream is closed");
  }
  return std::make_unique<SimDetachedStream>(this);
}

void SimStream::Abort() {
  if (connection_ == nullptr || DiesSilently()) return;
  FailPending(ECANCELED);
  TcpConnection* connection = connection_;
  Leave();
  if (connection->is_unix()) return connection->CloseEnd(side_);  // has no reset
  connection->AbortEnd(side_);
}

// --- Options ---

absl::Status SimStream::SetNoDelay(bool) {
  // Every write leaves at once: Nagle's algorithm is not modelled.
  if (connection_ == nullptr) return Error(EBADF, "setsockopt");
  return absl::OkStatus();
}

absl::Status SimStream::SetSendBufferSize(size_t bytes) {
  if (connection_ == nullptr) return Error(EBADF, "setsockopt");
  out().SetSendBuffer(std::max<size_t>(bytes, 1));
  return absl::OkStatus();
}

absl::Status SimStream::SetReceiveBufferSize(size_t bytes) {
  if (connection_ == nullptr) return Error(EBADF, "setsockopt");
  in().SetReceiveBuffer(std::max<size_t>(bytes, 1));
  return absl::OkStatus();
}

absl::StatusOr<size_t> SimStream::SendBufferSize() const {
  if (connection_ == nullptr) return Error(EBADF, "getsockopt");
  return out().send_buffer();
}

absl::StatusOr<size_t> SimStream::ReceiveBufferSize() const {
  if (connection_ == nullptr) return Error(EBADF, "getsockopt");
  return in().receive_buffer();
}

void ApplyOptions(SimStream* stream, const StreamOptions& options) {
  if (options.send_buffer_bytes != 0) (void)stream->SetSendBufferSize(options.send_buffer_bytes);
  if (options.receive_buffer_bytes != 0) {
    (void)stream->SetReceiveBufferSize(options.receive_buffer_bytes);
  }
}

}  // namespace faultline::sim
