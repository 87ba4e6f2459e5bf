// Goal: frames are recycled by size, within a bound, also when they die on another thread than the
// one they were made on, and are given back when a thread ends. Method: the heap's allocations are
// counted; threads hand frames to each other (run under TSan too).
#include "runtime/frame_pool.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstddef>
#include <cstring>
#include <optional>
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

TEST(FramePoolTest, RecyclesBlocksOfTheSameClass) {
  if (!kPooled) GTEST_SKIP() << "every frame goes to the heap under AddressSanitizer";
  void* first = FramePool::Allocate(65);
  FramePool::Free(first, 65);
  AllocationCounter counter;
  void* again = FramePool::Allocate(128);  // 65 to 128 bytes are one class
  EXPECT_EQ(again, first);
  EXPECT_EQ(counter.allocations(), 0u);
  void* other = FramePool::Allocate(128);
  EXPECT_NE(other, again);
  EXPECT_EQ(counter.allocations(), 1u);
  FramePool::Free(again, 128);
  FramePool::Free(other, 128);
}

TEST(FramePoolTest, ABlockHoldsItsWholeClass) {
  std::vector<std::pair<void*, size_t>> blocks;
  for (size_t size = 1; size <= 5000; size += 7) {
    void* block = FramePool::Allocate(size);
    std::memset(block, 0xab, size);
    // A smaller frame leaves its block to a larger one of its class.
    size_t class_size = kPooled && size <= 4096 ? (size + 63) / 64 * 64 : size;
    EXPECT_GE(malloc_usable_size(block), class_size);
    blocks.emplace_back(block, size);
  }
  for (auto [block, size] : blocks) FramePool::Free(block, size);
}

TEST(FramePoolTest, KeepsNoLargeBlocks) {
  if (!kPooled) GTEST_SKIP() << "every frame goes to the heap under AddressSanitizer";
  FramePool::Free(FramePool::Allocate(4096), 4096);
  FramePool::Free(FramePool::Allocate(4097), 4097);
  AllocationCounter counter;
  FramePool::Free(FramePool::Allocate(4096), 4096);
  EXPECT_EQ(counter.allocations(), 0u);
  FramePool::Free(FramePool::Allocate(4097), 4097);
  EXPECT_EQ(counter.allocations(), 1u);
}

TEST(FramePoolTest, KeepsABoundedNumber) {
  if (!kPooled) GTEST_SKIP() << "every frame goes to the heap under AddressSanitizer";
  constexpr size_t kBlocks = 20000;
  constexpr size_t kKept = 16384;
  std::vector<void*> blocks(kBlocks);
  auto allocate = [&] {
    for (void*& block : blocks) block = FramePool::Allocate(1000);
  };
  auto free = [&] {
    for (void* block : blocks) FramePool::Free(block, 1000);
  };
  allocate();
  free();
  AllocationCounter counter;
  allocate();
  EXPECT_EQ(counter.allocations(), kBlocks - kKept);
  free();
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

// What a thread has cached goes back with it, and so does a frame that dies after the cache.
TEST(FramePoolTest, AThreadThatEndsGivesEverythingBack) {
  struct Late {
    std::optional<Task<void>> task;
  };
  int unused = 0;
  AllocationCounter counter;
  std::thread([&unused] {
    static thread_local Late late;  // made before the cache, so destroyed after it
    (void)&late;
    late.task.emplace(Sum(1, &unused));
    std::vector<Task<void>> cached;
    for (int i = 0; i < 100; ++i) cached.push_back(Sum(1, &unused));
  }).join();
  EXPECT_GE(counter.allocations(), 101u);
  EXPECT_EQ(counter.deallocations(), counter.allocations());
}

}  // namespace
}  // namespace faultline
