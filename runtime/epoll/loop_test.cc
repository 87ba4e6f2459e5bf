// Goal: nobody keeps a loop from anybody else: not busy tasks, not busy streams, not timers that
// are always due; and a loop can be run again. Method: one of the greedy kind, without end of its
// own, beside a task that needs something else and ends it. (The contract's tests cannot do this:
// there time stands still while tasks are busy.)
#include "runtime/epoll/loop.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "runtime/combine.h"
#include "runtime/epoll/testing.h"

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

// Needs sockets and time to be done.
Task<void> Work(Runtime runtime, bool* done) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  for (int i = 0; i < 5; ++i) {
    auto [served, called] = co_await All(EchoOnce(listener->get()),
                                         Call(runtime.network, (*listener)->local_address()));
    EXPECT_TRUE(served && called);
    EXPECT_TRUE((co_await runtime.clock->SleepFor(1ms)).ok());
  }
  *done = true;
}

TEST(LoopTest, RunsStreamsAndTimersAndCanBeRunAgain) {
  auto loop = MakeLoop();
  for (int i = 0; i < 3; ++i) {
    bool done = false;
    loop->Run(Work(loop->runtime(), &done));
    EXPECT_TRUE(done);
  }
}

Task<bool> YieldUntil(const bool* done) {
  while (!*done) co_await Yield();
  co_return true;
}

Task<bool> WorkAndSay(Runtime runtime, bool* done) {
  co_await Work(runtime, done);
  co_return *done;
}

Task<void> BesideBusyTasks(Runtime runtime) {
  bool done = false;
  auto [worked, a, b] =
      co_await All(WorkAndSay(runtime, &done), YieldUntil(&done), YieldUntil(&done));
  EXPECT_TRUE(worked && a && b);
}

TEST(LoopTest, BusyTasksDoNotHideSocketsOrTimers) {
  auto loop = MakeLoop();
  loop->Run(BesideBusyTasks(loop->runtime()));
}

class AlwaysDue : public Timer {
 public:
  explicit AlwaysDue(Clock* clock) : Timer(&OnTimer), clock_(clock) { Arm(clock, clock->Now()); }

 private:
  static void OnTimer(Timer* timer) {
    auto* self = static_cast<AlwaysDue*>(timer);
    self->Arm(self->clock_, MonotonicTime::min());
  }
  Clock* const clock_;
};

Task<bool> SleepUntilPastUntil(Clock* clock, const bool* done) {
  while (!*done) (void)co_await clock->SleepUntil(MonotonicTime());
  co_return true;
}

Task<void> BesideBusyTimers(Runtime runtime) {
  bool done = false;
  AlwaysDue timer(runtime.clock);
  auto [worked, slept] =
      co_await All(WorkAndSay(runtime, &done), SleepUntilPastUntil(runtime.clock, &done));
  EXPECT_TRUE(worked && slept);
}

TEST(LoopTest, TimersThatAreAlwaysDueDoNotHideSocketsOrTasks) {
  auto loop = MakeLoop();
  loop->Run(BesideBusyTimers(loop->runtime()));
}

Task<void> StopItself(Loop* loop, absl::Status* slept) {
  loop->stop()->RequestStop();
  *slept = co_await loop->runtime().clock->SleepFor(1h);
}

TEST(LoopTest, ItsStopReachesWhatItRuns) {
  auto loop = MakeLoop();
  absl::Status slept;
  loop->Run(StopItself(loop.get(), &slept));
  EXPECT_TRUE(absl::IsCancelled(slept)) << slept;
}

Task<void> Sleep(Clock* clock) { (void)co_await clock->SleepFor(1ms); }

TEST(LoopTest, RunsUntilAScopeIsEmpty) {
  auto loop = MakeLoop();
  Scope scope(loop->runtime().executor);
  for (int i = 0; i < 10; ++i) scope.Spawn(Sleep(loop->runtime().clock));
  loop->RunUntilJoined(scope);
  EXPECT_EQ(scope.live(), 0u);
}

TEST(LoopDeathTest, StreamsMustNotOutliveTheirLoop) {
  auto run = [] {
    auto loop = MakeLoop();
    std::unique_ptr<Listener> listener;
    auto listening = loop->runtime().network->Listen(Endpoint::Ipv4Loopback(0), {});
    listener = *std::move(listening);
    auto accept = [](Listener* listener) -> Task<void> { (void)co_await listener->Accept(); };
    Scope scope(loop->runtime().executor);
    scope.Spawn(accept(listener.get()));
    Scope brief(loop->runtime().executor);
    brief.Spawn(Sleep(loop->runtime().clock));
    loop->RunUntilJoined(brief);
    loop.reset();
  };
  EXPECT_DEATH(run(), "outlived");
}

}  // namespace
}  // namespace faultline::epoll
