#include "runtime/backend/backend.h"

#include <utility>

#include "runtime/epoll/loop.h"
#include "runtime/io_uring/loop.h"

namespace faultline::backend {
namespace {

template <typename T>
absl::StatusOr<ChosenLoop> Make(Backend backend) {
  absl::StatusOr<std::unique_ptr<T>> loop = T::Create({});
  if (!loop.ok()) return loop.status();
  ChosenLoop chosen;
  chosen.loop = *std::move(loop);
  chosen.backend = backend;
  return chosen;
}

}  // namespace

absl::StatusOr<ChosenLoop> MakeLoop(Backend backend) {
  if (backend == Backend::kEpoll) return Make<epoll::Loop>(Backend::kEpoll);
  absl::StatusOr<ChosenLoop> uring = Make<uring::Loop>(Backend::kIoUring);
  if (uring.ok() || backend == Backend::kIoUring) return uring;
  absl::StatusOr<ChosenLoop> epoll = Make<epoll::Loop>(Backend::kEpoll);
  if (epoll.ok()) epoll->why_not = uring.status();
  return epoll;
}

}  // namespace faultline::backend
