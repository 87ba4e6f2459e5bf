#include "runtime/io_uring/datagram.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
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
  absl::Status checked = to.ok() ? op->Check() : to.status();
  if (!checked.ok()) {
    op->Fail(std::move(checked));
    return true;
  }
  to_ = *to;
  sent_ = 0;
  sending_ = op;
  SubmitSend();
  return false;
}

// What is left, cut by the kernel; or the first datagram of it.
void UringDatagramSocket::SubmitSend() {
  std::span<const std::byte> left = sending_->bytes().subspan(sent_);
  const size_t segment = sending_->segment_bytes();
  const bool cut = segments_ && left.size() > segment;
  if (!cut) left = left.first(std::min(left.size(), segment));
  send_buffer_ = {const_cast<std::byte*>(left.data()), left.size()};
  send_message_ = msghdr{};
  send_message_.msg_name = to_.get();
  send_message_.msg_namelen = to_.size;
  send_message_.msg_iov = &send_buffer_;
  send_message_.msg_iovlen = 1;
  send_control_.PrepareSend(to_, sending_->ecn(), cut ? segment : 0, &send_message_);
  send_.Start([this](io_uring_sqe* sqe) {
    io_uring_prep_sendmsg(sqe, socket_.get(), &send_message_, MSG_NOSIGNAL);
  });
}

void UringDatagramSocket::OnSend(int32_t result) {
  const bool cut = send_buffer_.iov_len > sending_->segment_bytes();
  if (cut && result < 0 && kernel::RefusesToCut(-result)) {
    segments_ = false;
    return SubmitSend();
  }
  if (result >= 0) {
    sent_ += static_cast<size_t>(result);
    if (sent_ < sending_->bytes().size()) return SubmitSend();
  }
  SendOp* op = std::exchange(sending_, nullptr);
  if (WasCancelled(result)) return op->Fail(absl::CancelledError("stop requested"));
  if (result < 0) {
    return op->Fail(Error(-result, absl::StrCat("send to ", op->to().ToString(), " from")));
  }
  op->Succeed(sent_);
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
  receive_control_.PrepareReceive(&receive_message_);
  receive_.Start([this](io_uring_sqe* sqe) {
    io_uring_prep_recvmsg(sqe, socket_.get(), &receive_message_, 0);
  });
}

DatagramInfo UringDatagramSocket::InfoOfReceived(size_t bytes) {
  kernel::SocketAddress from = from_;
  from.size = receive_message_.msg_namelen;
  DatagramInfo info{.from = kernel::ToEndpoint(from),
                    .truncated = (receive_message_.msg_flags & MSG_TRUNC) != 0};
  kernel::ReadControl(&receive_message_, bytes, &info);
  return info;
}

void UringDatagramSocket::OnReceive(int32_t result) {
  ReceiveOp* op = std::exchange(receiving_, nullptr);
  if (WasCancelled(result)) return op->Fail(absl::CancelledError("stop requested"));
  if (result < 0) return op->Fail(Error(-result, "receive"));
  if (op->info() != nullptr) *op->info() = InfoOfReceived(static_cast<size_t>(result));
  op->Succeed(static_cast<size_t>(result));
}

void UringDatagramSocket::AbandonReceive(ReceiveOp* op) {
  receiving_ = nullptr;
  const int32_t result = receive_.Take();
  if (result < 0) return;
  const auto* bytes = static_cast<const std::byte*>(op->buffers().front().iov_base);
  kept_ = Kept{{bytes, bytes + result}, InfoOfReceived(static_cast<size_t>(result))};
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
