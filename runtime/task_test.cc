// Goal: a task is lazy, runs where it is awaited, hands its result over once, and frees everything
// at whichever point its frame dies. Method: results of each kind; a counted resource in every
// place that a frame can hold one.
#include "runtime/task.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/event.h"
#include "runtime/scope.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::TestLoop;

static_assert(!std::is_copy_constructible_v<Task<int>>);
static_assert(std::is_nothrow_move_constructible_v<Task<int>>);

Task<int> Answer(int* runs) {
  ++*runs;
  co_return 42;
}

TEST(TaskTest, IsLazyAndReturnsItsValue) {
  TestLoop loop;
  int runs = 0;
  int answer = 0;
  EXPECT_TRUE(loop.RunToEnd([](int* runs, int* answer) -> Task<void> {
    Task<int> task = Answer(runs);
    EXPECT_EQ(*runs, 0);
    co_await Yield();
    EXPECT_EQ(*runs, 0);
    *answer = co_await std::move(task);
  }(&runs, &answer)));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(answer, 42);
}

Task<std::unique_ptr<int>> MoveOnly() {
  auto value = std::make_unique<int>(7);
  co_await Yield();
  co_return value;
}

Task<absl::StatusOr<std::unique_ptr<int>>> Fallible(bool fail) {
  if (fail) co_return absl::NotFoundError("nothing");
  co_return std::make_unique<int>(8);
}

Task<std::pair<int, std::string>> Braces() { co_return {3, "three"}; }

TEST(TaskTest, ReturnsWhatConverts) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([]() -> Task<void> {
    EXPECT_EQ(*co_await MoveOnly(), 7);
    EXPECT_EQ(**co_await Fallible(false), 8);
    EXPECT_TRUE(absl::IsNotFound((co_await Fallible(true)).status()));
    EXPECT_EQ((co_await Braces()).second, "three");
  }()));
}

// Counts what is alive.
class Counted {
 public:
  explicit Counted(int* live) : live_(live) { ++*live_; }
  Counted(Counted&& other) noexcept : live_(other.live_) { ++*live_; }
  ~Counted() { --*live_; }

 private:
  int* const live_;
};

Task<Counted> Hold(Counted argument, Event* gate) {
  Counted local(std::move(argument));
  EXPECT_TRUE((co_await gate->Wait()).ok());
  co_return std::move(local);
}

Task<void> HoldTwice(int* live, Event* gate, int* live_after) {
  Counted first = co_await Hold(Counted(live), gate);
  {
    Counted second = co_await Hold(Counted(live), gate);
  }
  *live_after = *live;
}

TEST(TaskTest, FreesItsFrameWithTheAwait) {
  TestLoop loop;
  int live = 0;
  int live_after = 0;
  Event gate;
  gate.Set();
  EXPECT_TRUE(loop.RunToEnd(HoldTwice(&live, &gate, &live_after)));
  EXPECT_EQ(live_after, 1);  // `first` alone
  EXPECT_EQ(live, 0);
}

Task<int> Take(Counted) { co_return 1; }

TEST(TaskTest, TheFrameIsGoneWhenTheResultIsThere) {
  TestLoop loop;
  int live = 0;
  EXPECT_TRUE(loop.RunToEnd([](int* live) -> Task<void> {
    Task<int> task = Take(Counted(live));
    EXPECT_EQ(*live, 1);
    const int alive = ((void)co_await std::move(task), *live);
    EXPECT_EQ(alive, 0) << "before the end of the expression";
  }(&live)));
}

TEST(TaskTest, ATaskThatNeverStartsFreesItsArguments) {
  int live = 0;
  Event gate;
  {
    Task<Counted> task = Hold(Counted(&live), &gate);
    EXPECT_EQ(live, 1);
    Task<Counted> moved = std::move(task);
    EXPECT_EQ(live, 1);
    moved = Hold(Counted(&live), &gate);
    EXPECT_EQ(live, 1);
  }
  EXPECT_EQ(live, 0);
}

TEST(TaskTest, ASuspendedChainFreesEverything) {
  int live = 0;
  int unused = 0;
  Event gate;
  {
    TestLoop loop;
    Scope root(loop.executor());
    root.Spawn(HoldTwice(&live, &gate, &unused));
    loop.Run();
    EXPECT_GT(live, 0);
  }
  EXPECT_EQ(live, 0);
  gate.Set();  // nobody waits any more
}

TEST(TaskTest, OperationsAreDestroyedBeforeWhatTheyUse) {
  Event* dangling = nullptr;
  TestLoop loop;
  {
    Scope root(loop.executor());
    root.Spawn([](Event** seen) -> Task<void> {
      auto event = std::make_unique<Event>();
      *seen = event.get();
      (void)co_await event->Wait();
    }(&dangling));
    loop.Run();
    EXPECT_NE(dangling, nullptr);
  }
}

Task<int> Immediate(int value) { co_return value; }

Task<int> Deep(int levels) {
  if (levels == 0) co_return 0;
  co_return 1 + co_await Deep(levels - 1);
}

// Awaiting and returning switch frames instead of nesting calls: the stack does not grow.
TEST(TaskTest, NeitherLoopsNorDepthUseTheStack) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([]() -> Task<void> {
    int64_t sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await Immediate(1);
    EXPECT_EQ(sum, 1'000'000);
    EXPECT_EQ(co_await Deep(200'000), 200'000);
  }()));
}

TEST(TaskTest, AwaitedTasksShareTheTaskTheyRunIn) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([]() -> Task<void> {
    TaskInfo mine = co_await ThisTask();
    TaskContext* inner = co_await []() -> Task<TaskContext*> {
      co_await Yield();
      co_return (co_await ThisTask()).context;
    }();
    EXPECT_EQ(inner, mine.context);
    EXPECT_EQ(mine.executor, mine.context->executor);
  }()));
}

TEST(TaskTest, YieldGoesToTheEndOfTheQueue) {
  TestLoop loop;
  Scope root(loop.executor());
  std::vector<int> order;
  root.Spawn([](std::vector<int>* order) -> Task<void> {
    order->push_back(1);
    co_await Yield();
    order->push_back(3);
  }(&order));
  root.Spawn([](std::vector<int>* order) -> Task<void> {
    order->push_back(2);
    co_return;
  }(&order));
  loop.Run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

// The copy in the frame lives as long as the frame; only the coroutine's own closure does not.
template <typename F>
Task<int> CallLater(F function) {
  co_await Yield();
  co_return function();
}

TEST(TaskTest, ACoroutineMayTakeACapturingLambdaByValue) {
  TestLoop loop;
  EXPECT_TRUE(loop.RunToEnd([]() -> Task<void> {
    auto shared = std::make_shared<int>(5);
    EXPECT_EQ(co_await CallLater([shared] { return *shared; }), 5);
    EXPECT_EQ(shared.use_count(), 1);
  }()));
}

TEST(TaskDeathTest, IsAwaitedOnce) {
  TestLoop loop;
  EXPECT_DEATH((void)loop.RunToEnd([]() -> Task<void> {
    Task<int> task = Immediate(1);
    Task<int> moved = std::move(task);
    (void)co_await std::move(moved);
    (void)co_await std::move(task);
  }()),
               "a task is awaited once");
}

}  // namespace
}  // namespace faultline
