// Goal: while a world runs, engines draw from the host that entered, or end the program; when it
// has ended, nothing of it is left: the kernel answers again.
// Method: a process that calls what engines call, entered and not.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

#include "runtime/engine/calls.h"
#include "runtime/engine/environment.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::sim {
namespace {

using Bytes = std::array<uint8_t, 32>;

struct Seen {
  Bytes bytes{};
  int64_t seconds = 0;
};

Seen Look() {
  Seen seen;
  faultline_engine_random(seen.bytes.data(), seen.bytes.size());
  seen.seconds = faultline_engine_wall_seconds();
  return seen;
}

Task<void> LookEntered(Runtime runtime, Seen* seen) {
  (void)co_await runtime.clock->SleepFor(90s);
  engine::Entered entered({runtime.entropy, runtime.clock});
  *seen = Look();
}

Task<void> LookWithoutEntering(Seen* seen) {
  *seen = Look();
  co_return;
}

Seen SeenIn(uint64_t seed) {
  World world({.seed = seed});
  Seen seen;
  Host* host = world.AddHost({.name = "host"});
  host->Boot([&](const Runtime& runtime) { return LookEntered(runtime, &seen); });
  EXPECT_TRUE(world.Run({.until = 1h}).passed());
  return seen;
}

TEST(Engine, DrawsFromTheSimulatedHost) {
  Seen first = SeenIn(7);
  EXPECT_EQ(first.bytes, SeenIn(7).bytes);
  EXPECT_NE(first.bytes, SeenIn(8).bytes);
  EXPECT_EQ(first.seconds, 1'767'225'600 + 90);
}

TEST(Engine, NothingOfASimulationIsLeftWhenItHasEnded) {
  Seen simulated = SeenIn(7);
  Seen after = Look();
  EXPECT_NE(after.bytes, simulated.bytes);
  EXPECT_NE(after.bytes, Look().bytes);
}

TEST(EngineDeathTest, AnEngineThatNobodyEnteredForCannotReachTheKernel) {
  World world({.seed = 7});
  Seen seen;
  Host* host = world.AddHost({.name = "host"});
  host->Boot([&](const Runtime&) { return LookWithoutEntering(&seen); });
  EXPECT_DEATH((void)world.Run({.until = 1h}), "an environment that was entered");
}

}  // namespace
}  // namespace faultline::sim
