// Goal: the generator is the published one, and two loops do not draw the same numbers.
// Method: the first numbers of xoshiro256** from the state 1, 2, 3, 4, worked out by hand from its
// definition; two generators with the kernel's seeds.
#include "runtime/kernel/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <span>
#include <vector>

namespace faultline::kernel {
namespace {

class Counting final : public Entropy {
 public:
  void Fill(std::span<std::byte> bytes) override {
    std::array<uint64_t, 4> state = {1, 2, 3, 4};
    ASSERT_EQ(bytes.size(), sizeof(state));
    std::memcpy(bytes.data(), state.data(), sizeof(state));
  }
};

TEST(RandomTest, IsXoshiro256StarStar) {
  Counting entropy;
  SeededRandom random(&entropy);
  // rotl(2 * 5, 7) * 9, then s1 = 0, then s1 = 262149.
  EXPECT_EQ(random.Next(), 11520u);
  EXPECT_EQ(random.Next(), 0u);
  EXPECT_EQ(random.Next(), 1509978240u);
}

TEST(RandomTest, EachGeneratorHasASeedOfItsOwn) {
  KernelEntropy entropy;
  SeededRandom first(&entropy);
  SeededRandom second(&entropy);
  EXPECT_NE(first.Next(), second.Next());
}

TEST(RandomTest, EntropyFillsMoreThanOneCallGives) {
  KernelEntropy entropy;
  std::vector<std::byte> bytes(size_t{1} << 20);
  entropy.Fill(bytes);
  size_t zeros = 0;
  for (size_t i = bytes.size() - 4096; i < bytes.size(); ++i) zeros += bytes[i] == std::byte{};
  EXPECT_LT(zeros, 200u);  // 16 are expected
}

}  // namespace
}  // namespace faultline::kernel
