#include "runtime/epoll/datagram.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"
#include "runtime/kernel/address.h"
#include "runtime/kernel/datagrams.h"

namespace faultline::epoll {

EpollDatagramSocket::EpollDatagramSocket(Core* core, Descriptor socket, Endpoint local)
    : socket_(core, std::move(socket), this), local_(std::move(local)) {}

EpollDatagramSocket::~EpollDatagramSocket() {
  // Only when the frames that await them are going away too, in whichever order.
  if (sending_ != nullptr) sending_->Fail(Error(ECANCELED, "send"));
  if (receiving_ != nullptr) receiving_->Fail(Error(ECANCELED, "receive"));
}

absl::Status EpollDatagramSocket::Error(int error, std::string_view what) const {
  return ErrnoStatus(
      error, absl::StrCat(absl::string_view(what.data(), what.size()), " ", local_.ToString()));
}

absl::Status EpollDatagramSocket::Close() {
  FAULTLINE_CHECK(sending_ == nullptr && receiving_ == nullptr)
      << "close with an operation pending: stop and await it first";
  socket_.Close();
  return absl::OkStatus();
}

void EpollDatagramSocket::OnEvents(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) readable_ = true;
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) writable_ = true;
  if (receiving_ != nullptr && readable_ && TryReceive(receiving_)) receiving_ = nullptr;
  if (sending_ != nullptr && writable_ && TrySend(sending_)) sending_ = nullptr;
}

// --- Sending ---

bool EpollDatagramSocket::StartSend(SendOp* op) {
  FAULTLINE_CHECK(sending_ == nullptr) << "one send at a time";
  if (!socket_.open()) {
    op->Fail(absl::FailedPreconditionError("send: the socket is closed"));
    return true;
  }
  if (absl::Status status = op->Check(); !status.ok()) {
    op->Fail(std::move(status));
    return true;
  }
  sent_ = 0;
  if (writable_ && TrySend(op)) return true;
  if (absl::Status status = socket_.Want(EPOLLOUT); !status.ok()) {
    op->Fail(std::move(status));
    return true;
  }
  sending_ = op;
  return false;
}

bool EpollDatagramSocket::TrySend(SendOp* op) {
  absl::StatusOr<kernel::SocketAddress> to = kernel::ToSocketAddress(op->to());
  if (!to.ok()) {
    op->Fail(to.status());
    return true;
  }
  do {
    ssize_t sent = SendNext(*op, *to, op->bytes().subspan(sent_));
    if (sent < 0 && errno == EAGAIN) {
      writable_ = false;
      return false;
    }
    if (sent < 0) {
      op->Fail(Error(errno, absl::StrCat("send to ", op->to().ToString(), " from")));
      return true;
    }
    sent_ += static_cast<size_t>(sent);
  } while (sent_ < op->bytes().size());
  op->Succeed(sent_);
  return true;
}

ssize_t EpollDatagramSocket::SendNext(const SendOp& op, const kernel::SocketAddress& to,
                                      std::span<const std::byte> bytes) {
  if (segments_ && bytes.size() > op.segment_bytes()) {
    ssize_t sent = Send(to, bytes, op.ecn(), op.segment_bytes());
    if (sent >= 0 || !kernel::RefusesToCut(errno)) return sent;
    segments_ = false;
  }
  return Send(to, bytes.first(std::min(bytes.size(), op.segment_bytes())), op.ecn(), 0);
}

ssize_t EpollDatagramSocket::Send(kernel::SocketAddress to, std::span<const std::byte> bytes,
                                  Ecn ecn, size_t segment_bytes) {
  iovec buffer{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = to.get();
  message.msg_namelen = to.size;
  message.msg_iov = &buffer;
  message.msg_iovlen = 1;
  kernel::DatagramControl control;
  control.PrepareSend(to, ecn, segment_bytes, &message);
  ++socket_.core()->transfers;
  ssize_t sent;
  do {
    sent = sendmsg(socket_.fd(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

void EpollDatagramSocket::CancelSend(SendOp* op) {
  sending_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

// --- Receiving ---

bool EpollDatagramSocket::StartReceive(ReceiveOp* op) {
  FAULTLINE_CHECK(receiving_ == nullptr) << "one receive at a time";
  if (!socket_.open()) {
    op->Fail(absl::FailedPreconditionError("receive: the socket is closed"));
    return true;
  }
  if (readable_ && TryReceive(op)) return true;
  if (absl::Status status = socket_.Want(EPOLLIN); !status.ok()) {
    op->Fail(std::move(status));
    return true;
  }
  receiving_ = op;
  return false;
}

bool EpollDatagramSocket::TryReceive(ReceiveOp* op) {
  ++socket_.core()->transfers;
  kernel::SocketAddress from;
  msghdr message{};
  message.msg_name = from.get();
  message.msg_namelen = from.size;
  message.msg_iov = const_cast<iovec*>(op->buffers().data());
  message.msg_iovlen = op->buffers().size();
  kernel::DatagramControl control;
  control.PrepareReceive(&message);
  ssize_t got;
  do {
    got = recvmsg(socket_.fd(), &message, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) {
    readable_ = false;
    return false;
  }
  if (got < 0) {
    op->Fail(Error(errno, "receive"));
    return true;
  }
  from.size = message.msg_namelen;
  if (op->info() != nullptr) {
    *op->info() = DatagramInfo{.from = kernel::ToEndpoint(from),
                               .truncated = (message.msg_flags & MSG_TRUNC) != 0};
    kernel::ReadControl(&message, static_cast<size_t>(got), op->info());
  }
  op->Succeed(static_cast<size_t>(got));
  return true;
}

void EpollDatagramSocket::CancelReceive(ReceiveOp* op) {
  receiving_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

}  // namespace faultline::epoll
