// Goal: no mischief on the path makes a session lie or hang.
// Method: the fuzzer's own harness, on inputs drawn from a counter: each kind of mischief alone,
// and mixtures; what an honest relay lets through is everything.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace faultline::quic {

size_t RunMischief(std::span<const uint8_t> plan);

namespace {

// A generator whose numbers are the same everywhere (splitmix64).
uint64_t Mix(uint64_t* state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

TEST(QuicDatagramFuzz, AnHonestRelayLetsEverythingThrough) { EXPECT_EQ(RunMischief({}), 20u); }

TEST(QuicDatagramFuzz, EachKindOfMischiefIsSurvived) {
  for (uint8_t kind = 1; kind < 8; ++kind) {
    for (uint8_t at = 0; at < 12; ++at) {
      std::vector<uint8_t> plan(4 * 12);
      plan[4 * at] = kind;
      plan[4 * at + 1] = at;
      plan[4 * at + 2] = static_cast<uint8_t>(at * 37);
      plan[4 * at + 3] = 0x55;
      // One datagram of many is made good by the others.
      EXPECT_EQ(RunMischief(plan), 20u) << "kind " << int{kind} << " at " << int{at};
    }
  }
}

TEST(QuicDatagramFuzz, MixturesNeverMakeItLie) {
  uint64_t state = 1;
  size_t complete = 0;
  for (int run = 0; run < 150; ++run) {
    std::vector<uint8_t> plan(4 * (Mix(&state) % 60));
    for (uint8_t& byte : plan) byte = static_cast<uint8_t>(Mix(&state));
    if (RunMischief(plan) == 20) ++complete;
  }
  EXPECT_GT(complete, 100u);
}

}  // namespace
}  // namespace faultline::quic
