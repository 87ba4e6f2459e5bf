// Goal: a thread is pinned to the core that was named, errors name the core, and what the thread
// was allowed before comes back. Method: sched_getaffinity(2), on a thread of the test's.
#include "runtime/shards/affinity.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/errors.h"

namespace faultline::shards {
namespace {

cpu_set_t Allowed() {
  cpu_set_t allowed;
  EXPECT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  return allowed;
}

uint32_t SomeCore() {
  const cpu_set_t allowed = Allowed();
  uint32_t core = 0;
  while (!CPU_ISSET(core, &allowed)) ++core;
  return core;
}

TEST(Affinity, AThreadIsPinnedAndGivenBack) {
  std::thread([] {
    const cpu_set_t before = Allowed();
    const uint32_t core = SomeCore();
    {
      Affinity kept;
      ASSERT_TRUE(kept.Keep().ok());
      const absl::Status pinned = PinTo(core);
      ASSERT_TRUE(pinned.ok()) << pinned;
      const cpu_set_t now = Allowed();
      EXPECT_EQ(CPU_COUNT(&now), 1);
      EXPECT_TRUE(CPU_ISSET(core, &now));
    }
    const cpu_set_t after = Allowed();
    EXPECT_TRUE(CPU_EQUAL(&before, &after));
  }).join();
}

TEST(Affinity, ErrorsNameTheCore) {
  for (uint32_t core : {1023u, 100'000u}) {
    const absl::Status refused = PinTo(core);
    EXPECT_EQ(ErrnoOf(refused), EINVAL);
    EXPECT_TRUE(absl::StrContains(refused.message(), absl::StrCat("core ", core))) << refused;
  }
}

}  // namespace
}  // namespace faultline::shards
