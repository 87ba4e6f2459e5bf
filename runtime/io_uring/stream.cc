#include "runtime/io_uring/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::uring {
namespace {

int AsInt(size_t bytes) { return static_cast<int>(std::min<size_t>(bytes, INT_MAX)); }

// Submissions carry 32 bits; a transfer may be short.
uint32_t AsLength(size_t bytes) { return static_cast<uint32_t>(AsInt(bytes)); }

bool WasCancelled(int32_t result) { return result == -ECANCELED || result == -EINTR; }

}  // namespace

UringStream::UringStream(Core* core, Descriptor socket, Endpoint local, Endpoint peer)
    : core_(core),
      socket_(std::move(socket)),
      unix_(!local.is_ip() && !peer.is_ip()),
      local_(std::move(local)),
      peer_(std::move(peer)) {}

UringStream::UringStream(Core* core, kernel::ConnectedSocket connected)
    : UringStream(core, std::move(connected.socket), std::move(connected.local),
                  std::move(connected.peer)) {
  lost_ = connected.lost;
  kept_ = std::move(connected.unread);
}

absl::Status UringStream::Error(int error, std::string_view what) const {
  return ErrnoStatus(error, absl::StrCat(absl::string_view(what.data(), what.size()), " ",
                                         local_.ToString(), " <-> ", peer_.ToString()));
}

// The kernel tells of a lost connection once, by whatever error it has. EPIPE is not that: it
// follows a half-close, and the peer's end may be clean. Nor is a lack of memory, which passes.
absl::Status UringStream::Lost(int error, std::string_view what) {
  if (error != EPIPE && error != ENOBUFS && error != ENOMEM) lost_ = error;
  return Error(error, what);
}

// --- Reading ---

bool UringStream::StartRead(ReadOp* op) {
  FAULTLINE_CHECK(reading_ == nullptr) << "one read at a time";
  if (!socket_) {
    op->Fail(absl::FailedPreconditionError("read: the stream is closed"));
    return true;
  }
  if (!kept_.empty()) {
    op->Succeed(kept_.Take(op->buffers()));
    return true;
  }
  reading_ = op;
  SubmitRead();
  return false;
}

void UringStream::SubmitRead() {
  const std::span<const iovec> buffers = reading_->buffers();
  const int fd = socket_.get();
  if (buffers.size() == 1) {
    read_.Start([&](io_uring_sqe* sqe) {
      io_uring_prep_recv(sqe, fd, buffers[0].iov_base, AsLength(buffers[0].iov_len), 0);
    });
    return;
  }
  read_message_.msg_iov = const_cast<iovec*>(buffers.data());
  read_message_.msg_iovlen = buffers.size();
  read_.Start([&](io_uring_sqe* sqe) { io_uring_prep_recvmsg(sqe, fd, &read_message_, 0); });
}

void UringStream::OnRead(int32_t result) {
  ReadOp* op = std::exchange(reading_, nullptr);
  if (WasCancelled(result)) return op->Fail(absl::CancelledError("stop requested"));
  if (result < 0) return op->Fail(Lost(-result, "read"));
  // A write was told; 0 bytes here would be a clean end.
  if (result == 0 && lost_ != 0) return op->Fail(Error(lost_, "read"));
  op->Succeed(static_cast<size_t>(result));
}

// The frame goes away, and its buffers with it, after this.
void UringStream::AbandonRead(ReadOp* op) {
  reading_ = nullptr;
  const int32_t result = read_.Take();
  if (result < 0 && !WasCancelled(result)) (void)Lost(-result, "read");
  size_t rest = result > 0 ? static_cast<size_t>(result) : 0;
  for (const iovec& buffer : op->buffers()) {
    const size_t part = std::min(buffer.iov_len, rest);
    kept_.Append({static_cast<const std::byte*>(buffer.iov_base), part});
    rest -= part;
  }
}

// --- Writing ---

bool UringStream::StartWrite(WriteOp* op) {
  FAULTLINE_CHECK(writing_ == nullptr) << "one write at a time";
  if (!socket_) {
    op->Fail(absl::FailedPreconditionError("write: the stream is closed"));
    return true;
  }
  writing_ = op;
  SubmitWrite();
  return false;
}

void UringStream::SubmitWrite() {
  const std::span<const iovec> buffers = writing_->buffers();
  const int fd = socket_.get();
  if (buffers.size() == 1) {
    write_.Start([&](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, fd, buffers[0].iov_base, AsLength(buffers[0].iov_len), MSG_NOSIGNAL);
    });
    return;
  }
  write_message_.msg_iov = const_cast<iovec*>(buffers.data());
  write_message_.msg_iovlen = buffers.size();
  write_.Start(
      [&](io_uring_sqe* sqe) { io_uring_prep_sendmsg(sqe, fd, &write_message_, MSG_NOSIGNAL); });
}

void UringStream::OnWrite(int32_t result) {
  WriteOp* op = std::exchange(writing_, nullptr);
  if (WasCancelled(result)) return op->Fail(absl::CancelledError("stop requested"));
  if (result < 0) return op->Fail(Lost(-result, "write"));
  op->Succeed(static_cast<size_t>(result));
}

void UringStream::AbandonWrite(WriteOp*) {
  writing_ = nullptr;
  const int32_t result = write_.Take();
  if (result < 0 && !WasCancelled(result)) (void)Lost(-result, "write");
}

// --- Ends ---

absl::Status UringStream::ShutdownWrite() {
  FAULTLINE_CHECK(writing_ == nullptr)
      << "half-close with a write pending: stop and await it first";
  if (!socket_) return Error(ENOTCONN, "shutdown");
  if (shutdown(socket_.get(), SHUT_WR) != 0) return Error(errno, "shutdown");
  return absl::OkStatus();
}

absl::Status UringStream::Close() {
  FAULTLINE_CHECK(reading_ == nullptr && writing_ == nullptr)
      << "close with an operation pending: stop and await it first";
  if (!kept_.empty()) {  // unread input: what close(2) does then
    Abort();
    return absl::OkStatus();
  }
  core_->Close(&socket_);
  return absl::OkStatus();
}

// The ring knows a socket by the submissions in flight alone: there are none.
absl::StatusOr<std::unique_ptr<DetachedStream>> UringStream::Detach() {
  FAULTLINE_CHECK(reading_ == nullptr && writing_ == nullptr)
      << "detach with an operation pending: stop and await it first";
  if (!socket_) return absl::FailedPreconditionError("detach: the stream is closed");
  return std::make_unique<kernel::DetachedSocket>(
      kernel::ConnectedSocket{.socket = std::exchange(socket_, Descriptor()),
                              .blocking = true,
                              .local = local_,
                              .peer = peer_,
                              .lost = lost_,
                              .unread = std::exchange(kept_, UnreadBytes())});
}

void UringStream::Abort() {
  if (!socket_) return;
  (void)read_.Take();
  (void)write_.Take();
  if (reading_ != nullptr) std::exchange(reading_, nullptr)->Fail(Error(ECANCELED, "read"));
  if (writing_ != nullptr) std::exchange(writing_, nullptr)->Fail(Error(ECANCELED, "write"));
  if (!unix_) {
    // Cannot fail on an open socket; if it did, the close below would still end the stream.
    linger drop{.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
  }
  core_->Close(&socket_);
}

// --- Options ---

absl::Status UringStream::SetOption(int level, int name, int value) {
  if (!socket_) return Error(EBADF, "setsockopt");
  if (setsockopt(socket_.get(), level, name, &value, sizeof(value)) == 0) return absl::OkStatus();
  return Error(errno, "setsockopt");
}

absl::StatusOr<size_t> UringStream::GetOption(int name) const {
  if (!socket_) return Error(EBADF, "getsockopt");
  int value = 0;
  socklen_t size = sizeof(value);
  if (getsockopt(socket_.get(), SOL_SOCKET, name, &value, &size) != 0) {
    return Error(errno, "getsockopt");
  }
  return static_cast<size_t>(value);
}

absl::Status UringStream::SetNoDelay(bool on) {
  if (unix_ && socket_) return absl::OkStatus();
  return SetOption(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

absl::Status UringStream::SetSendBufferSize(size_t bytes) {
  return SetOption(SOL_SOCKET, SO_SNDBUF, AsInt(bytes));
}

absl::Status UringStream::SetReceiveBufferSize(size_t bytes) {
  return SetOption(SOL_SOCKET, SO_RCVBUF, AsInt(bytes));
}

absl::StatusOr<size_t> UringStream::SendBufferSize() const { return GetOption(SO_SNDBUF); }

absl::StatusOr<size_t> UringStream::ReceiveBufferSize() const { return GetOption(SO_RCVBUF); }

}  // namespace faultline::uring
