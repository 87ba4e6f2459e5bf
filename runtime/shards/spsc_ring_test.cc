// Goal: a ring passes each item once and in order from one thread to another, and never holds more
// than it should.
// Method: a producer and a consumer at full speed, with rings of several sizes. Run under
// ThreadSanitizer too.
#include "runtime/shards/spsc_ring.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace faultline::shards {
namespace {

TEST(SpscRing, HoldsExactlyItsCapacity) {
  for (size_t capacity : {1u, 2u, 3u, 7u, 8u}) {
    SpscRing<int> ring(capacity);
    for (size_t round = 0; round < 5; ++round) {
      for (size_t i = 0; i < capacity; ++i) {
        int item = static_cast<int>(i);
        EXPECT_TRUE(ring.TryPush(&item));
      }
      int more = -1;
      EXPECT_FALSE(ring.TryPush(&more));
      for (size_t i = 0; i < capacity; ++i) {
        int item = -1;
        EXPECT_TRUE(ring.TryPop(&item));
        EXPECT_EQ(item, static_cast<int>(i));
      }
      EXPECT_FALSE(ring.TryPop(&more));
    }
  }
}

TEST(SpscRing, AnItemIsMovedFromOnlyOnSuccess) {
  SpscRing<std::unique_ptr<int>> ring(1);
  auto first = std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);
  EXPECT_TRUE(ring.TryPush(&first));
  EXPECT_EQ(first, nullptr);
  EXPECT_FALSE(ring.TryPush(&second));
  EXPECT_NE(second, nullptr);
}

TEST(SpscRing, ItemsCrossThreadsOnceAndInOrder) {
  constexpr int kItems = 20'000;
  for (size_t capacity : {1u, 3u, 256u}) {
    SpscRing<std::unique_ptr<int>> ring(capacity);
    std::thread producer([&ring] {
      for (int i = 0; i < kItems; ++i) {
        auto item = std::make_unique<int>(i);
        while (!ring.TryPush(&item)) std::this_thread::yield();
      }
    });
    bool in_order = true;
    for (int i = 0; i < kItems; ++i) {
      std::unique_ptr<int> item;
      while (!ring.TryPop(&item)) std::this_thread::yield();
      in_order = in_order && *item == i;
    }
    producer.join();
    EXPECT_TRUE(in_order) << "capacity " << capacity;
    std::unique_ptr<int> none;
    EXPECT_FALSE(ring.TryPop(&none));
  }
}

}  // namespace
}  // namespace faultline::shards
