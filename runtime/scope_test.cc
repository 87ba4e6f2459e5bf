// Goal: a scope starts its tasks from the loop, joins when none is left and not before, passes
// stops down, frees suspended tasks with itself, and dies loudly when its owner forgets to join.
// Method: one behaviour a test, on a loop that the test drives.
#include "runtime/scope.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "runtime/event.h"
#include "runtime/task.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::TestLoop;
using Log = std::vector<std::string>;

Task<void> Note(Log* log, std::string name) {
  log->push_back(name);
  co_return;
}

Task<void> WaitAndNote(Event* event, Log* log, std::string name) {
  absl::Status status = co_await event->Wait();
  log->push_back(status.ok() ? name : name + " stopped");
}

Task<void> JoinAndNote(Scope* scope, Log* log) {
  co_await scope->Join();
  log->push_back("joined " + std::to_string(scope->live()));
}

TEST(ScopeTest, StartsTasksFromTheLoopInOrder) {
  TestLoop loop;
  Scope root(loop.executor());
  Log log;
  root.Spawn(Note(&log, "a"));
  root.Spawn(Note(&log, "b"));
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(root.live(), 2u);
  loop.Run();
  EXPECT_EQ(log, (Log{"a", "b"}));
  EXPECT_EQ(root.live(), 0u);
}

TEST(ScopeTest, JoinAwaitsTheLastChild) {
  TestLoop loop;
  Log log;
  Event one, two;
  Scope root(loop.executor());
  root.Spawn([](Event* one, Event* two, Log* log) -> Task<void> {
    Scope scope(co_await ThisTask());
    co_await scope.Join();  // nobody: at once
    log->push_back("empty");
    scope.Spawn(WaitAndNote(one, log, "one"));
    scope.Spawn(WaitAndNote(two, log, "two"));
    co_await scope.Join();
    log->push_back("joined");
    scope.Spawn(Note(log, "again"));  // a scope may be used again
    co_await scope.Join();
    log->push_back("joined again");
  }(&one, &two, &log));
  loop.Run();
  EXPECT_EQ(log, (Log{"empty"}));
  two.Set();
  loop.Run();
  EXPECT_EQ(log, (Log{"empty", "two"}));
  one.Set();
  loop.Run();
  EXPECT_EQ(log, (Log{"empty", "two", "one", "joined", "again", "joined again"}));
}

TEST(ScopeTest, AChildMaySpawnDuringTheJoin) {
  TestLoop loop;
  Log log;
  Scope root(loop.executor());
  root.Spawn([](Log* log) -> Task<void> {
    Scope scope(co_await ThisTask());
    scope.Spawn([](Scope* scope, Log* log) -> Task<void> {
      co_await Yield();
      scope->Spawn(Note(log, "grandchild"));
      log->push_back("child");
    }(&scope, log));
    co_await scope.Join();
    log->push_back("joined");
  }(&log));
  loop.Run();
  EXPECT_EQ(log, (Log{"child", "grandchild", "joined"}));
}

// The joiner is ready, and before it runs somebody outside spawns one more: it waits on.
TEST(ScopeTest, JoinReturnsWhenNobodyIsLeft) {
  TestLoop loop;
  Log log;
  Event gate;
  Scope scope(loop.executor());
  Scope root(loop.executor());
  root.Spawn(JoinAndNote(&scope, &log));
  root.Spawn([](Scope* scope, Event* gate, Log* log) -> Task<void> {
    co_await Yield();
    scope->Spawn(WaitAndNote(gate, log, "second"));
  }(&scope, &gate, &log));
  scope.Spawn(Note(&log, "first"));
  loop.Run();
  EXPECT_EQ(log, (Log{"first"}));
  gate.Set();
  loop.Run();
  EXPECT_EQ(log, (Log{"first", "second", "joined 0"}));
}

TEST(ScopeTest, AStopReachesChildrenPresentAndFuture) {
  TestLoop loop;
  Log log;
  Event never;
  Scope root(loop.executor());
  root.Spawn(WaitAndNote(&never, &log, "present"));
  loop.Run();
  root.RequestStop();
  EXPECT_TRUE(root.stop_token().stop_requested());
  root.Spawn(WaitAndNote(&never, &log, "future"));
  loop.Run();
  EXPECT_EQ(log, (Log{"present stopped", "future stopped"}));
}

TEST(ScopeTest, AStopOfTheOwnerReachesNestedScopes) {
  TestLoop loop;
  Log log;
  Event never;
  Scope root(loop.executor());
  root.Spawn([](Event* never, Log* log) -> Task<void> {
    Scope outer(co_await ThisTask());
    outer.Spawn([](Event* never, Log* log) -> Task<void> {
      Scope inner(co_await ThisTask());
      inner.Spawn(WaitAndNote(never, log, "inner"));
      co_await inner.Join();
      log->push_back("inner joined");
    }(never, log));
    co_await outer.Join();
    log->push_back("outer joined");
  }(&never, &log));
  loop.Run();
  EXPECT_TRUE(log.empty());
  root.RequestStop();
  loop.Run();
  EXPECT_EQ(log, (Log{"inner stopped", "inner joined", "outer joined"}));
}

TEST(ScopeTest, AStopOfANestedScopeStaysInside) {
  TestLoop loop;
  Log log;
  Event never;
  Scope root(loop.executor());
  root.Spawn([](Event* never, Log* log) -> Task<void> {
    Scope inner(co_await ThisTask());
    inner.Spawn(WaitAndNote(never, log, "inner"));
    inner.RequestStop();
    co_await inner.Join();
    EXPECT_FALSE((co_await CurrentStop()).stop_requested());
    (void)co_await never->Wait();
  }(&never, &log));
  loop.Run();
  EXPECT_EQ(log, (Log{"inner stopped"}));
  EXPECT_EQ(root.live(), 1u);
}

TEST(ScopeTest, AChildMayStopItsOwnScope) {
  TestLoop loop;
  Log log;
  Event never;
  Scope root(loop.executor());
  root.Spawn(WaitAndNote(&never, &log, "sibling"));
  root.Spawn([](Scope* root, Event* never, Log* log) -> Task<void> {
    root->RequestStop();
    log->push_back("goes on");
    co_await WaitAndNote(never, log, "self");
  }(&root, &never, &log));
  loop.Run();
  EXPECT_EQ(log, (Log{"goes on", "self stopped", "sibling stopped"}));
  EXPECT_EQ(root.live(), 0u);
}

struct NoteDeath {
  NoteDeath(Log* log, std::string name) : log(log), name(std::move(name)) {}
  NoteDeath(NoteDeath&& other) noexcept
      : log(std::exchange(other.log, nullptr)), name(std::move(other.name)) {}
  ~NoteDeath() {
    if (log != nullptr) log->push_back(name + " died");
  }
  Log* log;
  std::string name;
};

Task<void> HoldUntil(Event* event, NoteDeath note) {
  (void)co_await event->Wait();
  note.log->push_back(note.name + " resumed");
}

TEST(ScopeTest, DiesWithItsSuspendedChildren) {
  TestLoop loop;
  Log log;
  Event gate;
  {
    Scope root(loop.executor());
    root.Spawn(HoldUntil(&gate, NoteDeath(&log, "waiting")));
    loop.Run();
    root.Spawn(HoldUntil(&gate, NoteDeath(&log, "not started")));
    gate.Set();  // "waiting" is ready, and still dies unresumed
    EXPECT_EQ(loop.ready()->size(), 2u);
  }
  EXPECT_TRUE(loop.ready()->empty());
  loop.Run();
  EXPECT_EQ(log, (Log{"waiting died", "not started died"}));
}

// In a crash the frames of one process die in some order: a joiner may die after its scope.
TEST(ScopeTest, MayDieBeforeItsJoiner) {
  TestLoop loop;
  Log log;
  Event never;
  Scope root(loop.executor());
  auto scope = std::make_unique<Scope>(loop.executor());
  scope->Spawn(WaitAndNote(&never, &log, "child"));
  root.Spawn(JoinAndNote(scope.get(), &log));
  loop.Run();
  scope.reset();
  loop.Run();
  EXPECT_TRUE(log.empty());
}

TEST(ScopeTest, MayOutliveItsJoiner) {
  TestLoop loop;
  Log log;
  Event gate;
  Scope scope(loop.executor());
  scope.Spawn(WaitAndNote(&gate, &log, "child"));
  {
    Scope root(loop.executor());
    root.Spawn(JoinAndNote(&scope, &log));
    loop.Run();
  }
  gate.Set();
  loop.Run();
  EXPECT_EQ(log, (Log{"child"}));
}

// A supervisor joins what runs on another executor: it continues in its own queue.
TEST(ScopeTest, WakesItsJoinerWhereThatRuns) {
  ReadyQueue queue, supervisors_queue;
  Executor process(&queue), supervisor(&supervisors_queue);
  Log log;
  Scope scope(&process);
  Scope root(&supervisor);
  scope.Spawn(Note(&log, "child"));
  root.Spawn(JoinAndNote(&scope, &log));
  auto run = [](ReadyQueue* queue) {
    while (Resumable* next = queue->Pop()) next->task()->executor->Resume(next);
  };
  run(&supervisors_queue);
  run(&queue);
  EXPECT_EQ(log, (Log{"child"}));
  EXPECT_EQ(supervisors_queue.size(), 1u);
  run(&supervisors_queue);
  EXPECT_EQ(log, (Log{"child", "joined 0"}));
}

TEST(ScopeDeathTest, ARunningTaskMustJoinItsScope) {
  TestLoop loop;
  Event never;
  Scope root(loop.executor());
  root.Spawn([](Event* never) -> Task<void> {
    Scope scope(co_await ThisTask());
    scope.Spawn([](Event* never) -> Task<void> { (void)co_await never->Wait(); }(never));
    scope.RequestStop();  // asked, and not awaited
  }(&never));
  EXPECT_DEATH(loop.Run(), "a scope ended with 1 live tasks: join it first");
}

TEST(ScopeDeathTest, HasOneJoiner) {
  TestLoop loop;
  Event never;
  Log log;
  Scope scope(loop.executor());
  scope.Spawn(WaitAndNote(&never, &log, "child"));
  Scope root(loop.executor());
  root.Spawn(JoinAndNote(&scope, &log));
  root.Spawn(JoinAndNote(&scope, &log));
  EXPECT_DEATH(loop.Run(), "a scope has one joiner");
}

}  // namespace
}  // namespace faultline
