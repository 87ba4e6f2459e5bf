#include "runtime/epoll/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::epoll {
namespace {

constexpr uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLPRI;
constexpr uint32_t kEnded = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

// On TCP, room in the send buffer makes an edge only after a write that found none, so both kinds
// are asked for at once. On Unix sockets each read of the peer's makes one: not asked for before a
// write has to wait.
constexpr uint32_t kTcpEvents = kReadEvents | EPOLLOUT;

msghdr MessageOf(std::span<const iovec> buffers) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(buffers.data());
  message.msg_iovlen = buffers.size();
  return message;
}

template <typename Call>
ssize_t Uninterrupted(Call call) {
  ssize_t result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

absl::Status SetIntOption(int fd, int level, int name, int value, const Endpoint& of) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("setsockopt ", of.ToString()));
}

int AsInt(size_t bytes) { return static_cast<int>(std::min<size_t>(bytes, INT_MAX)); }

}  // namespace

EpollStream::EpollStream(Core* core, Descriptor socket, Endpoint local, Endpoint peer)
    : socket_(core, std::move(socket), this),
      unix_(!local.is_ip() && !peer.is_ip()),
      local_(std::move(local)),
      peer_(std::move(peer)) {}

// All is tried anew, and a registration reports what is there by then: no edge is missed.
EpollStream::EpollStream(Core* core, kernel::ConnectedSocket connected)
    : EpollStream(core, std::move(connected.socket), std::move(connected.local),
                  std::move(connected.peer)) {
  lost_ = connected.lost;
  unread_ = std::move(connected.unread);
}

EpollStream::~EpollStream() { Abort(); }

absl::Status EpollStream::Error(int error, std::string_view what) const {
  return ErrnoStatus(error, absl::StrCat(absl::string_view(what.data(), what.size()), " ",
                                         local_.ToString(), " <-> ", peer_.ToString()));
}

// --- Reading ---

bool EpollStream::StartRead(ReadOp* op) {
  FAULTLINE_CHECK(reading_ == nullptr) << "one read at a time";
  if (!socket_.open()) {
    op->Fail(absl::FailedPreconditionError("read: the stream is closed"));
    return true;
  }
  if (!unread_.empty()) {
    op->Succeed(unread_.Take(op->buffers()));
    return true;
  }
  if (readable_ && TryRead(op)) return true;
  if (absl::Status status = socket_.Want(unix_ ? kReadEvents : kTcpEvents); !status.ok()) {
    op->Fail(std::move(status));
    return true;
  }
  reading_ = op;
  return false;
}

bool EpollStream::TryRead(ReadOp* op) {
  size_t capacity = op->capacity();
  FAULTLINE_CHECK(capacity > 0) << "a read needs room: 0 bytes mean the end of the stream";
  ssize_t got = Receive(op->buffers());
  if (got < 0 && errno == EAGAIN) {
    readable_ = false;
    return false;
  }
  if (got < 0) {
    op->Fail(Lost(errno, "read"));
    return true;
  }
  if (got == 0 && lost_ != 0) {  // a write was told; 0 bytes here would be a clean end
    op->Fail(Error(lost_, "read"));
    return true;
  }
  if (got == 0) short_read_is_drained_ = false;  // the end: it stays where it is
  if (static_cast<size_t>(got) < capacity && short_read_is_drained_) readable_ = false;
  op->Succeed(static_cast<size_t>(got));
  return true;
}

ssize_t EpollStream::Receive(std::span<const iovec> buffers) {
  ++socket_.core()->transfers;
  if (unix_) return ReceiveUnix(buffers);
  if (buffers.size() == 1) {
    const iovec& only = buffers.front();
    return Uninterrupted([&] { return recv(fd(), only.iov_base, only.iov_len, 0); });
  }
  int count = AsInt(buffers.size());
  return Uninterrupted([&] { return readv(fd(), buffers.data(), count); });
}

ssize_t EpollStream::ReceiveUnix(std::span<const iovec> buffers) {
  msghdr message = MessageOf(buffers);
  ssize_t got = Uninterrupted([&] { return recvmsg(fd(), &message, 0); });
  if (got >= 0 && (message.msg_flags & MSG_CTRUNC) != 0) short_read_is_drained_ = false;
  return got;
}

void EpollStream::CancelRead(ReadOp* op) {
  reading_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

// The kernel tells of a lost connection once, by whatever error it has: of the peer, of its own
// timers, or of a router. EPIPE is not that: it follows a half-close, and the peer's end may be
// clean. Nor is a lack of memory, which passes.
absl::Status EpollStream::Lost(int error, std::string_view what) {
  if (error != EPIPE && error != ENOBUFS && error != ENOMEM) lost_ = error;
  return Error(error, what);
}

// --- Writing ---

bool EpollStream::StartWrite(WriteOp* op) {
  FAULTLINE_CHECK(writing_ == nullptr) << "one write at a time";
  if (!socket_.open()) {
    op->Fail(absl::FailedPreconditionError("write: the stream is closed"));
    return true;
  }
  if (writable_ && TryWrite(op)) return true;
  if (absl::Status status = socket_.Want(kTcpEvents); !status.ok()) {
    op->Fail(std::move(status));
    return true;
  }
  writing_ = op;
  return false;
}

bool EpollStream::TryWrite(WriteOp* op) {
  size_t capacity = op->capacity();
  FAULTLINE_CHECK(capacity > 0) << "a write has at least one byte";
  ssize_t taken = Send(op->buffers());
  if (taken < 0 && errno == EAGAIN) {
    writable_ = false;
    return false;
  }
  if (taken < 0) {
    op->Fail(Lost(errno, "write"));
    return true;
  }
  if (static_cast<size_t>(taken) < capacity) writable_ = false;
  op->Succeed(static_cast<size_t>(taken));
  return true;
}

ssize_t EpollStream::Send(std::span<const iovec> buffers) {
  ++socket_.core()->transfers;
  if (buffers.size() == 1) {
    const iovec& only = buffers.front();
    return Uninterrupted([&] { return send(fd(), only.iov_base, only.iov_len, MSG_NOSIGNAL); });
  }
  msghdr message = MessageOf(buffers);
  return Uninterrupted([&] { return sendmsg(fd(), &message, MSG_NOSIGNAL); });
}

void EpollStream::CancelWrite(WriteOp* op) {
  writing_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

// --- Events ---

void EpollStream::OnEvents(uint32_t events) {
  if ((events & (kEnded | EPOLLPRI)) != 0) short_read_is_drained_ = false;
  if ((events & (kReadEvents | kEnded)) != 0) readable_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable_ = true;
  if (handshake_ != nullptr && writable_) std::exchange(handshake_, nullptr)->Finish();
  if (reading_ != nullptr && readable_ && TryRead(reading_)) reading_ = nullptr;
  if (writing_ != nullptr && writable_ && TryWrite(writing_)) writing_ = nullptr;
}

EpollStream::HandshakeOp EpollStream::Handshake() { return HandshakeOp(this); }

bool EpollStream::HandshakeOp::Start() {
  stream_->writable_ = false;
  status_ = stream_->socket_.Want(kTcpEvents);
  if (!status_.ok()) return false;
  stream_->handshake_ = this;
  return true;
}

void EpollStream::HandshakeOp::OnStop() {
  stream_->handshake_ = nullptr;
  status_ = absl::CancelledError("stop requested");
  Complete();
}

// --- Ends ---

absl::Status EpollStream::ShutdownWrite() {
  FAULTLINE_CHECK(writing_ == nullptr)
      << "half-close with a write pending: stop and await it first";
  if (!socket_.open()) return Error(ENOTCONN, "shutdown");
  if (shutdown(fd(), SHUT_WR) != 0) return Error(errno, "shutdown");
  writable_ = true;  // for EPIPE; on a full Unix socket no edge tells of it
  return absl::OkStatus();
}

absl::Status EpollStream::Close() {
  FAULTLINE_CHECK(reading_ == nullptr && writing_ == nullptr)
      << "close with an operation pending: stop and await it first";
  if (!unread_.empty()) {  // unread input: what close(2) does then
    Abort();
    return absl::OkStatus();
  }
  socket_.Close();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DetachedStream>> EpollStream::Detach() {
  FAULTLINE_CHECK(reading_ == nullptr && writing_ == nullptr)
      << "detach with an operation pending: stop and await it first";
  if (!socket_.open()) return absl::FailedPreconditionError("detach: the stream is closed");
  return std::make_unique<kernel::DetachedSocket>(
      kernel::ConnectedSocket{.socket = socket_.Release(),
                              .blocking = false,
                              .local = local_,
                              .peer = peer_,
                              .lost = lost_,
                              .unread = std::exchange(unread_, UnreadBytes())});
}

void EpollStream::Abort() {
  if (!socket_.open()) return;
  FailPending(ECANCELED);
  if (!unix_) {
    // Cannot fail on an open socket; if it did, the close below would still end the stream.
    linger drop{.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd(), SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
  }
  socket_.Close();
}

void EpollStream::FailPending(int error) {
  if (reading_ != nullptr) std::exchange(reading_, nullptr)->Fail(Error(error, "read"));
  if (writing_ != nullptr) std::exchange(writing_, nullptr)->Fail(Error(error, "write"));
}

// --- Options ---

absl::Status EpollStream::SetOption(int level, int name, int value) {
  if (!socket_.open()) return Error(EBADF, "setsockopt");
  return SetIntOption(fd(), level, name, value, peer_);
}

absl::StatusOr<size_t> EpollStream::GetOption(int name) const {
  if (!socket_.open()) return Error(EBADF, "getsockopt");
  int value = 0;
  socklen_t size = sizeof(value);
  if (getsockopt(fd(), SOL_SOCKET, name, &value, &size) != 0) return Error(errno, "getsockopt");
  return static_cast<size_t>(value);
}

absl::Status EpollStream::SetNoDelay(bool on) {
  if (unix_ && socket_.open()) return absl::OkStatus();
  return SetOption(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

absl::Status EpollStream::SetSendBufferSize(size_t bytes) {
  return SetOption(SOL_SOCKET, SO_SNDBUF, AsInt(bytes));
}

absl::Status EpollStream::SetReceiveBufferSize(size_t bytes) {
  return SetOption(SOL_SOCKET, SO_RCVBUF, AsInt(bytes));
}

absl::StatusOr<size_t> EpollStream::SendBufferSize() const { return GetOption(SO_SNDBUF); }

absl::StatusOr<size_t> EpollStream::ReceiveBufferSize() const { return GetOption(SO_RCVBUF); }

}  // namespace faultline::epoll
