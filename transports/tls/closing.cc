#include "transports/tls/closing.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::tls {

absl::Status Closing::Adopt(Executor* executor, Task<void> close) {
  std::erase_if(tasks_, [](const OwnedTask& task) { return task.done(); });
  if (tasks_.size() >= max_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("max_closing: ", max_, " connections are being closed already"));
  }
  ++live_;
  drained_.Reset();
  tasks_.emplace_back(executor, Count(std::move(close)));
  return absl::OkStatus();
}

Task<void> Closing::Count(Task<void> close) {
  co_await std::move(close);
  if (--live_ == 0) drained_.Set();
}

Task<absl::Status> Closing::Drain() { co_return co_await drained_.Wait(); }

}  // namespace faultline::tls
