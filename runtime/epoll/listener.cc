#include "runtime/epoll/listener.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/epoll/stream.h"
#include "runtime/errors.h"
#include "runtime/kernel/sockets.h"

namespace faultline::epoll {

// One accept in flight. Lives in the frame of `Accept`.
class [[nodiscard]] EpollListener::AcceptOp : private Wait {
 public:
  explicit AcceptOp(EpollListener* listener) : listener_(listener) {}
  ~AcceptOp() {
    if (pending()) listener_->Forget();
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

  using Wait::pending;

  void Finish(absl::StatusOr<std::unique_ptr<Stream>> result) {
    result_ = std::move(result);
    listener_->Forget();
    if (pending()) Complete();
  }

 private:
  // True if it has completed.
  bool Start() {
    FAULTLINE_CHECK(listener_->accepting_ == nullptr) << "one accept at a time";
    if (!listener_->socket_.open()) {
      result_ = absl::FailedPreconditionError("accept: the listener is closed");
      return true;
    }
    listener_->accepting_ = this;
    if (listener_->readable_ && listener_->TryAccept()) return true;
    absl::Status status = listener_->socket_.Want(EPOLLIN);
    if (!status.ok()) Finish(status);
    return !status.ok();
  }
  void OnStop() override { Finish(absl::CancelledError("stop requested")); }

  EpollListener* const listener_;
  absl::StatusOr<std::unique_ptr<Stream>> result_;
};

EpollListener::EpollListener(Core* core, Descriptor socket, Endpoint local,
                             const StreamOptions& options)
    : Timer([](Timer* timer) { static_cast<EpollListener*>(timer)->Retry(); }),
      socket_(core, std::move(socket), this),
      local_(std::move(local)),
      options_(options),
      unix_file_(local_) {}

EpollListener::~EpollListener() {
  // Only when the frame that awaits it is going away too, in whichever order.
  if (accepting_ != nullptr) accepting_->Finish(ErrnoStatus(ECANCELED, "accept"));
  (void)Close();
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> EpollListener::Accept() {
  co_return co_await AcceptOp(this);
}

absl::Status EpollListener::Close() {
  FAULTLINE_CHECK(accepting_ == nullptr)
      << "close with an operation pending: stop and await it first";
  if (!socket_.open()) return absl::OkStatus();
  unix_file_.Remove();
  socket_.Close();
  return absl::OkStatus();
}

void EpollListener::OnEvents(uint32_t) {
  readable_ = true;
  if (accepting_ != nullptr && !starved_) (void)TryAccept();
}

// Takes connections out of the backlog until one is whole. True if the accept has completed.
bool EpollListener::TryAccept() {
  while (true) {
    ++socket_.core()->transfers;
    kernel::SocketAddress peer;
    Descriptor accepted(
        accept4(socket_.fd(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted) {
      pause_ = kFirstPause;
      accepting_->Finish(MakeStream(std::move(accepted), peer));
      return true;
    }
    if (errno == EAGAIN) {
      readable_ = false;
      return false;
    }
    if (OnAcceptError(errno)) return accepting_ == nullptr;
  }
}

// False: this connection is dead, take the next. True: not now, or not at all.
bool EpollListener::OnAcceptError(int error) {
  switch (kernel::KindOfAcceptError(error)) {
    case kernel::AcceptError::kNextPlease:
      return false;
    case kernel::AcceptError::kNoDescriptors:
      WaitForDescriptors();
      return true;
    case kernel::AcceptError::kOfTheListener:
      accepting_->Finish(ErrnoStatus(error, absl::StrCat("accept ", local_.ToString())));
      return true;
  }
}

void EpollListener::WaitForDescriptors() {
  Core* core = socket_.core();
  starved_ = true;
  core->starved.PushBack(this);
  Arm(&core->clock, core->clock.Now() + pause_);
  pause_ = std::min(pause_ * 2, kLastPause);
}

void EpollListener::OnDescriptorFreed() {
  pause_ = kFirstPause;
  // From the loop, not from the inside of whatever closes the descriptor.
  Arm(&socket_.core()->clock, MonotonicTime::min());
}

void EpollListener::Retry() {
  ListNode::Unlink();
  starved_ = false;
  (void)TryAccept();
}

// The accept has ended, or its frame goes away.
void EpollListener::Forget() {
  accepting_ = nullptr;
  starved_ = false;
  ListNode::Unlink();
  Disarm();
}

std::unique_ptr<Stream> EpollListener::MakeStream(Descriptor socket,
                                                  const kernel::SocketAddress& peer) {
  Endpoint local = LocalAddressOf(socket.get());
  // TCP sockets inherit the listener's options (tcp(7)); Unix sockets start with the defaults. The
  // sizes of buffers are hints: a kernel that cannot set them has not lost the connection.
  if (!local.is_ip()) (void)kernel::ApplyOptions(socket.get(), local, options_);
  return std::make_unique<EpollStream>(socket_.core(), std::move(socket), std::move(local),
                                       kernel::ToEndpoint(peer));
}

// Where the listener's address has no wildcard the connection's is the same: one call less.
Endpoint EpollListener::LocalAddressOf(int fd) const {
  return local_.is_any() ? kernel::LocalAddress(fd) : local_;
}

}  // namespace faultline::epoll
