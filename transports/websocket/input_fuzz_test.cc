// Goal: no stream of bytes, in no pieces, makes the transport differ from a parser of RFC 6455 that
// sees the whole.
// Method: good traffic, cut and changed at many places by a generator with fixed seeds: the same
// inputs on each run. input_fuzz.cc holds the comparison.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "transports/websocket/testing/end.h"
#include "transports/websocket/testing/frames.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace faultline::websocket::testing {
namespace {

constexpr uint64_t kInputs = 8'000;

// SplitMix64.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}
  size_t Below(size_t bound) {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % bound;
  }

 private:
  uint64_t state_;
};

std::string SettingsOf(Draws* draws, bool client) {
  std::string settings = {static_cast<char>(client), static_cast<char>(draws->Below(5)),
                          static_cast<char>(draws->Below(8))};
  const size_t steps = draws->Below(4);
  settings.push_back(static_cast<char>(steps));
  for (size_t i = 0; i < steps; ++i) settings.push_back(static_cast<char>(draws->Below(256)));
  return settings;
}

void Compare(const std::string& input) {
  EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()),
            0);
}

// What follows the header of a frame is changed seldom that way: frames of every kind with every
// first byte.
std::string OddFrames(Draws* draws, bool masked) {
  std::string wire;
  for (size_t i = draws->Below(6); i > 0; --i) {
    wire += FrameOf(std::string(draws->Below(200), static_cast<char>(draws->Below(256))),
                    {.opcode = static_cast<int>(draws->Below(16)),
                     .final = draws->Below(4) != 0,
                     .masked = masked == (draws->Below(20) != 0),
                     .reserved = draws->Below(20) == 0 ? 0x40 : 0});
  }
  return wire;
}

TEST(WebSocketFuzz, ChangedTrafficIsSeenAsTheOracleSeesIt) {
  for (uint64_t seed = 1; seed <= kInputs; ++seed) {
    SCOPED_TRACE(seed);
    Draws draws(seed);
    const bool client = draws.Below(2) == 1;
    std::string wire = draws.Below(3) == 0 ? OddFrames(&draws, !client) : "";
    wire += Traffic(!client);
    for (size_t changes = draws.Below(4); changes > 0; --changes) {
      wire[draws.Below(wire.size())] = static_cast<char>(draws.Below(256));
    }
    if (draws.Below(4) == 0) wire.resize(draws.Below(wire.size()));
    Compare(SettingsOf(&draws, client) + wire);
  }
}

TEST(WebSocketFuzz, NoiseIsSeenAsTheOracleSeesIt) {
  for (uint64_t seed = 1; seed <= kInputs; ++seed) {
    SCOPED_TRACE(seed);
    Draws draws(seed);
    std::string noise;
    for (size_t size = draws.Below(300); size > 0; --size) {
      noise.push_back(static_cast<char>(draws.Below(256)));
    }
    Compare(noise);
  }
}

}  // namespace
}  // namespace faultline::websocket::testing
