// Goal: the policies order ready tasks as they say: FIFO by arrival, random by the seed, PCT by
// rank with change points. Method: worlds of tasks that note their turns; a bug that needs one
// preemption is found by PCT at its guaranteed rate.
#include "sim/policy.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "runtime/event.h"
#include "runtime/scope.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::sim {
namespace {

Task<void> NoteTurns(std::string* order, char name, int turns) {
  for (int i = 0; i < turns; ++i) {
    order->push_back(name);
    co_await Yield();
  }
}

Task<void> ThreeTasks(std::string* order, int turns) {
  Scope scope(co_await ThisTask());
  for (char name : {'a', 'b', 'c'}) scope.Spawn(NoteTurns(order, name, turns));
  co_await scope.Join();
}

std::string Order(WorldConfig config, int turns) {
  World world(config);
  std::string order;
  world.AddHost({.name = "host"})->Boot([&order, turns](const Runtime&) {
    return ThreeTasks(&order, turns);
  });
  EXPECT_TRUE(world.Run({}).passed());
  return order;
}

TEST(Policy, FifoTakesTurns) { EXPECT_EQ(Order({.seed = 1}, 3), "abcabcabc"); }

TEST(Policy, RandomIsAFunctionOfTheSeed) {
  std::set<std::string> orders;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::string order = Order({.seed = seed, .scheduling = Scheduling::kRandom}, 4);
    EXPECT_EQ(order, Order({.seed = seed, .scheduling = Scheduling::kRandom}, 4));
    EXPECT_EQ(order.size(), 12u);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 15u);
}

TEST(Policy, RandomReachesEveryOrderOfThree) {
  std::set<std::string> orders;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    orders.insert(Order({.seed = seed, .scheduling = Scheduling::kRandom}, 1));
  }
  EXPECT_EQ(orders.size(), 6u);
}

TEST(Policy, PctOfDepthOneRunsByRankAlone) {
  // Without change points the highest rank runs until it ends: no two runs of the same letter are
  // apart.
  std::set<std::string> orders;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    std::string order =
        Order({.seed = seed, .scheduling = Scheduling::kPct, .pct_depth = 1, .pct_steps = 20}, 3);
    std::string runs;
    for (char name : order) {
      if (runs.empty() || runs.back() != name) runs.push_back(name);
    }
    EXPECT_EQ(runs.size(), 3u) << order;
    orders.insert(runs);
  }
  EXPECT_EQ(orders.size(), 6u);
}

// A bug of depth 2: `b` must run exactly between two given steps of `a`.
Task<void> OpensAWindow(bool* window) {
  for (int step = 0; step < 10; ++step) {
    *window = step == 6;
    co_await Yield();
  }
}
Task<void> LooksOnce(const bool* window, bool* found) {
  *found = *window;
  co_return;
}
Task<void> Depth2(bool* found) {
  bool window = false;
  Scope scope(co_await ThisTask());
  scope.Spawn(OpensAWindow(&window));
  scope.Spawn(LooksOnce(&window, found));
  co_await scope.Join();
}

int Found(Scheduling scheduling, uint32_t depth) {
  int found_count = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    World world({.seed = seed, .scheduling = scheduling, .pct_depth = depth, .pct_steps = 11});
    bool found = false;
    world.AddHost({.name = "host"})->Boot([&found](const Runtime&) { return Depth2(&found); });
    EXPECT_TRUE(world.Run({}).passed());
    found_count += found ? 1 : 0;
  }
  return found_count;
}

TEST(Policy, PctFindsAtItsGuaranteedRateWhatRandomRarelyDoes) {
  // n = 2 tasks and k = 11 steps: at least 1 / (2 * 11) of the runs, 90 of 2000. A random order
  // needs seven decisions in a row against the looker: 1 in 128.
  int by_pct = Found(Scheduling::kPct, 2);
  int by_chance = Found(Scheduling::kRandom, 0);
  EXPECT_GE(by_pct, 60);
  EXPECT_LT(by_chance, 40);
  EXPECT_EQ(Found(Scheduling::kPct, 1), 0) << "depth 1 cannot express it";
}

}  // namespace
}  // namespace faultline::sim
