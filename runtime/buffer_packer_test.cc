// Goal: packed buffers do not overlap, lie at multiples of 64, outlive the packer and the pool, and
// cost no allocation once warm; large ones are the pool's own.
// Method: buffers of drawn sizes, each filled with its own byte and looked at at the end;
// addresses; an allocation counter; parts let go of on another thread (under TSan and ASan too).

#include "runtime/buffer_packer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/testing/allocation_counter.h"

namespace faultline {
namespace {

bool AlignedTo(const std::byte* data, size_t alignment) {
  return reinterpret_cast<uintptr_t>(data) % alignment == 0;
}

Frozen Filled(BufferPacker* packer, size_t size, int value) {
  Unfrozen draft = packer->Allocate(size);
  EXPECT_EQ(draft.size(), size);
  std::memset(draft.data(), value, size);
  return std::move(draft).Freeze();
}

bool Holds(const Frozen& buffer, int value) {
  return std::all_of(buffer.bytes().begin(), buffer.bytes().end(),
                     [value](std::byte byte) { return byte == static_cast<std::byte>(value); });
}

TEST(BufferPackerTest, BuffersDoNotOverlapAndOutliveTheirMakers) {
  std::optional<BufferPool> pool(std::in_place);
  std::optional<BufferPacker> packer(std::in_place, &*pool);
  std::vector<Frozen> kept;
  uint64_t state = 5;
  for (int i = 0; i < 1000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    kept.push_back(
        Filled(&*packer, (state >> 33) % (BufferPacker::kMaxPackedBytes + 100), i % 251));
    if (i % 3 == 0) kept.erase(kept.begin());
  }
  packer.reset();
  pool.reset();
  for (size_t i = 0; i < kept.size(); ++i) {
    int value = static_cast<int>(i + 1000 - kept.size()) % 251;
    ASSERT_TRUE(Holds(kept[i], value)) << i;
  }
}

TEST(BufferPackerTest, SmallBuffersLieSideBySide) {
  BufferPool pool;
  BufferPacker packer(&pool);
  Frozen first = Filled(&packer, 256, 1);
  Frozen second = Filled(&packer, 1, 2);
  Frozen third = Filled(&packer, 300, 3);
  EXPECT_TRUE(AlignedTo(first.data(), kBufferAlignment));
  EXPECT_EQ(second.data(), first.data() + 256);
  EXPECT_EQ(third.data(), second.data() + BufferPacker::kAlignment);
  EXPECT_FALSE(AlignedTo(third.data(), kBufferAlignment));
}

TEST(BufferPackerTest, LargeBuffersAreThePoolsOwn) {
  BufferPool pool;
  BufferPacker packer(&pool);
  for (size_t size : {BufferPacker::kMaxPackedBytes + 1, size_t{65536}, size_t{1} << 20}) {
    Unfrozen large = packer.Allocate(size);
    EXPECT_EQ(large.size(), size);
    EXPECT_TRUE(AlignedTo(large.data(), kBufferAlignment));
  }
}

TEST(BufferPackerTest, OneSlabIsEnoughWhenNothingIsKept) {
  BufferPool pool(0);  // what comes back to it is lost
  BufferPacker packer(&pool);
  const std::byte* place = Filled(&packer, 2048, 1).data();
  testing::AllocationCounter counter;
  for (int i = 1; i < 32; ++i) (void)packer.Allocate(2048);
  EXPECT_EQ(packer.Allocate(2048).data(), place) << "it starts over";
  EXPECT_EQ(counter.allocations(), 0u);
}

TEST(BufferPackerTest, TheSteadyStateAllocatesNothing) {
  BufferPool pool;
  BufferPacker packer(&pool);
  std::vector<Frozen> batch(512);
  auto round = [&] {
    for (Frozen& message : batch) message = packer.Allocate(256).Freeze();
    for (Frozen& message : batch) message = Frozen();
  };
  for (int i = 0; i < 3; ++i) round();
  testing::AllocationCounter counter;
  for (int i = 0; i < 100; ++i) round();
  EXPECT_EQ(counter.allocations(), 0u);
}

// Another thread lets go of parts while the next are made: a slab starts over only when they have
// been looked at for the last time.
TEST(BufferPackerThreadsTest, PartsAreLetGoOfAnywhere) {
  BufferPool pool;
  BufferPacker packer(&pool);
  for (int round = 0; round < 200; ++round) {
    std::vector<Frozen> batch;
    for (int i = 0; i < 40; ++i) batch.push_back(Filled(&packer, 1000, i));
    bool good = true;
    std::thread reader([&good, batch = std::move(batch)]() mutable {
      for (int i = 0; i < 40; ++i) good &= Holds(std::exchange(batch[i], Frozen()), i);
    });
    for (int i = 0; i < 200; ++i) (void)Filled(&packer, 1000, 255);
    reader.join();
    ASSERT_TRUE(good) << round;
  }
}

}  // namespace
}  // namespace faultline
