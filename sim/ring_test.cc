// Goal: rings are first in, first out, whatever they grow from and shrink to; those of bytes
// survive wrapping round, truncation and growth; what is empty holds no storage of its own. Method:
// random programs against a deque; addresses and counts of blocks at the edges.
#include "sim/ring.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/testing/allocation_counter.h"
#include "sim/choices.h"

namespace faultline::sim {
namespace {

template <typename T>
class RingOf : public ::testing::Test {};
using Rings = ::testing::Types<Ring<uint64_t, 1>, Ring<uint64_t, 2>>;
TYPED_TEST_SUITE(RingOf, Rings);

TYPED_TEST(RingOf, AgreesWithADeque) {
  Choices choices(3);
  Chooser chooser(&choices, 1);
  TypeParam ring;
  std::deque<uint64_t> model;
  for (uint64_t step = 0; step < 20'000; ++step) {
    // Grows for a while, then drains, so that every size is passed in both directions.
    const bool filling = step / 500 % 2 == 0;
    const uint64_t dice = chooser.Below(Choice::kApplication, 10);
    if (dice < (filling ? 6u : 3u)) {
      ring.push_back(step);
      model.push_back(step);
    } else if (!model.empty() && dice < 8) {
      ring.pop_front();
      model.pop_front();
    } else if (!model.empty()) {
      ring.pop_back();
      model.pop_back();
    }
    ASSERT_EQ(ring.size(), model.size());
    ASSERT_EQ(ring.empty(), model.empty());
    if (model.empty()) continue;
    ASSERT_EQ(ring.front(), model.front());
    ASSERT_EQ(ring.back(), model.back());
  }
}

// What a connection has in flight most of the time touches no memory but the connection's.
TEST(Ring, AFewLieInTheRing) {
  Ring<uint64_t, 2> ring;
  auto inside = [&ring](const uint64_t* item) {
    auto at = reinterpret_cast<uintptr_t>(item) - reinterpret_cast<uintptr_t>(&ring);
    return at < sizeof(ring);
  };
  for (int round = 0; round < 3; ++round) {
    ring.push_back(1);
    ring.push_back(2);
    EXPECT_TRUE(inside(&ring.front()) && inside(&ring.back()));
    ring.push_back(3);
    EXPECT_FALSE(inside(&ring.front()));
    ring.clear();
  }
}

std::vector<std::byte> Bytes(size_t size, uint8_t first) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(first + i);
  return bytes;
}

TEST(ByteRing, AgreesWithADeque) {
  Choices choices(4);
  Chooser chooser(&choices, 1);
  ByteRing ring;
  std::deque<std::byte> model;
  for (int step = 0; step < 5'000; ++step) {
    const size_t size = 1 + chooser.Below(Choice::kApplication, 700);
    const size_t there = std::min(size, model.size());
    switch (chooser.Below(Choice::kApplication, 6)) {
      case 0:
        ring.Discard(there);
        model.erase(model.begin(), model.begin() + static_cast<ptrdiff_t>(there));
        break;
      case 1:
        ring.Truncate(model.size() - there);
        model.resize(model.size() - there);
        break;
      case 2:
      case 3: {
        std::vector<std::byte> out(there);
        if (there > 0) ring.Take(out.data(), there);
        ASSERT_TRUE(std::equal(out.begin(), out.end(), model.begin())) << "step " << step;
        model.erase(model.begin(), model.begin() + static_cast<ptrdiff_t>(there));
        break;
      }
      default: {
        std::vector<std::byte> in = Bytes(size, static_cast<uint8_t>(step));
        ring.Append(in.data(), in.size());
        model.insert(model.end(), in.begin(), in.end());
      }
    }
    ASSERT_EQ(ring.size(), model.size());
  }
}

// A message is written where another was read a moment ago, whoever's it was.
TEST(ByteRing, StorageGoesFromOneToTheNext) {
#if !FAULTLINE_FRAME_POOL
  GTEST_SKIP() << "storage is not recycled under AddressSanitizer";
#endif
  ByteRing first;
  ByteRing second;
  const std::vector<std::byte> message = Bytes(256, 1);
  std::vector<std::byte> out(message.size());
  first.Append(message.data(), message.size());
  const std::byte* storage = first.first();
  first.Take(out.data(), out.size());
  EXPECT_EQ(out, message);
  second.Append(message.data(), message.size());
  EXPECT_EQ(second.first(), storage);
}

// What has grown large is kept: a stream at full speed does not go to the heap again and again.
TEST(ByteRing, LargeStorageStays) {
  ByteRing ring;
  const std::vector<std::byte> message = Bytes(10'000, 1);
  std::vector<std::byte> out(message.size());
  ring.Append(message.data(), message.size());
  ring.Take(out.data(), out.size());
  faultline::testing::AllocationCounter counter;
  ring.Append(message.data(), message.size());
  EXPECT_EQ(counter.allocations(), 0u);
}

}  // namespace
}  // namespace faultline::sim
