// Goal: the epoll backend keeps every promise of the seam's headers.
// Method: the contract suite, with both hosts on one loop and loopback between them. A test that
// never ends is stopped after a minute and fails.
#include "runtime/contract/contract.h"

#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "runtime/combine.h"
#include "runtime/epoll/loop.h"
#include "runtime/kernel/temporary_directory.h"

namespace faultline::epoll {
namespace {

// Cancelled if the test had to be stopped.
Task<absl::Status> Finish(Task<void> test) {
  co_await std::move(test);
  bool stopped = (co_await CurrentStop()).stop_requested();
  co_return stopped ? absl::CancelledError("stopped") : absl::OkStatus();
}

Task<void> Bounded(Clock* clock, Task<void> test) {
  absl::Status ended = co_await Deadline(clock, clock->Now() + 60s, Finish(std::move(test)));
  EXPECT_TRUE(ended.ok()) << ended;
}

class LoopbackWorld final : public contract::World {
 public:
  LoopbackWorld() {
    auto loop = Loop::Create({});
    EXPECT_TRUE(loop.ok()) << loop.status();
    loop_ = *std::move(loop);
  }
  Runtime runtime(int) override { return loop_->runtime(); }
  Endpoint Address(int, Endpoint::Family family) override {
    if (family == Endpoint::Family::kIpv4) return Endpoint::Ipv4Loopback(0);
    if (family == Endpoint::Family::kIpv6) return Endpoint::Ipv6Loopback(0);
    return Endpoint::Unix(directory_.File(absl::StrCat(++last_path_)));
  }
  void Run(Task<void> test) override {
    loop_->Run(Bounded(loop_->runtime().clock, std::move(test)));
  }

 private:
  kernel::TemporaryDirectory directory_;
  std::unique_ptr<Loop> loop_;
  int last_path_ = 0;
};

std::unique_ptr<contract::World> MakeLoopbackWorld() { return std::make_unique<LoopbackWorld>(); }

}  // namespace
}  // namespace faultline::epoll

FAULTLINE_INSTANTIATE_CONTRACT(Epoll, &faultline::epoll::MakeLoopbackWorld);
