// Goal: other threads wake a loop that sleeps, in order, boundedly, and can never reach one that is
// gone.
// Method: threads post to a loop that has nothing else to do. Run under ThreadSanitizer too.
#include "runtime/kernel/remote.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/channel.h"
#include "runtime/epoll/testing.h"
#include "runtime/event.h"

namespace faultline::epoll {
namespace {

Task<void> WaitFor(Event* event) { (void)co_await event->Wait(); }

TEST(RemoteTest, APostWakesALoopThatSleeps) {
  auto loop = MakeLoop();
  Event event;
  std::thread poster(
      [remote = loop->remote(), &event] { EXPECT_TRUE(remote->Post([&event] { event.Set(); })); });
  loop->Run(WaitFor(&event));  // nothing else ends it
  poster.join();
  EXPECT_TRUE(event.is_set());
}

constexpr int kThreads = 4;
constexpr int kPosts = 5000;

struct Ledger {
  std::vector<int> last = std::vector<int>(kThreads, -1);
  int count = 0;
  bool in_order = true;
  Event complete;

  void Note(int thread, int number) {
    in_order = in_order && number == last[thread] + 1;
    last[thread] = number;
    if (++count == kThreads * kPosts) complete.Set();
  }
};

// A full queue is a refusal: the poster decides what to do, here to try again.
void PostAll(kernel::Remote* remote, Ledger* ledger, int thread) {
  for (int i = 0; i < kPosts; ++i) {
    while (!remote->Post([ledger, thread, i] { ledger->Note(thread, i); })) {
      std::this_thread::yield();
    }
  }
}

TEST(RemoteTest, EveryAcceptedPostIsCalledOnceInItsThreadsOrder) {
  auto loop = MakeLoop();
  Ledger ledger;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back(
        [remote = loop->remote(), &ledger, i] { PostAll(remote.get(), &ledger, i); });
  }
  loop->Run(WaitFor(&ledger.complete));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger.count, kThreads * kPosts);
  EXPECT_TRUE(ledger.in_order);
}

Task<void> Nothing() { co_return; }

TEST(RemoteTest, TheQueueIsBounded) {
  auto loop = Loop::Create(LoopOptions{.remote_capacity = 3, .buffer_cache_bytes = 0});
  ASSERT_TRUE(loop.ok()) << loop.status();
  auto remote = (*loop)->remote();
  int called = 0;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(remote->Post([&called] { ++called; }));
  EXPECT_FALSE(remote->Post([&called] { called += 100; }));
  (*loop)->Run(Nothing());
  EXPECT_EQ(called, 3);
  EXPECT_TRUE(remote->Post([&called] { ++called; }));  // there is room again
  (*loop)->Run(Nothing());
  EXPECT_EQ(called, 4);
}

TEST(RemoteTest, APostFromAPostIsCalledToo) {
  auto loop = MakeLoop();
  Event event;
  auto remote = loop->remote();
  ASSERT_TRUE(remote->Post([&] { EXPECT_TRUE(remote->Post([&event] { event.Set(); })); }));
  loop->Run(WaitFor(&event));
  EXPECT_TRUE(event.is_set());
}

TEST(RemoteTest, WhatWasAcceptedIsCalledBeforeRunReturns) {
  auto loop = MakeLoop();
  int called = 0;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(loop->remote()->Post([&called] { ++called; }));
  }
  loop->Run(Nothing());
  EXPECT_EQ(called, 5);
}

struct Again {
  void Post() {
    refused = !remote->Post([this] {
      ++called;
      Post();
    });
  }
  const std::shared_ptr<kernel::Remote> remote;
  int called = 0;
  bool refused = false;
};

TEST(RemoteTest, OneThatPostsItselfForEverKeepsNoRunFromReturning) {
  auto loop = MakeLoop();
  Again again{.remote = loop->remote()};
  again.Post();
  for (int run = 1; run < 4; ++run) {
    const int before = again.called;
    loop->Run(Nothing());
    EXPECT_GT(again.called, before) << "what was left over belongs to the next run";
    EXPECT_FALSE(again.refused);
  }
  loop.reset();
  EXPECT_TRUE(again.refused) << "the end of the loop ends it";
}

TEST(RemoteTest, WhatWasAcceptedAfterTheLastRunIsCalledWhenTheLoopEnds) {
  auto loop = MakeLoop();
  int called = 0;
  EXPECT_TRUE(loop->remote()->Post([&called] { ++called; }));
  loop.reset();
  EXPECT_EQ(called, 1);
}

TEST(RemoteTest, APostToALoopThatIsGoneIsRefused) {
  auto loop = MakeLoop();
  std::shared_ptr<kernel::Remote> remote = loop->remote();
  loop.reset();
  EXPECT_FALSE(remote->Post([] { ADD_FAILURE() << "called without a loop"; }));
}

// Posters that neither know nor wait for the end of the loop.
TEST(RemoteTest, PostersMayRaceWithTheEndOfTheLoop) {
  for (int round = 0; round < 50; ++round) {
    auto loop = MakeLoop();
    std::atomic<int> accepted{0};
    int called = 0;
    std::thread poster([remote = loop->remote(), &accepted, &called] {
      while (remote->Post([&called] { ++called; }) || accepted.load() < 1) ++accepted;
    });
    while (accepted.load() == 0) std::this_thread::yield();
    loop->Run(Nothing());
    loop.reset();
    poster.join();
    EXPECT_GE(called, 1);
  }
}

Task<void> Receive(Channel<int>* channel, int count, int* sum) {
  for (int i = 0; i < count; ++i) {
    auto item = co_await channel->Receive();
    if (!item.ok()) co_return;
    *sum += *item;
  }
}

// The usual way into a task: a bounded channel of the loop's, filled by posts.
TEST(RemoteTest, PostsFeedATask) {
  auto loop = MakeLoop();
  Channel<int> channel(1000);
  std::thread poster([remote = loop->remote(), &channel] {
    for (int i = 1; i <= 1000; ++i) {
      while (!remote->Post([&channel, i]() mutable { EXPECT_TRUE(channel.TrySend(i)); })) {
        std::this_thread::yield();
      }
    }
  });
  int sum = 0;
  loop->Run(Receive(&channel, 1000, &sum));
  poster.join();
  EXPECT_EQ(sum, 500'500);
}

// Two loops, a thread each, hand a ball to each other.
class Player {
 public:
  explicit Player(std::shared_ptr<kernel::Remote> mine) : mine_(std::move(mine)) {}
  void Serve(Player* other, int left) {
    EXPECT_TRUE(mine_->Post([this, other, left] {
      if (left > 0) other->Serve(this, left - 1);
      if (left <= 1) done.Set();
    }));
  }
  Event done;

 private:
  const std::shared_ptr<kernel::Remote> mine_;
};

TEST(RemoteTest, TwoLoopsWakeEachOther) {
  auto loop = MakeLoop();
  auto other_loop = MakeLoop();
  Player here(loop->remote());
  Player there(other_loop->remote());
  std::thread other([&] { other_loop->Run(WaitFor(&there.done)); });
  here.Serve(&there, 2001);
  loop->Run(WaitFor(&here.done));
  other.join();
}

}  // namespace
}  // namespace faultline::epoll
