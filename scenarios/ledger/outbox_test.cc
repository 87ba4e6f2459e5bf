// Goal: an outbox is first in, first out, bounded in frames and in bytes, and wakes its writer.
// Method: push and take by hand; a writer task on a bare executor for the waits.
#include "scenarios/ledger/outbox.h"

#include <gtest/gtest.h>

#include "runtime/executor.h"
#include "runtime/scope.h"
#include "runtime/time.h"
#include "scenarios/ledger/backoff.h"

namespace faultline::ledger {
namespace {

class OutboxTest : public testing::Test {
 protected:
  Frozen Frame(size_t size) { return std::move(pool_.Allocate(size)).Freeze(); }
  void RunReady() {
    while (Resumable* next = ready_.Pop()) next->task()->executor->Resume(next);
  }

  BufferPool pool_;
  ReadyQueue ready_;
  Executor executor_{&ready_};
};

TEST_F(OutboxTest, IsFirstInFirstOut) {
  Outbox outbox(4, 1000);
  for (size_t size = 1; size <= 3; ++size) ASSERT_TRUE(outbox.TryPush(Frame(size)));
  FrozenBatch batch;
  outbox.MoveTo(&batch, 2);
  ASSERT_TRUE(outbox.TryPush(Frame(4)));
  outbox.MoveTo(&batch, 100);
  ASSERT_EQ(batch.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(batch.messages()[i].size(), i + 1);
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(outbox.bytes(), 0u);
}

TEST_F(OutboxTest, RefusesMoreFramesThanItsCapacity) {
  Outbox outbox(2, 1000);
  EXPECT_TRUE(outbox.TryPush(Frame(1)));
  EXPECT_TRUE(outbox.TryPush(Frame(1)));
  EXPECT_TRUE(outbox.full());
  EXPECT_FALSE(outbox.TryPush(Frame(1)));
  EXPECT_EQ(outbox.size(), 2u);
}

TEST_F(OutboxTest, RefusesMoreBytesThanItsLimitExceptForOneFrame) {
  Outbox outbox(10, 100);
  EXPECT_TRUE(outbox.TryPush(Frame(60)));
  EXPECT_FALSE(outbox.TryPush(Frame(60)));
  EXPECT_TRUE(outbox.TryPush(Frame(40)));
  Outbox idle(10, 100);
  EXPECT_TRUE(idle.TryPush(Frame(500))) << "else a large frame would never go";
  EXPECT_FALSE(idle.TryPush(Frame(1)));
}

TEST_F(OutboxTest, ClosedTakesNothingAndDrains) {
  Outbox outbox(4, 1000);
  ASSERT_TRUE(outbox.TryPush(Frame(1)));
  outbox.Close();
  EXPECT_FALSE(outbox.TryPush(Frame(1)));
  EXPECT_FALSE(outbox.drained());
  FrozenBatch batch;
  outbox.MoveTo(&batch, 10);
  EXPECT_TRUE(outbox.drained());
}

Task<void> CountFrames(Outbox* outbox, size_t* taken) {
  FrozenBatch batch;
  while (!outbox->drained()) {
    if (outbox->empty() && !(co_await outbox->WaitForFrames()).ok()) co_return;
    outbox->MoveTo(&batch, 2);
    *taken += batch.size();
    batch.Clear();
  }
}

Task<void> AwaitRoom(Outbox* outbox, bool* woken) {
  absl::Status room = co_await outbox->WaitForRoom();
  *woken = room.ok();
}

TEST_F(OutboxTest, WakesTheWriterForFramesAndForTheEnd) {
  Outbox outbox(4, 1000);
  size_t taken = 0;
  Scope scope(&executor_);
  scope.Spawn(CountFrames(&outbox, &taken));
  RunReady();
  for (size_t i = 0; i < 4; ++i) ASSERT_TRUE(outbox.TryPush(Frame(1)));
  RunReady();
  EXPECT_EQ(taken, 4u);
  outbox.Close();
  RunReady();
  EXPECT_EQ(scope.live(), 0u);
}

TEST_F(OutboxTest, TellsWhenThereIsRoom) {
  Outbox outbox(1, 1000);
  ASSERT_TRUE(outbox.TryPush(Frame(1)));
  bool woken = false;
  Scope scope(&executor_);
  scope.Spawn(AwaitRoom(&outbox, &woken));
  RunReady();
  EXPECT_FALSE(woken);
  FrozenBatch batch;
  outbox.MoveTo(&batch, 1);
  RunReady();
  EXPECT_TRUE(woken);
}

// --- The budget ---

TEST_F(OutboxTest, ABudgetBoundsWhatAllHoldTogether) {
  ByteBudget budget(3 * 4096);
  Outbox first(10, 1 << 20, &budget), second(10, 1 << 20, &budget);
  EXPECT_TRUE(first.TryPush(Frame(256)));
  EXPECT_TRUE(first.TryPush(Frame(4096)));
  EXPECT_TRUE(second.TryPush(Frame(1)));
  EXPECT_EQ(budget.used(), 3u * 4096) << "a small frame takes a page of memory";
  EXPECT_TRUE(second.HasRoomFor(Frame(1))) << "it is not this queue that is full";
  EXPECT_FALSE(second.TryPush(Frame(1)));
  EXPECT_EQ(second.size(), 1u);
}

// What is being written takes memory too.
TEST_F(OutboxTest, MemoryIsReturnedWhenAFrameIsWritten) {
  ByteBudget budget(4096);
  Outbox outbox(10, 1 << 20, &budget);
  ASSERT_TRUE(outbox.TryPush(Frame(1)));
  FrozenBatch batch;
  outbox.MoveTo(&batch, 10);
  EXPECT_TRUE(outbox.empty());
  EXPECT_FALSE(outbox.TryPush(Frame(1)));
  outbox.OnWritten();
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_TRUE(outbox.TryPush(Frame(1)));
}

TEST_F(OutboxTest, MemoryIsReturnedWhenFramesAreDropped) {
  ByteBudget budget(1 << 20);
  {
    Outbox outbox(10, 1 << 20, &budget);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(outbox.TryPush(Frame(5000)));
    FrozenBatch batch;
    outbox.MoveTo(&batch, 2);
    EXPECT_EQ(budget.used(), 5u * 8192);
    outbox.CloseAndDrop();
    EXPECT_TRUE(outbox.drained());
    EXPECT_EQ(outbox.bytes(), 0u);
    EXPECT_EQ(budget.used(), 2u * 8192);
  }
  EXPECT_EQ(budget.used(), 0u);
}

class Extreme final : public Random {
 public:
  explicit Extreme(uint64_t value) : value_(value) {}
  uint64_t Next() override { return value_; }

 private:
  const uint64_t value_;
};

TEST(BackoffTest, DoublesToItsLimitWithJitterOverHalf) {
  Extreme lowest(0), highest(~uint64_t{0});
  Backoff least({.min = 50ms, .max = 300ms}), most({.min = 50ms, .max = 300ms});
  for (Duration expected : {50ms, 100ms, 200ms, 300ms, 300ms}) {
    EXPECT_EQ(least.Next(&lowest), expected / 2);
    EXPECT_EQ(most.Next(&highest), expected);
  }
  most.Reset();
  EXPECT_EQ(most.Next(&highest), 50ms);
}

}  // namespace
}  // namespace faultline::ledger
