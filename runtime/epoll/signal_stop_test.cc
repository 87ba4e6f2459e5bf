// Goal: SIGTERM and SIGINT ask for a stop, once; a second one ends the program.
// Method: a task raises the signal for its own process and looks at what happens to its sleep.
#include "runtime/epoll/signal_stop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <memory>

#include "runtime/combine.h"
#include "runtime/epoll/testing.h"

namespace faultline::epoll {
namespace {

bool IsBlocked(int signal) {
  sigset_t mask;
  EXPECT_EQ(pthread_sigmask(SIG_BLOCK, nullptr, &mask), 0);
  return sigismember(&mask, signal) == 1;
}

Task<void> RaiseAndSleep(Clock* clock, int signal, absl::Status* slept) {
  EXPECT_EQ(kill(getpid(), signal), 0);
  *slept = co_await clock->SleepFor(1h);
}

class SignalStopTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Signals, SignalStopTest, ::testing::Values(SIGTERM, SIGINT));

TEST_P(SignalStopTest, StopsEverythingThatTheLoopRuns) {
  auto loop = MakeLoop();
  ASSERT_TRUE(loop->StopOnSignals().ok());
  absl::Status slept;
  loop->Run(RaiseAndSleep(loop->runtime().clock, GetParam(), &slept));
  EXPECT_TRUE(absl::IsCancelled(slept)) << slept;
  EXPECT_TRUE(loop->stop()->stop_requested());
}

Task<void> Drain(Clock* clock, int signal, StopSource* stop, bool* drained) {
  EXPECT_EQ(kill(getpid(), signal), 0);
  absl::Status slept;
  for (int i = 0; i < 10'000 && !stop->stop_requested(); ++i) slept = co_await clock->SleepFor(1ms);
  EXPECT_TRUE(slept.ok()) << slept;  // the task itself was not stopped: it drains in its own time
  *drained = stop->stop_requested();
}

TEST_P(SignalStopTest, MayStopASourceOfTheProgramsOwnInstead) {
  auto loop = MakeLoop();
  StopSource stop;
  ASSERT_TRUE(loop->StopOnSignals(&stop).ok());
  bool drained = false;
  loop->Run(Drain(loop->runtime().clock, GetParam(), &stop, &drained));
  EXPECT_TRUE(drained);
  EXPECT_FALSE(loop->stop()->stop_requested());
}

TEST(SignalStopMaskTest, TheMaskIsGivenBack) {
  ASSERT_FALSE(IsBlocked(SIGTERM));
  auto loop = MakeLoop();
  ASSERT_TRUE(loop->StopOnSignals().ok());
  EXPECT_TRUE(IsBlocked(SIGTERM));
  EXPECT_TRUE(IsBlocked(SIGINT));
  loop.reset();
  EXPECT_FALSE(IsBlocked(SIGTERM));
  EXPECT_FALSE(IsBlocked(SIGINT));
}

TEST(SignalStopMaskTest, ALaterCallReplacesTheEarlier) {
  auto loop = MakeLoop();
  StopSource first;
  StopSource second;
  ASSERT_TRUE(loop->StopOnSignals(&first).ok());
  ASSERT_TRUE(loop->StopOnSignals(&second).ok());
  bool drained = false;
  loop->Run(Drain(loop->runtime().clock, SIGTERM, &second, &drained));
  EXPECT_TRUE(drained);
  EXPECT_FALSE(first.stop_requested());
}

Task<void> IgnoreStops(Clock* clock) {
  EXPECT_EQ(kill(getpid(), SIGTERM), 0);
  while ((co_await clock->SleepFor(1ms)).ok()) {
  }
  EXPECT_EQ(kill(getpid(), SIGTERM), 0);
  while (true) co_await Yield();
}

TEST(SignalStopDeathTest, ASecondSignalEndsAProgramThatDoesNotListen) {
  auto run = [] {
    auto loop = MakeLoop();
    ASSERT_TRUE(loop->StopOnSignals().ok());
    loop->Run(IgnoreStops(loop->runtime().clock));
  };
  EXPECT_EXIT(run(), ::testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace faultline::epoll
