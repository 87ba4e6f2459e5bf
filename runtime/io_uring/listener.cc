#include "runtime/io_uring/listener.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"
#include "runtime/io_uring/stream.h"

namespace faultline::uring {

// One accept in flight. Lives in the frame of `Accept`.
class [[nodiscard]] UringListener::AcceptOp : private Wait {
 public:
  explicit AcceptOp(UringListener* listener) : listener_(listener) {}
  ~AcceptOp() {
    if (pending()) listener_->AbandonAccept();
  }

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    StopToken stop = self.promise().stop;
    Bind(self);
    if (stop.stop_requested()) {
      result_ = absl::CancelledError("stop requested");
      return CompleteAtOnce();
    }
    if (Start()) return CompleteAtOnce();
    Suspend(stop);
    return true;
  }
  absl::StatusOr<std::unique_ptr<Stream>> await_resume() { return std::move(result_); }

  void Finish(absl::StatusOr<std::unique_ptr<Stream>> result) {
    result_ = std::move(result);
    if (pending()) Complete();
  }

 private:
  // True if it has completed.
  bool Start() {
    FAULTLINE_CHECK(listener_->accepting_ == nullptr) << "one accept at a time";
    if (!listener_->socket_) {
      result_ = absl::FailedPreconditionError("accept: the listener is closed");
      return true;
    }
    if (listener_->kept_) {
      result_ = listener_->MakeStream(std::exchange(listener_->kept_, Descriptor()));
      return true;
    }
    listener_->accepting_ = this;
    listener_->SubmitAccept();
    return false;
  }
  void OnStop() override { listener_->CancelAccept(); }

  UringListener* const listener_;
  absl::StatusOr<std::unique_ptr<Stream>> result_;
};

UringListener::UringListener(Core* core, Descriptor socket, Endpoint local,
                             const StreamOptions& options)
    : Timer([](Timer* timer) { static_cast<UringListener*>(timer)->Retry(); }),
      core_(core),
      socket_(std::move(socket)),
      local_(std::move(local)),
      options_(options),
      unix_file_(local_) {}

UringListener::~UringListener() {
  // Only when the frame that awaits it is going away too, in whichever order.
  if (accepting_ != nullptr) {
    AcceptOp* op = accepting_;
    AbandonAccept();
    op->Finish(ErrnoStatus(ECANCELED, "accept"));
  }
  (void)Close();
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> UringListener::Accept() {
  co_return co_await AcceptOp(this);
}

absl::Status UringListener::Close() {
  FAULTLINE_CHECK(accepting_ == nullptr)
      << "close with an operation pending: stop and await it first";
  if (!socket_) return absl::OkStatus();
  unix_file_.Remove();
  if (kept_) (void)MakeStream(std::move(kept_));  // which is aborted, as the backlog is
  core_->Close(&socket_);
  return absl::OkStatus();
}

void UringListener::SubmitAccept() {
  peer_ = kernel::SocketAddress();
  accept_.Start([this](io_uring_sqe* sqe) {
    io_uring_prep_accept(sqe, socket_.get(), peer_.get(), &peer_.size, SOCK_CLOEXEC);
  });
}

void UringListener::OnAccept(int32_t result) {
  if (result >= 0) {
    pause_ = kFirstPause;
    return Finish(MakeStream(Descriptor(result)));
  }
  if (result == -ECANCELED) return Finish(absl::CancelledError("stop requested"));
  switch (kernel::KindOfAcceptError(-result)) {
    case kernel::AcceptError::kNextPlease:
      return SubmitAccept();
    case kernel::AcceptError::kNoDescriptors:
      return WaitForDescriptors();
    case kernel::AcceptError::kOfTheListener:
      return Finish(ErrnoStatus(-result, absl::StrCat("accept ", local_.ToString())));
  }
}

void UringListener::WaitForDescriptors() {
  core_->starved.PushBack(this);
  Arm(&core_->clock, core_->clock.Now() + pause_);
  pause_ = std::min(pause_ * 2, kLastPause);
}

void UringListener::OnDescriptorFreed() {
  pause_ = kFirstPause;
  // From the loop, not from the inside of whatever closes the descriptor.
  Arm(&core_->clock, MonotonicTime::min());
}

void UringListener::Retry() {
  ListNode::Unlink();
  SubmitAccept();
}

void UringListener::CancelAccept() {
  if (accept_.active()) return accept_.RequestCancel();
  Finish(absl::CancelledError("stop requested"));  // it waits for descriptors
}

// Its frame goes away.
void UringListener::AbandonAccept() {
  accepting_ = nullptr;
  ListNode::Unlink();
  Disarm();
  const int32_t result = accept_.Take();
  if (result >= 0) kept_ = Descriptor(result);
}

void UringListener::Finish(absl::StatusOr<std::unique_ptr<Stream>> result) {
  ListNode::Unlink();
  Disarm();
  std::exchange(accepting_, nullptr)->Finish(std::move(result));
}

std::unique_ptr<Stream> UringListener::MakeStream(Descriptor socket) {
  // Where the listener's address has no wildcard the connection's is the same: one call less.
  Endpoint local = local_.is_any() ? kernel::LocalAddress(socket.get()) : local_;
  // TCP sockets inherit the listener's options (tcp(7)); Unix sockets start with the defaults. The
  // sizes of buffers are hints: a kernel that cannot set them has not lost the connection.
  if (!local.is_ip()) (void)kernel::ApplyOptions(socket.get(), local, options_);
  return std::make_unique<UringStream>(core_, std::move(socket), std::move(local),
                                       kernel::ToEndpoint(peer_));
}

}  // namespace faultline::uring
