// Goal: a loop runs tasks, timers and streams together.
// Method: an echo over loopback and a sleep, in one run.
#include "runtime/epoll/loop.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "runtime/combine.h"

namespace faultline::epoll {
namespace {

Task<bool> EchoOnce(Listener* listener) {
  auto stream = co_await listener->Accept();
  if (!stream.ok()) co_return false;
  std::array<std::byte, 64> buffer;
  auto got = co_await (*stream)->Read(buffer);
  if (!got.ok()) co_return false;
  auto sent = co_await (*stream)->Write(std::span(buffer).first(*got));
  co_return sent.ok() && (*stream)->Close().ok();
}

Task<bool> Call(Network* network, Endpoint to) {
  auto stream = co_await network->Connect(to, {});
  if (!stream.ok()) co_return false;
  std::array<std::byte, 5> buffer{};
  auto sent = co_await (*stream)->Write(buffer);
  auto got = co_await (*stream)->Read(buffer);
  auto end = co_await (*stream)->Read(buffer);
  co_return sent.ok() && got.ok() && *got == 5 && end.ok() && *end == 0;
}

Task<void> EchoMain(Runtime runtime, bool* passed) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  auto [served, called] =
      co_await All(EchoOnce(listener->get()), Call(runtime.network, (*listener)->local_address()));
  MonotonicTime before = runtime.clock->Now();
  absl::Status slept = co_await runtime.clock->SleepFor(2ms);
  EXPECT_TRUE(slept.ok());
  EXPECT_GE(runtime.clock->Now() - before, 2ms);
  *passed = served && called;
}

TEST(LoopTest, RunsStreamsAndTimers) {
  auto loop = Loop::Create({});
  ASSERT_TRUE(loop.ok()) << loop.status();
  bool passed = false;
  (*loop)->Run(EchoMain((*loop)->runtime(), &passed));
  EXPECT_TRUE(passed);
}

}  // namespace
}  // namespace faultline::epoll
