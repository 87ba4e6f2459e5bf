// Goal: an event wakes all who wait, in order, stays set, and tells a wait that was stopped from
// one that was served; waiters and events may die in either order. Method: tasks that note how
// their wait ended.
#include "runtime/event.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::TestLoop;
using Log = std::vector<std::string>;

Task<void> WaitAndNote(Event* event, Log* log, std::string name) {
  absl::Status status = co_await event->Wait();
  log->push_back(name + (status.ok() ? " woke" : absl::IsCancelled(status) ? " stopped" : " ?"));
}

TEST(EventTest, WakesAllInOrderOfArrival) {
  TestLoop loop;
  Event event;
  Log log;
  Scope root(loop.executor());
  for (const char* name : {"a", "b", "c"}) root.Spawn(WaitAndNote(&event, &log, name));
  loop.Run();
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(root.live(), 3u);
  event.Set();
  EXPECT_TRUE(log.empty());  // never from inside Set
  loop.Run();
  EXPECT_EQ(log, (Log{"a woke", "b woke", "c woke"}));
}

TEST(EventTest, StaysSetUntilReset) {
  TestLoop loop;
  Event event;
  Log log;
  Scope root(loop.executor());
  event.Set();
  event.Set();
  EXPECT_TRUE(event.is_set());
  root.Spawn(WaitAndNote(&event, &log, "a"));
  root.Spawn(WaitAndNote(&event, &log, "b"));
  loop.Run();
  EXPECT_EQ(log, (Log{"a woke", "b woke"}));
  event.Reset();
  EXPECT_FALSE(event.is_set());
  root.Spawn(WaitAndNote(&event, &log, "c"));
  loop.Run();
  EXPECT_EQ(root.live(), 1u);
}

TEST(EventTest, AWakeUpOutlivesTheReset) {
  TestLoop loop;
  Event event;
  Log log;
  Scope root(loop.executor());
  root.Spawn(WaitAndNote(&event, &log, "a"));
  loop.Run();
  event.Set();
  event.Reset();
  loop.Run();
  EXPECT_EQ(log, (Log{"a woke"}));
}

TEST(EventTest, AStopEndsTheWait) {
  TestLoop loop;
  Event event;
  Log log;
  Scope root(loop.executor());
  root.Spawn(WaitAndNote(&event, &log, "a"));
  loop.Run();
  root.RequestStop();
  event.Set();  // too late: the stop came first
  loop.Run();
  EXPECT_EQ(log, (Log{"a stopped"}));
}

TEST(EventTest, AStopAfterTheWakeUpIsTooLate) {
  TestLoop loop;
  Event event;
  Log log;
  Scope root(loop.executor());
  root.Spawn(WaitAndNote(&event, &log, "a"));
  loop.Run();
  event.Set();
  root.RequestStop();
  loop.Run();
  EXPECT_EQ(log, (Log{"a woke"}));
}

TEST(EventTest, AfterAStopOnlyASetEventSucceeds) {
  TestLoop loop;
  Event unset, set;
  set.Set();
  Log log;
  Scope root(loop.executor());
  root.RequestStop();
  root.Spawn(WaitAndNote(&unset, &log, "unset"));
  root.Spawn(WaitAndNote(&set, &log, "set"));
  loop.Run();
  EXPECT_EQ(log, (Log{"unset stopped", "set woke"}));
}

TEST(EventTest, AWaiterThatDiesIsForgotten) {
  TestLoop loop;
  Event event;
  Log log;
  Scope root(loop.executor());
  {
    Scope doomed(loop.executor());
    doomed.Spawn(WaitAndNote(&event, &log, "doomed"));
    root.Spawn(WaitAndNote(&event, &log, "other"));
    loop.Run();
  }
  event.Set();
  loop.Run();
  EXPECT_EQ(log, (Log{"other woke"}));
}

TEST(EventTest, AnEventMayDieBeforeItsWaiters) {
  TestLoop loop;
  Log log;
  Scope root(loop.executor());
  auto event = std::make_unique<Event>();
  root.Spawn(WaitAndNote(event.get(), &log, "a"));
  root.Spawn(WaitAndNote(event.get(), &log, "b"));
  loop.Run();
  event.reset();
  loop.Run();
  EXPECT_TRUE(log.empty());
  root.RequestStop();  // they still listen to that
  loop.Run();
  EXPECT_EQ(log, (Log{"a stopped", "b stopped"}));
}

}  // namespace
}  // namespace faultline
