// LoopbackWorld: a real backend as a world of the contract suite: both hosts on one loop, loopback
// between them. A test that never ends is stopped after a minute and fails.
//
//   std::unique_ptr<contract::World> Make() {
//     return std::make_unique<kernel::LoopbackWorld<epoll::Loop>>();
//   }
#ifndef FAULTLINE_RUNTIME_KERNEL_LOOPBACK_WORLD_H_
#define FAULTLINE_RUNTIME_KERNEL_LOOPBACK_WORLD_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "runtime/combine.h"
#include "runtime/contract/world.h"
#include "runtime/kernel/temporary_directory.h"

namespace faultline::kernel {

template <typename Loop>
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
    return Endpoint::Unix(directory_.File(std::to_string(++last_path_)));
  }
  void Run(Task<void> test) override {
    loop_->Run(Bounded(loop_->runtime().clock, std::move(test)));
  }

 private:
  // Cancelled if the test had to be stopped.
  static Task<absl::Status> Finish(Task<void> test) {
    co_await std::move(test);
    bool stopped = (co_await CurrentStop()).stop_requested();
    co_return stopped ? absl::CancelledError("stopped") : absl::OkStatus();
  }
  static Task<void> Bounded(Clock* clock, Task<void> test) {
    absl::Status ended = co_await Deadline(clock, clock->Now() + 60s, Finish(std::move(test)));
    EXPECT_TRUE(ended.ok()) << ended;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Loop> loop_;
  int last_path_ = 0;
};

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_LOOPBACK_WORLD_H_
