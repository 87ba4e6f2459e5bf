#include "transports/tls/closing.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::tls {

absl::Status Closing::Start(Executor* executor, Task<void> close, Kind* kind) {
  std::erase_if(kind->tasks, [](const OwnedTask& task) { return task.done(); });
  if (kind->tasks.size() >= kind->max) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kind->limit, ": ", kind->max, " connections are being closed already"));
  }
  ++live_;
  drained_.Reset();
  kind->tasks.emplace_back(executor, Count(std::move(close)));
  return absl::OkStatus();
}

Task<void> Closing::Count(Task<void> close) {
  co_await std::move(close);
  if (--live_ == 0) drained_.Set();
}

Task<absl::Status> Closing::Drain() { co_return co_await drained_.Wait(); }

}  // namespace faultline::tls
