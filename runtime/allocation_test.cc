// Goal: the steady state allocates nothing: awaiting a task, spawning one, channels, sleeps,
// events, deadlines, races, streams' operations, buffers from a pool. Method: a task does each
// thing some times to warm up, then many times while the heap's allocations are counted. A last
// case shows that the counter counts.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/channel.h"
#include "runtime/clock.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "runtime/frame_pool.h"
#include "runtime/frozen.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/allocation_counter.h"
#include "runtime/testing/fake_stream.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::AllocationCounter;
using testing::FakeStream;
using testing::TestLoop;

constexpr int kWarmUp = 20;
constexpr int kRounds = 500;

struct World {
  explicit World(TestLoop* loop) : clock(loop->clock()) {}
  Clock* const clock;
  Channel<Frozen> requests{2};
  Channel<Frozen> replies{2};
  Event event;
  BufferPool pool;
  FakeStream stream;
  FrozenBatch batch;
  std::unique_ptr<int> thrown_away;
};

// The allocations of `kRounds` rounds of what `once` makes, after a warm-up.
Task<void> Measure(Task<void> (*once)(World*), World* world, size_t* allocations) {
  for (int i = 0; i < kWarmUp; ++i) co_await once(world);
  AllocationCounter counter;
  for (int i = 0; i < kRounds; ++i) co_await once(world);
  *allocations = counter.allocations();
}

size_t AllocationsOf(Task<void> (*once)(World*)) {
  TestLoop loop;
  World world(&loop);
  size_t allocations = 0;
  EXPECT_TRUE(loop.RunToEnd(Measure(once, &world, &allocations)));
  return allocations;
}

class AllocationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (FAULTLINE_FRAME_POOL == 0) {
      GTEST_SKIP() << "every frame goes to the heap under AddressSanitizer";
    }
  }
};

Task<int> Leaf(int depth) {
  if (depth == 0) co_return 1;
  co_return co_await Leaf(depth - 1);
}

TEST_F(AllocationTest, AwaitingATask) {
  EXPECT_EQ(AllocationsOf([](World*) -> Task<void> { EXPECT_EQ(co_await Leaf(5), 1); }), 0u);
}

TEST_F(AllocationTest, Yielding) {
  EXPECT_EQ(AllocationsOf([](World*) -> Task<void> { co_await Yield(); }), 0u);
}

TEST_F(AllocationTest, Sleeping) {
  EXPECT_EQ(AllocationsOf([](World* world) -> Task<void> {
              EXPECT_TRUE((co_await world->clock->SleepFor(1ms)).ok());
            }),
            0u);
}

Task<void> SetSoon(Event* event) {
  co_await Yield();
  event->Set();
}

TEST_F(AllocationTest, SpawningJoiningAndEvents) {
  EXPECT_EQ(AllocationsOf([](World* world) -> Task<void> {
              Scope scope(co_await ThisTask());
              scope.Spawn(SetSoon(&world->event));
              EXPECT_TRUE((co_await world->event.Wait()).ok());
              world->event.Reset();
              co_await scope.Join();
            }),
            0u);
}

Task<void> Echo(Channel<Frozen>* in, Channel<Frozen>* out, int count) {
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<Frozen> item = co_await in->Receive();
    EXPECT_TRUE((co_await out->Send(*std::move(item))).ok());
  }
}

// Both sides wait in turn: more go in than the channels hold.
TEST_F(AllocationTest, ChannelsOfBuffers) {
  EXPECT_EQ(AllocationsOf([](World* world) -> Task<void> {
              Scope scope(co_await ThisTask());
              scope.Spawn(Echo(&world->requests, &world->replies, 8));
              scope.Spawn([](World* world) -> Task<void> {
                for (int i = 0; i < 8; ++i) {
                  Frozen item = world->pool.Allocate(256).Freeze();
                  EXPECT_TRUE((co_await world->requests.Send(std::move(item))).ok());
                }
              }(world));
              for (int i = 0; i < 8; ++i) {
                EXPECT_EQ((co_await world->replies.Receive())->size(), 256u);
              }
              co_await scope.Join();
            }),
            0u);
}

TEST_F(AllocationTest, Combinations) {
  EXPECT_EQ(AllocationsOf([](World* world) -> Task<void> {
              auto sleep = [](Clock* clock, Duration duration) -> Task<absl::Status> {
                co_return co_await clock->SleepFor(duration);
              };
              Clock* clock = world->clock;
              auto [a, b] = co_await All(sleep(clock, 1ms), sleep(clock, 2ms));
              EXPECT_TRUE(a.ok() && b.ok());
              EXPECT_TRUE((co_await Deadline(clock, clock->Now() + 5ms, sleep(clock, 1ms))).ok());
              auto raced = co_await Race(Leaf(1), Leaf(2));
              EXPECT_EQ(raced.first, 0u);
            }),
            0u);
}

// Half of the operations wait, half complete at once.
TEST_F(AllocationTest, OperationsOfAStream) {
  EXPECT_EQ(AllocationsOf([](World* world) -> Task<void> {
              Scope scope(co_await ThisTask());
              std::array<std::byte, 64> buffer;
              world->stream.bytes_at_once = 16;
              EXPECT_EQ(*co_await world->stream.Read(buffer), 16u);
              EXPECT_EQ(*co_await world->stream.Write(buffer), 16u);
              world->stream.bytes_at_once = 0;
              scope.Spawn([](FakeStream* stream) -> Task<void> {
                stream->SucceedRead(8);
                co_await Yield();
                stream->SucceedWrite(9);
              }(&world->stream));
              EXPECT_EQ(*co_await world->stream.Read(buffer), 8u);
              EXPECT_EQ(*co_await world->stream.Write(buffer), 9u);
              co_await scope.Join();
            }),
            0u);
}

TEST_F(AllocationTest, BuffersAndBatches) {
  EXPECT_EQ(AllocationsOf([](World* world) -> Task<void> {
              for (size_t size : {256, 4096, 5000, 1 << 20}) {
                world->batch.Add(world->pool.Allocate(size).Freeze());
                world->batch.Add(world->batch.messages().back().Slice(10, 100));
              }
              world->batch.Consume(world->batch.bytes());
              world->batch.Clear();
              co_return;
            }),
            0u);
}

TEST_F(AllocationTest, TheCounterCounts) {
  EXPECT_EQ(AllocationsOf([](World* world) -> Task<void> {
              world->thrown_away = std::make_unique<int>(1);
              co_return;
            }),
            static_cast<size_t>(kRounds));
}

}  // namespace
}  // namespace faultline
