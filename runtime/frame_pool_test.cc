// Goal: frames are recycled by size, also when they die on another thread than the one they were
// made on; what a thread does not keep, at most a bounded number and nothing once it has ended,
// serves the others; blocks begin with a cache line and do not overlap. Method: addresses are
// compared; threads hand frames to each other (run under TSan too).
#include "runtime/frame_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/executor.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/allocation_counter.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using internal::FramePool;
using testing::AllocationCounter;
using testing::TestLoop;

constexpr bool kPooled = FAULTLINE_FRAME_POOL != 0;

using Addresses = std::set<uintptr_t>;

uintptr_t AddressOf(void* block) { return reinterpret_cast<uintptr_t>(block); }

// Blocks of one class, cut or recycled.
Addresses Take(size_t count, size_t size) {
  Addresses blocks;
  for (size_t i = 0; i < count; ++i) blocks.insert(AddressOf(FramePool::Allocate(size)));
  return blocks;
}

void GiveBack(const Addresses& blocks, size_t size) {
  for (uintptr_t block : blocks) FramePool::Free(reinterpret_cast<void*>(block), size);
}

TEST(FramePoolTest, RecyclesBlocksOfTheSameClass) {
  if (!kPooled) GTEST_SKIP() << "every frame goes to the heap under AddressSanitizer";
  void* first = FramePool::Allocate(65);
  FramePool::Free(first, 65);
  AllocationCounter counter;
  void* again = FramePool::Allocate(128);  // 65 to 128 bytes are one class
  EXPECT_EQ(again, first);
  void* other = FramePool::Allocate(128);
  EXPECT_NE(other, again);
  EXPECT_EQ(counter.allocations(), 0u) << "blocks do not come from the heap";
  FramePool::Free(again, 128);
  FramePool::Free(other, 128);
}

TEST(FramePoolTest, ABlockBeginsWithACacheLineAndHoldsItsWholeClass) {
  struct Block {
    std::byte* memory;
    size_t size;
    size_t usable;
    std::byte mark;
  };
  std::vector<Block> blocks;
  for (size_t size = 1; size <= 5000; size += 7) {
    auto* memory = static_cast<std::byte*>(FramePool::Allocate(size));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % FramePool::kGranularity, 0u) << size;
    // A smaller frame leaves its block to a larger one of its class.
    size_t usable = kPooled && size <= 4096 ? (size + 63) / 64 * 64 : size;
    std::byte mark = static_cast<std::byte>(blocks.size());
    std::memset(memory, static_cast<int>(mark), usable);
    blocks.push_back({memory, size, usable, mark});
  }
  for (const Block& block : blocks) {
    EXPECT_EQ(std::count(block.memory, block.memory + block.usable, block.mark),
              static_cast<ptrdiff_t>(block.usable));
    FramePool::Free(block.memory, block.size);
  }
}

TEST(FramePoolTest, KeepsNoLargeBlocks) {
  if (!kPooled) GTEST_SKIP() << "every frame goes to the heap under AddressSanitizer";
  AllocationCounter counter;
  FramePool::Free(FramePool::Allocate(4096), 4096);
  EXPECT_EQ(counter.allocations(), 0u);
  FramePool::Free(FramePool::Allocate(4097), 4097);
  EXPECT_EQ(counter.allocations(), 1u);
  EXPECT_EQ(counter.deallocations(), 1u);
}

// A thread in which frames die that others made does not hoard them.
TEST(FramePoolTest, WhatIsOverTheBoundServesOtherThreads) {
  if (!kPooled) GTEST_SKIP() << "every frame goes to the heap under AddressSanitizer";
  Addresses blocks = Take(FramePool::kMaxCachedPerClass + 1, 1000);
  GiveBack(blocks, 1000);
  std::thread([&blocks] {
    void* other = FramePool::Allocate(1000);
    EXPECT_TRUE(blocks.contains(AddressOf(other)));
    FramePool::Free(other, 1000);
  }).join();
}

TEST(FramePoolTest, UpToTheBoundBlocksStayWithTheThread) {
  if (!kPooled) GTEST_SKIP() << "every frame goes to the heap under AddressSanitizer";
  Addresses blocks = Take(FramePool::kMaxCachedPerClass, 1100);
  GiveBack(blocks, 1100);
  std::thread([&blocks] {
    void* other = FramePool::Allocate(1100);
    EXPECT_FALSE(blocks.contains(AddressOf(other)));
    FramePool::Free(other, 1100);
  }).join();
}

Task<int> Leaf(int value) {
  co_await Yield();
  co_return value;
}

Task<void> Sum(int rounds, int* sum) {
  for (int i = 0; i < rounds; ++i) *sum += co_await Leaf(1);
}

TEST(FramePoolTest, EachThreadHasItsOwn) {
  std::vector<int> sums(4);
  std::vector<std::thread> threads;
  for (int& sum : sums) {
    threads.emplace_back([&sum] {
      TestLoop loop;
      Scope root(loop.executor());
      for (int task = 0; task < 10; ++task) root.Spawn(Sum(500, &sum));
      loop.Run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sums, (std::vector<int>(4, 5000)));
}

// A task that is made on one shard and runs, or dies, on another.
TEST(FramePoolTest, AFrameMayDieOnAnotherThread) {
  int sum = 0;
  std::vector<Task<void>> tasks;
  std::thread([&] {
    for (int i = 0; i < 100; ++i) tasks.push_back(Sum(10, &sum));
  }).join();  // its cache is gone, its frames are not
  std::thread([&] {
    TestLoop loop;
    Scope root(loop.executor());
    for (int i = 0; i < 50; ++i) root.Spawn(std::move(tasks[i]));
    loop.Run();
    EXPECT_EQ(root.live(), 0u);
  }).join();
  tasks.clear();
  EXPECT_EQ(sum, 500);
}

// What a thread has cached serves the next one, and so does a frame that dies after the cache.
TEST(FramePoolTest, AThreadThatEndsGivesEverythingBack) {
  if (!kPooled) GTEST_SKIP() << "every frame goes to the heap under AddressSanitizer";
  constexpr size_t kCached = 100;
  constexpr size_t kSize = 3000;  // a class of this test's own
  struct Late {
    ~Late() { GiveBack(blocks, kSize); }
    Addresses blocks;
  };
  Addresses blocks;
  std::thread([&blocks] {
    static thread_local Late late;  // made before the cache, so destroyed after it
    (void)&late;
    blocks = Take(kCached + 1, kSize);
    late.blocks = {*blocks.begin()};
    GiveBack({std::next(blocks.begin()), blocks.end()}, kSize);
  }).join();
  std::thread([&blocks] {
    Addresses again = Take(kCached + 1, kSize);
    EXPECT_EQ(again, blocks);
    GiveBack(again, kSize);
  }).join();
}

}  // namespace
}  // namespace faultline
