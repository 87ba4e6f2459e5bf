// Goal: no edit of a conversation makes a session invent plaintext or a clean end.
// Method: a fixed number of inputs by a generator with a fixed seed: the same on each run.
// session_fuzz.cc holds the checks.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace faultline::tls {
namespace {

constexpr int kInputs = 1500;

uint64_t Mix(uint64_t z) {  // SplitMix64
  z += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

void Try(const std::vector<uint8_t>& input) {
  EXPECT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
}

TEST(SessionFuzz, Edits) {
  uint64_t draws = 0;
  auto draw = [&draws](uint64_t bound) { return static_cast<uint8_t>(Mix(++draws) % bound); };
  for (int i = 0; i < kInputs; ++i) {
    std::vector<uint8_t> input = {draw(2), draw(256)};
    for (int edits = 1 + draw(3); edits > 0; --edits) {
      input.insert(input.end(), {draw(5), draw(256), draw(4), draw(256)});
    }
    Try(input);
  }
}

TEST(SessionFuzz, SomethingElseInstead) {
  for (const std::string& said :
       {std::string(), std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", 10),
        std::string("\x15\x03\x03\x00\x02\x01\x00", 7), std::string("GET / HTTP/1.1\r\n\r\n"),
        std::string("\x17\x03\x03\x40\x00", 5), std::string(70'000, '\x16')}) {
    for (uint8_t who : {2, 3}) {
      std::vector<uint8_t> input = {who, 255};
      input.insert(input.end(), said.begin(), said.end());
      Try(input);
    }
  }
}

}  // namespace
}  // namespace faultline::tls
