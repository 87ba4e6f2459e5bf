#include "runtime/io_uring/signal_stop.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/errors.h"

namespace faultline::uring {

absl::StatusOr<std::unique_ptr<SignalStop>> SignalStop::Create(Core* core, StopSource* source,
                                                               std::initializer_list<int> signals) {
  sigset_t mask;
  sigemptyset(&mask);
  for (int signal : signals) sigaddset(&mask, signal);
  Descriptor descriptor(signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!descriptor) return ErrnoStatus(errno, "signalfd");
  sigset_t before;
  if (int error = pthread_sigmask(SIG_BLOCK, &mask, &before)) {
    return ErrnoStatus(error, "pthread_sigmask");
  }
  return std::make_unique<SignalStop>(core, source, std::move(descriptor), before);
}

SignalStop::SignalStop(Core* core, StopSource* source, Descriptor signals,
                       const sigset_t& mask_before)
    : signals_(std::move(signals)), source_(source), mask_before_(mask_before), watch_(this, core) {
  watch_.Start([this](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, signals_.get(), POLLIN); });
}

SignalStop::~SignalStop() {
  (void)watch_.Take();
  End();
}

void SignalStop::OnSignal(int32_t) {
  signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return;
  source_->RequestStop();
  End();
}

void SignalStop::End() {
  if (!signals_) return;
  signals_.Close();
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

}  // namespace faultline::uring
