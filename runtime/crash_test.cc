// Goal: destroying suspended frames is safe at every moment of a program, whatever its tasks wait
// for and in whichever order the frames die; and at every moment a stop request ends the program.
// Method: a program that waits in every way that the seam has, inside one scope and across frames
// that own what others wait for. It is run again and again, and destroyed (or stopped) one step
// later each time, in first-in first-out order and in shuffled orders. Counts show that every frame
// died, that nothing is left in the ready queue or the clock, and that each kind of wait was indeed
// hit. The sanitizers look on.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/channel.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "runtime/executor.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/fake_stream.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::FakeStream;
using testing::TestLoop;

enum Kind {
  kYield,
  kSleep,
  kEvent,
  kSend,
  kReceive,
  kRead,
  kWrite,
  kJoin,
  kAll,
  kRace,
  kDeadline,
  kShielded,
  kOtherFramesEvent,
  kOtherFramesChannel,
  kOtherFramesStream,
  kOtherFramesScope,
  kKinds,
};
constexpr int kOutsiders = kKinds - kOtherFramesEvent;

// What the program's frames share. Outlives them, as the loop does.
struct World {
  explicit World(SchedulingPolicy* policy) : loop(policy) {}
  Clock* clock() { return loop.clock(); }

  TestLoop loop;
  int alive = 0;  // frames that hold something
  int outsiders_left = kOutsiders;
  std::array<int, kKinds> waiting{};
  // In the frame of `Owner`; null before it runs.
  Event* event = nullptr;
  Channel<std::unique_ptr<int>>* channel = nullptr;
  FakeStream* stream = nullptr;
  Scope* scope = nullptr;
};

// A resource of a frame: memory that leaks if the frame is not destroyed, and a count.
class Alive {
 public:
  explicit Alive(int* count) : count_(count), memory_(std::make_unique<int>(7)) { ++*count_; }
  ~Alive() { --*count_; }

 private:
  int* const count_;
  std::unique_ptr<int> memory_;
};

// Marks that the frame waits in the way of `kind`.
class Waiting {
 public:
  Waiting(World* world, Kind kind) : alive_(&world->alive), kind_(&world->waiting[kind]) {}

 private:
  Alive alive_;
  Alive kind_;
};

Task<absl::Status> Sleep(World* world, Duration duration) {
  Waiting waiting(world, kSleep);
  co_return co_await world->clock()->SleepFor(duration);
}

Task<absl::Status> WaitForever(World* world) {
  Waiting waiting(world, kEvent);
  Event never;
  co_return co_await never.Wait();
}

Task<void> Send(World* world, Channel<std::unique_ptr<int>>* channel) {
  for (int i = 0; i < 4; ++i) {
    Waiting waiting(world, kSend);
    if (!(co_await channel->Send(std::make_unique<int>(i))).ok()) co_return;
  }
}

// Slower than the sender, so that this one waits for room.
Task<void> Receive(World* world, Channel<std::unique_ptr<int>>* channel) {
  for (int i = 0; i < 4; ++i) {
    Waiting waiting(world, kReceive);
    if (!(co_await channel->Receive()).ok()) co_return;
    if (!(co_await Sleep(world, 1ms)).ok()) co_return;
  }
}

Task<void> Read(World* world, FakeStream* stream) {
  Waiting waiting(world, kRead);
  std::array<std::byte, 100> buffer;
  (void)co_await stream->Read(buffer);
}

Task<void> Write(World* world, FakeStream* stream) {
  Waiting waiting(world, kWrite);
  std::array<std::byte, 100> bytes{};
  (void)co_await stream->Write(bytes);
}

Task<void> Combine(World* world) {
  {
    Waiting waiting(world, kAll);
    (void)co_await All(Sleep(world, 1ms), Sleep(world, 2ms));
  }
  {
    Waiting waiting(world, kRace);
    (void)co_await Race(Sleep(world, 2ms), WaitForever(world));
  }
  {
    Waiting waiting(world, kDeadline);
    (void)co_await Deadline(world->clock(), world->clock()->Now() + 2ms, WaitForever(world));
  }
  {
    Waiting waiting(world, kShielded);
    (void)co_await Shielded(
        Deadline(world->clock(), world->clock()->Now() + 2ms, WaitForever(world)));
  }
}

// Everything that the seam can wait for, inside one scope.
Task<void> Insiders(World* world) {
  Channel<std::unique_ptr<int>> channel(1);
  FakeStream stream;
  Scope scope(co_await ThisTask());
  scope.Spawn(Receive(world, &channel));
  scope.Spawn(Send(world, &channel));
  scope.Spawn(Read(world, &stream));
  scope.Spawn(Write(world, &stream));
  scope.Spawn(Combine(world));
  (void)co_await Sleep(world, 3ms);
  if (stream.read() != nullptr) stream.SucceedRead(1);
  {
    Waiting waiting(world, kYield);
    co_await Yield();
  }
  if (stream.write() != nullptr) stream.SucceedWrite(1);
  Waiting waiting(world, kJoin);
  co_await scope.Join();
}

// Its frame owns what the outsiders wait for. In a crash it may die before them or after them.
Task<void> Owner(World* world) {
  Event event;
  Channel<std::unique_ptr<int>> channel(1);
  FakeStream stream;
  Scope scope(co_await ThisTask());
  scope.Spawn([](World* world) -> Task<void> { (void)co_await Sleep(world, 2ms); }(world));
  world->event = &event;
  world->channel = &channel;
  world->stream = &stream;
  world->scope = &scope;
  (void)co_await Sleep(world, 3ms);
  event.Set();
  (void)co_await Sleep(world, 1ms);
  channel.Close();
  (void)co_await Sleep(world, 1ms);
  if (stream.read() != nullptr) stream.SucceedRead(1);
  while (world->outsiders_left > 0) co_await Yield();
}

Task<void> Outsider(World* world, Kind kind) {
  while (world->event == nullptr) co_await Yield();
  Waiting waiting(world, kind);
  if (kind == kOtherFramesEvent) (void)co_await world->event->Wait();
  if (kind == kOtherFramesChannel) (void)co_await world->channel->Receive();
  if (kind == kOtherFramesStream) co_await Read(world, world->stream);
  if (kind == kOtherFramesScope) co_await world->scope->Join();
  --world->outsiders_left;
}

void SpawnProgram(World* world, Scope* root, bool owner_first) {
  if (owner_first) root->Spawn(Owner(world));
  for (Kind kind :
       {kOtherFramesEvent, kOtherFramesChannel, kOtherFramesStream, kOtherFramesScope}) {
    root->Spawn(Outsider(world, kind));
  }
  root->Spawn(Insiders(world));
  if (!owner_first) root->Spawn(Owner(world));
}

class Shuffle final : public SchedulingPolicy {
 public:
  explicit Shuffle(uint64_t seed) : state_(seed) {}
  size_t Pick(const std::vector<Resumable*>& ready) override {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % ready.size();
  }

 private:
  uint64_t state_;
};

struct Order {
  uint64_t seed;  // 0: first in, first out
  bool owner_first;
};

class CrashTest : public ::testing::TestWithParam<Order> {
 protected:
  // Runs the program for `steps` steps, then hands it to `end`. False if it ended before.
  template <typename End>
  bool RunFor(size_t steps, End end) {
    Shuffle shuffle(GetParam().seed);
    World world(GetParam().seed == 0 ? nullptr : &shuffle);
    std::optional<Scope> root(world.loop.executor());
    SpawnProgram(&world, &*root, GetParam().owner_first);
    for (size_t i = 0; i < steps; ++i) {
      if (!world.loop.Step()) {
        EXPECT_EQ(root->live(), 0u) << "the program does not end by itself";
        ExpectNothingLeft(&world);
        return false;
      }
    }
    end(&world, &root);
    ExpectNothingLeft(&world);
    return true;
  }

  static void ExpectNothingLeft(World* world) {
    EXPECT_EQ(world->alive, 0);
    EXPECT_EQ(world->loop.clock()->timers(), 0u);
    EXPECT_TRUE(world->loop.ready()->empty());
  }
};

TEST_P(CrashTest, FramesMayDieAtEveryStep) {
  std::set<int> hit;
  size_t steps = 0;
  auto crash = [&hit](World* world, std::optional<Scope>* root) {
    for (int kind = 0; kind < kKinds; ++kind) {
      if (world->waiting[kind] > 0) hit.insert(kind);
    }
    root->reset();
  };
  while (RunFor(steps, crash)) {
    ASSERT_FALSE(HasFailure()) << "destroyed after " << steps << " steps";
    ++steps;
  }
  EXPECT_GT(steps, 50u);
  EXPECT_EQ(hit.size(), static_cast<size_t>(kKinds)) << "a kind of wait was never interrupted";
}

TEST_P(CrashTest, AStopEndsItAtEveryStep) {
  size_t steps = 0;
  auto stop = [](World* world, std::optional<Scope>* root) {
    (*root)->RequestStop();
    world->loop.Run();
    EXPECT_EQ((*root)->live(), 0u);
  };
  while (RunFor(steps, stop)) {
    ASSERT_FALSE(HasFailure()) << "stopped after " << steps << " steps";
    ++steps;
  }
  EXPECT_GT(steps, 50u);
}

// Stopped first, and destroyed while it winds down.
TEST_P(CrashTest, FramesMayDieAtEveryStepOfAStop) {
  for (size_t steps = 0; steps < 60; steps += 3) {
    bool ended = false;
    for (size_t more = 0; !ended; ++more) {
      auto stop_and_crash = [&](World* world, std::optional<Scope>* root) {
        (*root)->RequestStop();
        for (size_t i = 0; i < more && !ended; ++i) ended = !world->loop.Step();
        root->reset();
      };
      if (!RunFor(steps, stop_and_crash)) break;
      ASSERT_FALSE(HasFailure()) << "stopped after " << steps << ", destroyed " << more << " later";
    }
  }
}

std::vector<Order> Orders() {
  std::vector<Order> orders;
  for (uint64_t seed = 0; seed <= 20; ++seed) {
    orders.push_back({seed, false});
    orders.push_back({seed, true});
  }
  return orders;
}

INSTANTIATE_TEST_SUITE_P(Orders, CrashTest, ::testing::ValuesIn(Orders()));

}  // namespace
}  // namespace faultline
