#include "runtime/epoll/descriptor_stream.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/epoll/watched.h"
#include "runtime/errors.h"

namespace faultline::epoll {
namespace {

absl::Status Error(int error, std::string_view what) {
  return ErrnoStatus(error, absl::StrCat(std::string(what), " a descriptor"));
}

// SIGPIPE, which write(2) to a pipe raises and no flag prevents, does not reach this thread.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    const timespec now{};
    while (sigtimedwait(&sigpipe_, nullptr, &now) == SIGPIPE) {
    }
    pthread_sigmask(SIG_UNBLOCK, &sigpipe_, nullptr);
  }

 private:
  sigset_t sigpipe_;
  sigset_t before_;
};

// One of the two descriptors: how it is read or written without waiting.
struct End {
  Descriptor descriptor;
  bool socket = false;
  int flags_to_restore = -1;  // of what others share
};

void RestoreFlags(int fd, int flags) {
  if (flags >= 0) fcntl(fd, F_SETFL, flags);
}

absl::Status StopSharedWaits(End* end) {
  const int flags = fcntl(end->descriptor.get(), F_GETFL);
  if (flags < 0 || fcntl(end->descriptor.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return Error(errno, "fcntl");
  }
  end->flags_to_restore = flags;
  return absl::OkStatus();
}

// Files never make anybody wait, and their position is shared on purpose.
absl::StatusOr<End> Prepare(Descriptor descriptor, int access) {
  struct stat file;
  if (fstat(descriptor.get(), &file) != 0) return Error(errno, "fstat");
  End end{.descriptor = std::move(descriptor), .socket = S_ISSOCK(file.st_mode)};
  if (end.socket || S_ISREG(file.st_mode)) return end;
  const std::string path = absl::StrCat("/proc/self/fd/", end.descriptor.get());
  Descriptor own(open(path.c_str(), access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (own) {
    end.descriptor = std::move(own);
  } else if (absl::Status shared = StopSharedWaits(&end); !shared.ok()) {
    return shared;
  }
  return end;
}

template <typename Call>
ssize_t Uninterrupted(Call call) {
  ssize_t result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class DescriptorStream final : public Stream {
 public:
  DescriptorStream(Core* core, End in, End out)
      : in_socket_(in.socket),
        out_socket_(out.socket),
        in_flags_(in.flags_to_restore),
        out_flags_(out.flags_to_restore),
        in_(core, std::move(in.descriptor), &readable_hook_),
        out_(core, std::move(out.descriptor), &writable_hook_) {}
  ~DescriptorStream() override { Abort(); }

  absl::Status ShutdownWrite() override;
  absl::Status Close() override;
  void Abort() override;
  Endpoint local_address() const override { return Endpoint(); }
  Endpoint peer_address() const override { return Endpoint(); }
  absl::Status SetNoDelay(bool) override {
    return open_ ? absl::OkStatus() : Error(EBADF, "setsockopt");
  }
  absl::Status SetSendBufferSize(size_t) override { return NoOption("setsockopt"); }
  absl::Status SetReceiveBufferSize(size_t) override { return NoOption("setsockopt"); }
  absl::StatusOr<size_t> SendBufferSize() const override { return NoOption("getsockopt"); }
  absl::StatusOr<size_t> ReceiveBufferSize() const override { return NoOption("getsockopt"); }

 private:
  // Pollables of the two directions.
  struct ReadableHook final : Pollable {
    explicit ReadableHook(DescriptorStream* stream) : stream(stream) {}
    void OnEvents(uint32_t) override { stream->OnReadable(); }
    DescriptorStream* const stream;
  };
  struct WritableHook final : Pollable {
    explicit WritableHook(DescriptorStream* stream) : stream(stream) {}
    void OnEvents(uint32_t) override { stream->OnWritable(); }
    DescriptorStream* const stream;
  };

  bool StartRead(ReadOp* op) override;
  bool StartWrite(WriteOp* op) override;
  void CancelRead(ReadOp* op) override;
  void CancelWrite(WriteOp* op) override;
  void AbandonRead(ReadOp*) override { reading_ = nullptr; }
  void AbandonWrite(WriteOp*) override { writing_ = nullptr; }
  void OnReadable() {
    if (reading_ != nullptr && TryRead(reading_)) reading_ = nullptr;
  }
  void OnWritable() {
    if (writing_ != nullptr && TryWrite(writing_)) writing_ = nullptr;
  }

  bool TryRead(ReadOp* op);
  bool TryWrite(WriteOp* op);
  void CloseOut();
  void CloseBoth();
  absl::Status NoOption(const char* call) const { return Error(open_ ? ENOTSOCK : EBADF, call); }

  const NoSigpipe no_sigpipe_;
  const bool in_socket_;
  const bool out_socket_;
  const int in_flags_;
  const int out_flags_;
  ReadableHook readable_hook_{this};
  WritableHook writable_hook_{this};
  Watched in_;
  Watched out_;
  bool open_ = true;
  bool shut_ = false;
  int lost_ = 0;  // the errno of a read that failed
  ReadOp* reading_ = nullptr;
  WriteOp* writing_ = nullptr;
};

bool DescriptorStream::StartRead(ReadOp* op) {
  FAULTLINE_CHECK(reading_ == nullptr) << "one read at a time";
  if (!open_) {
    op->Fail(absl::FailedPreconditionError("read: the stream is closed"));
    return true;
  }
  if (TryRead(op)) return true;
  if (absl::Status status = in_.Want(EPOLLIN | EPOLLRDHUP); !status.ok()) {
    op->Fail(std::move(status));
    return true;
  }
  reading_ = op;
  return false;
}

bool DescriptorStream::TryRead(ReadOp* op) {
  ++in_.core()->transfers;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(op->buffers().data());
  message.msg_iovlen = op->buffers().size();
  const ssize_t got = Uninterrupted([&] {
    if (in_socket_) return recvmsg(in_.fd(), &message, MSG_DONTWAIT);
    return readv(in_.fd(), message.msg_iov, static_cast<int>(message.msg_iovlen));
  });
  if (got < 0 && errno == EAGAIN) return false;
  if (got < 0) {
    lost_ = errno;
    op->Fail(Error(lost_, "read"));
  } else if (got == 0 && lost_ != 0) {  // the kernel tells once; 0 bytes would be a clean end
    op->Fail(Error(lost_, "read"));
  } else {
    op->Succeed(static_cast<size_t>(got));
  }
  return true;
}

bool DescriptorStream::StartWrite(WriteOp* op) {
  FAULTLINE_CHECK(writing_ == nullptr) << "one write at a time";
  if (!open_) {
    op->Fail(absl::FailedPreconditionError("write: the stream is closed"));
    return true;
  }
  if (shut_) {
    op->Fail(Error(EPIPE, "write"));
    return true;
  }
  if (TryWrite(op)) return true;
  if (absl::Status status = out_.Want(EPOLLOUT); !status.ok()) {
    op->Fail(std::move(status));
    return true;
  }
  writing_ = op;
  return false;
}

bool DescriptorStream::TryWrite(WriteOp* op) {
  ++out_.core()->transfers;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(op->buffers().data());
  message.msg_iovlen = op->buffers().size();
  const ssize_t taken = Uninterrupted([&] {
    if (out_socket_) return sendmsg(out_.fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return writev(out_.fd(), message.msg_iov, static_cast<int>(message.msg_iovlen));
  });
  if (taken < 0 && errno == EAGAIN) return false;
  if (taken < 0) {
    op->Fail(Error(errno, "write"));
  } else {
    op->Succeed(static_cast<size_t>(taken));
  }
  return true;
}

void DescriptorStream::CancelRead(ReadOp* op) {
  reading_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

void DescriptorStream::CancelWrite(WriteOp* op) {
  writing_ = nullptr;
  op->Fail(absl::CancelledError("stop requested"));
}

absl::Status DescriptorStream::ShutdownWrite() {
  FAULTLINE_CHECK(writing_ == nullptr)
      << "half-close with a write pending: stop and await it first";
  if (!open_) return Error(ENOTCONN, "shutdown");
  shut_ = true;
  if (out_socket_ && shutdown(out_.fd(), SHUT_WR) != 0) return Error(errno, "shutdown");
  if (!out_socket_) CloseOut();
  return absl::OkStatus();
}

absl::Status DescriptorStream::Close() {
  FAULTLINE_CHECK(reading_ == nullptr && writing_ == nullptr)
      << "close with an operation pending: stop and await it first";
  CloseBoth();
  return absl::OkStatus();
}

void DescriptorStream::Abort() {
  if (!open_) return;
  if (reading_ != nullptr) std::exchange(reading_, nullptr)->Fail(Error(ECANCELED, "read"));
  if (writing_ != nullptr) std::exchange(writing_, nullptr)->Fail(Error(ECANCELED, "write"));
  CloseBoth();
}

void DescriptorStream::CloseOut() {
  if (out_.open()) RestoreFlags(out_.fd(), out_flags_);
  out_.Close();
}

void DescriptorStream::CloseBoth() {
  open_ = false;
  if (in_.open()) RestoreFlags(in_.fd(), in_flags_);
  in_.Close();
  CloseOut();
}

// A duplicate of `fd`, which is /dev/null from then on.
absl::StatusOr<Descriptor> TakeOver(int fd, int null) {
  Descriptor taken(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!taken) return Error(errno, "fcntl");
  if (dup2(null, fd) < 0) return Error(errno, "dup2");
  return taken;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Stream>> MakeDescriptorStream(Core* core, Descriptor in,
                                                             Descriptor out) {
  absl::StatusOr<End> reads = Prepare(std::move(in), O_RDONLY);
  if (!reads.ok()) return reads.status();
  absl::StatusOr<End> writes = Prepare(std::move(out), O_WRONLY);
  if (!writes.ok()) {
    RestoreFlags(reads->descriptor.get(), reads->flags_to_restore);
    return writes.status();
  }
  return std::make_unique<DescriptorStream>(core, *std::move(reads), *std::move(writes));
}

absl::StatusOr<std::unique_ptr<Stream>> TakeStdio(Core* core) {
  Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return Error(errno, "open");
  absl::StatusOr<Descriptor> in = TakeOver(STDIN_FILENO, null.get());
  if (!in.ok()) return in.status();
  absl::StatusOr<Descriptor> out = TakeOver(STDOUT_FILENO, null.get());
  if (!out.ok()) return out.status();
  return MakeDescriptorStream(core, *std::move(in), *std::move(out));
}

}  // namespace faultline::epoll
