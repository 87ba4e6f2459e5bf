// Goal: a task that an object owns runs by itself, and dies with its owner wherever it stands.
// Method: tasks on a loop that a test turns by hand.

#include "runtime/owned_task.h"

#include <gtest/gtest.h>

#include <utility>

#include "runtime/event.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

struct NotesItsEnd {
  explicit NotesItsEnd(int* ends) : ends(ends) {}
  NotesItsEnd(const NotesItsEnd&) = delete;
  ~NotesItsEnd() { ++*ends; }
  int* const ends;
};

Task<void> WaitTwice(Event* event, int* steps, int* ends) {
  NotesItsEnd note(ends);
  ++*steps;
  (void)co_await event->Wait();
  event->Reset();
  ++*steps;
  (void)co_await event->Wait();
  ++*steps;
}

struct OwnedTaskTest : ::testing::Test {
  testing::TestLoop loop;
  Event event;
  int steps = 0;
  int ends = 0;
};

TEST_F(OwnedTaskTest, StartsFromTheLoopAndRunsToItsEnd) {
  OwnedTask task(loop.executor(), WaitTwice(&event, &steps, &ends));
  EXPECT_EQ(steps, 0);
  loop.RunReady();
  EXPECT_EQ(steps, 1);
  event.Set();
  loop.RunReady();
  EXPECT_EQ(steps, 2);
  EXPECT_FALSE(task.done());
  event.Set();
  loop.RunReady();
  EXPECT_EQ(steps, 3);
  EXPECT_TRUE(task.done());
  EXPECT_EQ(ends, 1);
}

TEST_F(OwnedTaskTest, DiesWithItsOwnerBeforeItHasStarted) {
  {
    OwnedTask task(loop.executor(), WaitTwice(&event, &steps, &ends));
  }
  loop.RunReady();
  EXPECT_EQ(steps, 0);
}

TEST_F(OwnedTaskTest, DiesWithItsOwnerWhileItWaits) {
  {
    OwnedTask task(loop.executor(), WaitTwice(&event, &steps, &ends));
    loop.RunReady();
  }
  EXPECT_EQ(ends, 1);
  event.Set();
  loop.RunReady();
  EXPECT_EQ(steps, 1);
}

TEST_F(OwnedTaskTest, DiesWithItsOwnerWhileItIsReady) {
  {
    OwnedTask task(loop.executor(), WaitTwice(&event, &steps, &ends));
    loop.RunReady();
    event.Set();
  }
  loop.RunReady();
  EXPECT_EQ(steps, 1);
  EXPECT_EQ(ends, 1);
}

TEST_F(OwnedTaskTest, MovesAndIsEmptyByDefault) {
  OwnedTask first(loop.executor(), WaitTwice(&event, &steps, &ends));
  OwnedTask second;
  EXPECT_TRUE(second.done());
  second = std::move(first);
  loop.RunReady();
  EXPECT_EQ(steps, 1);
  EXPECT_FALSE(second.done());
}

}  // namespace
}  // namespace faultline
