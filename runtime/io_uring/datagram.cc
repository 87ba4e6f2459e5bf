#include "runtime/io_uring/datagram.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::uring {
namespace {

bool WasCancelled(int32_t result) { return result == -ECANCELED || result == -EINTR; }

}  // namespace

UringDatagramSocket::UringDatagramSocket(Core* core, Descriptor socket, Endpoint local)
    : core_(core), socket_(std::move(socket)), local_(std::move(local)) {}

UringDatagramSocket::~UringDatagramSocket() {
  // Only when the frames that await them are going away too, in whichever order.
  (void)send_.Take();
  (void)receive_.Take();
  if (sending_ != nullptr) std::exchange(sending_, nullptr)->Fail(Error(ECANCELED, "send"));
  if (receiving_ != nullptr) {
    std::exchange(receiving_, nullptr)->Fail(Error(ECANCELED, "receive"));
  }
  core_->Close(&socket_);
}

absl::Status UringDatagramSocket::Error(int error, std::string_view what) const {
  return ErrnoStatus(
      error, absl::StrCat(absl::string_view(what.data(), what.size()), " ", local_.ToString()));
}

absl::Status UringDatagramSocket::Close() {
  FAULTLINE_CHECK(sending_ == nullptr && receiving_ == nullptr)
      << "close with an operation pending: stop and await it first";
  core_->Close(&socket_);
  return absl::OkStatus();
}

// --- Sending ---

bool UringDatagramSocket::StartSend(SendOp* op) {
  FAULTLINE_CHECK(sending_ == nullptr) << "one send at a time";
  if (!socket_) {
    op->Fail(absl::FailedPreconditionError("send: the socket is closed"));
    return true;
  }
  absl::StatusOr<kernel::SocketAddress> to = kernel::ToSocketAddress(op->to());
  if (!to.ok()) {
    op->Fail(to.status());
    return true;
  }
  to_ = *to;
  send_message_ = msghdr{};
  send_message_.msg_name = to_.get();
  send_message_.msg_namelen = to_.size;
  send_message_.msg_iov = const_cast<iovec*>(op->buffers().data());
  send_message_.msg_iovlen = op->buffers().size();
  sending_ = op;
  send_.Start([this](io_uring_sqe* sqe) {
    io_uring_prep_sendmsg(sqe, socket_.get(), &send_message_, MSG_NOSIGNAL);
  });
  return false;
}

void UringDatagramSocket::OnSend(int32_t result) {
  SendOp* op = std::exchange(sending_, nullptr);
  if (WasCancelled(result)) return op->Fail(absl::CancelledError("stop requested"));
  if (result < 0) {
    return op->Fail(Error(-result, absl::StrCat("send to ", op->to().ToString(), " from")));
  }
  op->Succeed(static_cast<size_t>(result));
}

void UringDatagramSocket::AbandonSend(SendOp*) {
  sending_ = nullptr;
  (void)send_.Take();
}

// --- Receiving ---

bool UringDatagramSocket::StartReceive(ReceiveOp* op) {
  FAULTLINE_CHECK(receiving_ == nullptr) << "one receive at a time";
  if (!socket_) {
    op->Fail(absl::FailedPreconditionError("receive: the socket is closed"));
    return true;
  }
  if (kept_.has_value()) {
    GiveKept(op);
    return true;
  }
  receiving_ = op;
  SubmitReceive();
  return false;
}

void UringDatagramSocket::SubmitReceive() {
  from_ = kernel::SocketAddress();
  receive_message_ = msghdr{};
  receive_message_.msg_name = from_.get();
  receive_message_.msg_namelen = from_.size;
  receive_message_.msg_iov = const_cast<iovec*>(receiving_->buffers().data());
  receive_message_.msg_iovlen = receiving_->buffers().size();
  receive_.Start([this](io_uring_sqe* sqe) {
    io_uring_prep_recvmsg(sqe, socket_.get(), &receive_message_, 0);
  });
}

DatagramInfo UringDatagramSocket::InfoOfReceived() const {
  kernel::SocketAddress from = from_;
  from.size = receive_message_.msg_namelen;
  return {kernel::ToEndpoint(from), (receive_message_.msg_flags & MSG_TRUNC) != 0};
}

void UringDatagramSocket::OnReceive(int32_t result) {
  ReceiveOp* op = std::exchange(receiving_, nullptr);
  if (WasCancelled(result)) return op->Fail(absl::CancelledError("stop requested"));
  if (result < 0) return op->Fail(Error(-result, "receive"));
  if (op->info() != nullptr) *op->info() = InfoOfReceived();
  op->Succeed(static_cast<size_t>(result));
}

void UringDatagramSocket::AbandonReceive(ReceiveOp* op) {
  receiving_ = nullptr;
  const int32_t result = receive_.Take();
  if (result < 0) return;
  const auto* bytes = static_cast<const std::byte*>(op->buffers().front().iov_base);
  kept_ = Kept{{bytes, bytes + result}, InfoOfReceived()};
}

void UringDatagramSocket::GiveKept(ReceiveOp* op) {
  Kept kept = *std::exchange(kept_, std::nullopt);
  const iovec& buffer = op->buffers().front();
  const size_t size = std::min(kept.bytes.size(), buffer.iov_len);
  if (size > 0) std::memcpy(buffer.iov_base, kept.bytes.data(), size);
  if (size < kept.bytes.size()) kept.info.truncated = true;
  if (op->info() != nullptr) *op->info() = std::move(kept.info);
  op->Succeed(size);
}

}  // namespace faultline::uring
