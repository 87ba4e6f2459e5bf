#include "runtime/epoll/signal_stop.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/errors.h"

namespace faultline::epoll {

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
  auto stop = std::make_unique<SignalStop>(core, source, std::move(descriptor), before);
  if (absl::Status status = stop->signals_.Want(EPOLLIN); !status.ok()) return status;
  return stop;
}

SignalStop::SignalStop(Core* core, StopSource* source, Descriptor signals,
                       const sigset_t& mask_before)
    : signals_(core, std::move(signals), this), source_(source), mask_before_(mask_before) {}

SignalStop::~SignalStop() { End(); }

void SignalStop::OnEvents(uint32_t) {
  signalfd_siginfo info;
  if (read(signals_.fd(), &info, sizeof(info)) != sizeof(info)) return;
  source_->RequestStop();
  End();
}

void SignalStop::End() {
  if (!signals_.open()) return;
  signals_.Close();
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

}  // namespace faultline::epoll
