// Goal: the ready queue runs tasks first in, first out, or as its policy says; forgets frames that
// die; gives its past back; and hands an executor's tasks over to another queue in order. Method:
// tasks that yield and note their names, on queues that the test pops by hand.
#include "runtime/executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/event.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::TestLoop;
using Log = std::vector<std::string>;

// Notes its name once a turn.
Task<void> Repeat(Log* log, std::string name, int turns) {
  for (int i = 0; i < turns; ++i) {
    log->push_back(name);
    co_await Yield();
  }
}

Task<void> Note(Log* log, std::string name) {
  log->push_back(name);
  co_return;
}

TEST(ReadyQueueTest, IsFirstInFirstOut) {
  TestLoop loop;
  Scope root(loop.executor());
  Log log;
  for (const char* name : {"a", "b", "c"}) root.Spawn(Repeat(&log, name, 2));
  EXPECT_EQ(loop.ready()->size(), 3u);
  loop.Run();
  EXPECT_EQ(log, (Log{"a", "b", "c", "a", "b", "c"}));
  EXPECT_TRUE(loop.ready()->empty());
  EXPECT_EQ(loop.ready()->Pop(), nullptr);
}

TEST(ReadyQueueTest, AFrameThatDiesLeaves) {
  TestLoop loop;
  Log log;
  std::optional<Scope> doomed(loop.executor());
  Scope root(loop.executor());
  root.Spawn(Note(&log, "a"));
  doomed->Spawn(Note(&log, "x"));
  root.Spawn(Note(&log, "b"));
  doomed->Spawn(Note(&log, "y"));
  doomed.reset();
  EXPECT_EQ(loop.ready()->size(), 2u);
  loop.Run();
  EXPECT_EQ(log, (Log{"a", "b"}));
}

TEST(ReadyQueueTest, AQueueThatDiesLetsGo) {
  auto queue = std::make_unique<ReadyQueue>();
  Executor executor(queue.get());
  Log log;
  Scope root(&executor);
  root.Spawn(Note(&log, "a"));
  queue.reset();  // and the frame dies after it
  EXPECT_TRUE(log.empty());
}

// A queue that is never empty keeps its order across compaction.
TEST(ReadyQueueTest, KeepsItsOrderWhenItNeverDrains) {
  TestLoop loop;
  Scope root(loop.executor());
  Log log;
  for (const char* name : {"a", "b", "c"}) root.Spawn(Repeat(&log, name, 5000));
  loop.Run();
  ASSERT_EQ(log.size(), 15000u);
  for (size_t i = 0; i < log.size(); ++i) ASSERT_EQ(log[i], std::string(1, "abc"[i % 3])) << i;
}

TEST(ReadyQueueTest, CompactsAroundFramesThatDied) {
  TestLoop loop;
  Log log;
  Scope root(loop.executor());
  std::optional<Scope> doomed(loop.executor());
  for (int i = 0; i < 3000; ++i) {
    root.Spawn(Note(&log, std::to_string(i)));
    doomed->Spawn(Note(&log, "never"));
  }
  for (int i = 0; i < 2000; ++i) loop.ResumeOne();
  doomed.reset();
  loop.Run();
  Log kept;
  for (const std::string& name : log) {
    if (name != "never") kept.push_back(name);
  }
  ASSERT_EQ(kept.size(), 3000u);
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(kept[i], std::to_string(i));
  EXPECT_EQ(log.size(), 4000u);  // a thousand of the doomed had run before
}

// Picks as it is told, and notes how many there were to pick from.
class Scripted final : public SchedulingPolicy {
 public:
  size_t Pick(const std::vector<Resumable*>& ready) override {
    for (Resumable* item : ready) EXPECT_NE(item, nullptr);
    offered.push_back(ready.size());
    ids.push_back(0);
    size_t picked = last ? ready.size() - 1 : 0;
    ids.back() = ready[picked]->task()->id;
    return picked;
  }
  bool last = false;
  std::vector<size_t> offered;
  std::vector<uint64_t> ids;
};

TEST(SchedulingPolicyTest, IsAskedWhenThereIsAChoice) {
  Scripted policy;
  policy.last = true;
  TestLoop loop(&policy);
  Scope root(loop.executor());
  Log log;
  for (const char* name : {"a", "b", "c"}) root.Spawn(Note(&log, name));
  loop.Run();
  EXPECT_EQ(log, (Log{"c", "b", "a"}));
  EXPECT_EQ(policy.offered, (std::vector<size_t>{3, 2}));  // the last one needs no choice
  EXPECT_EQ(policy.ids, (std::vector<uint64_t>{3, 2}));
}

TEST(SchedulingPolicyTest, EachTaskRunsOnceWhateverIsPicked) {
  Scripted policy;
  TestLoop loop(&policy);
  Log log;
  std::optional<Scope> doomed(loop.executor());
  Scope root(loop.executor());
  for (int i = 0; i < 10; ++i) {
    root.Spawn(Note(&log, std::to_string(i)));
    doomed->Spawn(Note(&log, "x"));
  }
  doomed.reset();  // holes, which the policy never sees
  loop.Run();
  std::sort(log.begin(), log.end());
  EXPECT_EQ(log, (Log{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}));
  EXPECT_EQ(policy.offered.front(), 10u);
}

// After a pick the last one stands in its place, and leaves from there.
TEST(SchedulingPolicyTest, AFrameThatDiesAfterAPickLeaves) {
  Scripted policy;
  TestLoop loop(&policy);
  Log log;
  Scope root(loop.executor());
  std::optional<Scope> doomed(loop.executor());
  for (const char* name : {"a", "b", "c"}) root.Spawn(Note(&log, name));
  doomed->Spawn(Note(&log, "x"));
  loop.ResumeOne();  // picks "a": "x" takes its place
  EXPECT_EQ(log, (Log{"a"}));
  doomed.reset();
  EXPECT_EQ(loop.ready()->size(), 2u);
  loop.Run();
  std::sort(log.begin(), log.end());
  EXPECT_EQ(log, (Log{"a", "b", "c"}));
}

class PickNothing final : public SchedulingPolicy {
 public:
  size_t Pick(const std::vector<Resumable*>& ready) override { return ready.size(); }
};

TEST(SchedulingPolicyDeathTest, APolicyPicksWhatIsThere) {
  PickNothing policy;
  TestLoop loop(&policy);
  Scope root(loop.executor());
  Log log;
  root.Spawn(Note(&log, "a"));
  root.Spawn(Note(&log, "b"));
  EXPECT_DEATH(loop.Run(), "the policy picked nothing");
}

// How a simulated process is paused: its tasks wait in a queue that nobody pops.
TEST(ReadyQueueTest, MovesAnExecutorsTasksInOrder) {
  ReadyQueue running, paused;
  Executor one(&running), two(&running);
  Scope root_one(&one), root_two(&two);
  Log log;
  for (const char* name : {"1a", "1b"}) root_one.Spawn(Repeat(&log, name, 2));
  root_two.Spawn(Repeat(&log, "2a", 2));
  root_one.Spawn(Repeat(&log, "1c", 2));
  auto run = [&running] {
    while (Resumable* next = running.Pop()) next->task()->executor->Resume(next);
  };

  running.MoveTo(&paused, &one);
  one.SetQueue(&paused);
  EXPECT_EQ(running.size(), 1u);
  EXPECT_EQ(paused.size(), 3u);
  root_one.Spawn(Note(&log, "1d"));  // made ready during the pause
  run();
  EXPECT_EQ(log, (Log{"2a", "2a"}));

  log.clear();
  one.SetQueue(&running);
  paused.MoveTo(&running, &one);
  EXPECT_TRUE(paused.empty());
  run();
  EXPECT_EQ(log, (Log{"1a", "1b", "1c", "1d", "1a", "1b", "1c"}));
}

TEST(ExecutorTest, KnowsTheTaskThatRuns) {
  TestLoop loop;
  Scope root(loop.executor());
  const TaskContext* seen = nullptr;
  root.Spawn([](Executor* executor, const TaskContext** seen) -> Task<void> {
    *seen = executor->current();
    TaskInfo info = co_await ThisTask();
    EXPECT_EQ(info.context, *seen);
    EXPECT_EQ(info.executor, executor);
    co_await Yield();
    EXPECT_EQ(executor->current(), *seen);
  }(loop.executor(), &seen));
  EXPECT_EQ(loop.executor()->current(), nullptr);
  loop.Run();
  EXPECT_NE(seen, nullptr);
  EXPECT_EQ(loop.executor()->current(), nullptr);
  EXPECT_EQ(root.live(), 0u);
}

TEST(ExecutorTest, TaskIdsCountFromOneInOrderOfSpawning) {
  TestLoop loop;
  Scope root(loop.executor());
  std::vector<uint64_t> ids;
  for (int i = 0; i < 3; ++i) {
    root.Spawn([](std::vector<uint64_t>* ids) -> Task<void> {
      ids->push_back((co_await ThisTask()).context->id);
    }(&ids));
  }
  loop.Run();
  EXPECT_EQ(ids, (std::vector<uint64_t>{1, 2, 3}));
}

TEST(ExecutorTest, CarriesItsLabel) {
  ReadyQueue queue;
  EXPECT_EQ(Executor(&queue).label(), 0u);
  EXPECT_EQ(Executor(&queue, 7).label(), 7u);
}

// A task whose operations never need to wait still lets the others run.
TEST(ExecutorTest, ABusyTaskSharesTheLoop) {
  TestLoop loop;
  Scope root(loop.executor());
  Event set;
  set.Set();
  int busy = 0;
  int busy_when_other_ran = -1;
  root.Spawn([](Event* set, int* busy) -> Task<void> {
    for (; *busy < 10000; ++*busy) EXPECT_TRUE((co_await set->Wait()).ok());
  }(&set, &busy));
  root.Spawn([](int* busy, int* seen) -> Task<void> {
    *seen = *busy;
    co_return;
  }(&busy, &busy_when_other_ran));
  loop.Run();
  EXPECT_EQ(busy, 10000);
  EXPECT_GT(busy_when_other_ran, 0);
  EXPECT_LE(busy_when_other_ran, 100);
}

// A few operations that need not wait cost no trip through the queue, in each turn anew.
TEST(ExecutorTest, EachTurnHasABudgetOfItsOwn) {
  TestLoop loop;
  Scope root(loop.executor());
  Event set;
  set.Set();
  root.Spawn([](Event* set) -> Task<void> {
    for (int turn = 0; turn < 100; ++turn) {
      for (int i = 0; i < 10; ++i) EXPECT_TRUE((co_await set->Wait()).ok());
      co_await Yield();
    }
  }(&set));
  int turns = 0;
  while (loop.ResumeOne()) ++turns;
  EXPECT_EQ(turns, 101);
}

// A loop that does not notice that it was stopped must not take the whole program with it: it comes
// back to the ready queue, where a simulation sees the livelock and others still run.
TEST(ExecutorTest, ATaskThatIgnoresItsStopSharesTheLoop) {
  TestLoop loop;
  bool enough = false;
  Scope root(loop.executor());
  Event never;
  root.RequestStop();
  root.Spawn([](Clock* clock, Event* never, bool* enough) -> Task<void> {
    while (!*enough) {
      EXPECT_TRUE(absl::IsCancelled(co_await clock->SleepFor(1s)));
      EXPECT_TRUE(absl::IsCancelled(co_await never->Wait()));
    }
  }(loop.clock(), &never, &enough));
  root.Spawn([](bool* enough) -> Task<void> {
    *enough = true;
    co_return;
  }(&enough));
  loop.Run();
  EXPECT_EQ(root.live(), 0u);
}

}  // namespace
}  // namespace faultline
