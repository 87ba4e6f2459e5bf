// Goal: buffers are aligned, shared without copies, returned to their pool by whoever lets go last
// on whichever thread, within the pool's bound; a batch feeds vectored writes without copying.
// Method: addresses and counts; threads that share and release (run under TSan and ASan too); a
// batch consumed in drawn portions against the bytes that it should yield.
#include "runtime/frozen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/testing/allocation_counter.h"

namespace faultline {
namespace {

using testing::AllocationCounter;

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Text(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

bool Aligned(const std::byte* data) {
  return reinterpret_cast<uintptr_t>(data) % kBufferAlignment == 0;
}

TEST(BufferPoolTest, BuffersAreAlignedAndOfTheSizeAskedFor) {
  BufferPool pool;
  for (size_t size : {0, 1, 255, 4095, 4096, 4097, 8192, 8193, 65536, 1 << 20, (1 << 20) + 1}) {
    Unfrozen buffer = pool.Allocate(size);
    EXPECT_EQ(buffer.size(), size);
    EXPECT_EQ(buffer.bytes().size(), size);
    ASSERT_TRUE(Aligned(buffer.data())) << size;
    std::memset(buffer.data(), 0x5a, size);  // all of it is ours (ASan looks on)
  }
}

TEST(BufferPoolTest, RecyclesBySize) {
  BufferPool pool;
  const std::byte* first = pool.Allocate(5000).data();
  EXPECT_EQ(pool.cached_bytes(), 8192u);
  AllocationCounter counter;
  EXPECT_EQ(pool.Allocate(8192).data(), first);
  Unfrozen other = pool.Allocate(4096);
  EXPECT_NE(other.data(), first);
  EXPECT_EQ(pool.cached_bytes(), 8192u);
  Unfrozen taken = pool.Allocate(4097);
  EXPECT_EQ(taken.data(), first);
  EXPECT_EQ(pool.cached_bytes(), 0u);
  EXPECT_EQ(counter.allocations(), 2u);  // a block and its buffer, for `other`
}

TEST(BufferPoolTest, KeepsNoMoreThanItMay) {
  BufferPool pool(10000);
  std::vector<Unfrozen> buffers;
  for (int i = 0; i < 5; ++i) buffers.push_back(pool.Allocate(4096));
  buffers.clear();
  EXPECT_EQ(pool.cached_bytes(), 8192u);
  BufferPool none(0);
  (void)none.Allocate(1);
  EXPECT_EQ(none.cached_bytes(), 0u);
}

TEST(BufferPoolTest, KeepsNoLargeBuffers) {
  BufferPool pool;
  (void)pool.Allocate((1 << 20) + 1);
  EXPECT_EQ(pool.cached_bytes(), 0u);
  (void)pool.Allocate(1 << 20);
  EXPECT_EQ(pool.cached_bytes(), size_t{1} << 20);
}

TEST(BufferPoolDeathTest, NoBufferIsLargerThanMemory) {
  BufferPool pool;
  EXPECT_DEATH((void)pool.Allocate(SIZE_MAX - 100), "no buffer has");
}

TEST(BufferPoolTest, MayDieBeforeItsBuffers) {
  Frozen message;
  {
    BufferPool pool;
    message = pool.Copy(Bytes("outlives"));
    (void)pool.Allocate(100);  // one that is free when the pool dies
  }
  EXPECT_EQ(Text(message.bytes()), "outlives");
}

TEST(FrozenTest, FreezingKeepsTheBytesInPlace) {
  BufferPool pool;
  Unfrozen draft = pool.Allocate(10);
  std::memcpy(draft.data(), "0123456789", 10);
  const std::byte* place = draft.data();
  draft.Truncate(7);
  Frozen message = std::move(draft).Freeze();
  EXPECT_EQ(message.data(), place);
  EXPECT_EQ(Text(message.bytes()), "0123456");
}

TEST(FrozenTest, CopiesShare) {
  BufferPool pool;
  Frozen first = pool.Copy(Bytes("shared"));
  {
    Frozen second = first;
    EXPECT_EQ(second.data(), first.data());
    Frozen third = std::move(second);
    EXPECT_EQ(third.data(), first.data());
    EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move): what is left is defined
    first = Frozen();
    EXPECT_EQ(Text(third.bytes()), "shared");
    EXPECT_EQ(pool.cached_bytes(), 0u);  // still in use
    Frozen& same = third;
    third = same;
    EXPECT_EQ(Text(third.bytes()), "shared");
  }
  EXPECT_EQ(pool.cached_bytes(), 4096u);
}

TEST(FrozenTest, ASliceKeepsTheWholeAlive) {
  BufferPool pool;
  Frozen message = pool.Copy(Bytes("header body"));
  Frozen body = message.Slice(7, 4);
  Frozen tail = body.Slice(2, 2);
  Frozen nothing = message.Slice(11, 0);
  message = Frozen();
  body = Frozen();
  EXPECT_EQ(Text(tail.bytes()), "dy");
  EXPECT_TRUE(nothing.empty());
  EXPECT_EQ(pool.cached_bytes(), 0u);
}

TEST(FrozenDeathTest, SlicesLieWithinAndBuffersDoNotGrow) {
  BufferPool pool;
  Frozen message = pool.Copy(Bytes("12345"));
  EXPECT_DEATH(message.Slice(6, 0), "a slice lies within its buffer");
  EXPECT_DEATH(message.Slice(2, 4), "a slice lies within its buffer");
  EXPECT_DEATH(message.Slice(1, SIZE_MAX), "a slice lies within its buffer");
  EXPECT_DEATH(pool.Allocate(5).Truncate(6), "a buffer does not grow");
}

TEST(FrozenTest, EmptyOnesHoldNothing) {
  Frozen nothing;
  EXPECT_EQ(nothing.size(), 0u);
  EXPECT_TRUE(nothing.bytes().empty());
  Frozen copy = nothing;
  EXPECT_TRUE(std::move(Unfrozen()).Freeze().empty());
  BufferPool pool;
  EXPECT_TRUE(pool.Copy({}).empty());
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// A buffer that went back must not be touched: the sanitizer sees it although the pool keeps it.
TEST(FrozenDeathTest, AFreeBufferIsPoisoned) {
  BufferPool pool;
  std::byte* stale = pool.Allocate(100).data();
  EXPECT_DEATH(*static_cast<volatile std::byte*>(stale) = std::byte{1}, "use-after-poison");
}
#endif
#endif

// One thread allocates, many share and let go: nothing is lost, freed twice or torn.
TEST(FrozenThreadsTest, BuffersComeBackFromAnyThread) {
  constexpr size_t kThreads = 4;
  constexpr int kMessages = 2000;
  std::optional<BufferPool> pool(std::in_place, size_t{1} << 20);
  struct Inbox {
    std::atomic<int> ready{0};
    std::vector<Frozen> messages;
  };
  std::vector<Inbox> inboxes(kThreads);
  for (Inbox& inbox : inboxes) inbox.messages.resize(kMessages);
  std::vector<int> good(kThreads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([inbox = &inboxes[i], good = &good[i]] {
      for (int next = 0; next < kMessages; ++next) {
        while (inbox->ready.load(std::memory_order_acquire) <= next) std::this_thread::yield();
        Frozen message = std::move(inbox->messages[next]);
        Frozen part = message.Slice(0, 4);
        message = Frozen();
        int number = 0;
        std::memcpy(&number, part.data(), sizeof(number));
        *good += number == next ? 1 : 0;
      }
    });
  }
  for (int number = 0; number < kMessages; ++number) {
    Unfrozen draft = pool->Allocate(number % 3 == 0 ? 8192 : 256);
    std::memcpy(draft.data(), &number, sizeof(number));
    Frozen message = std::move(draft).Freeze();
    for (Inbox& inbox : inboxes) {
      inbox.messages[number] = message;
      inbox.ready.store(number + 1, std::memory_order_release);
    }
    EXPECT_LE(pool->cached_bytes(), size_t{1} << 20);
  }
  pool.reset();  // while others still hold its buffers
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, std::vector<int>(kThreads, kMessages));
}

TEST(FrozenThreadsTest, TheBoundHoldsWhenManyGiveBackAtOnce) {
  constexpr size_t kLimit = 16 * 4096;
  BufferPool pool(kLimit);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::vector<Frozen>> shares(4);
    for (auto& share : shares) {
      for (int i = 0; i < 16; ++i) share.push_back(pool.Allocate(100).Freeze());
    }
    std::vector<std::thread> threads;
    for (auto& share : shares) threads.emplace_back([&share] { share.clear(); });
    for (std::thread& thread : threads) thread.join();
    ASSERT_LE(pool.cached_bytes(), kLimit);
  }
}

// What other threads let go of is used again, and what they hold when the pool dies is freed.
TEST(FrozenThreadsTest, BuffersOfOtherThreadsAreUsedAgain) {
  std::optional<BufferPool> pool(std::in_place);
  std::vector<Frozen> shares;
  for (int i = 0; i < 100; ++i) shares.push_back(pool->Allocate(100).Freeze());
  std::thread([shares = std::move(shares)]() mutable { shares.clear(); }).join();
  EXPECT_EQ(pool->cached_bytes(), 100u * 4096);
  AllocationCounter counter;
  for (int i = 0; i < 100; ++i) {
    Unfrozen again = pool->Allocate(100);
    std::memset(again.data(), i, 100);
  }
  EXPECT_EQ(counter.allocations(), 0u);
  Frozen last = pool->Copy(Bytes("last"));
  pool.reset();
  std::thread([last = std::move(last)] { EXPECT_EQ(Text(last.bytes()), "last"); }).join();
}

// The pool is closed while another thread gives back: each buffer is freed once (ASan looks on).
TEST(FrozenThreadsTest, ThePoolMayDieWhileOthersGiveBack) {
  for (int round = 0; round < 200; ++round) {
    std::optional<BufferPool> pool(std::in_place);
    std::vector<Frozen> shares;
    for (int i = 0; i < 50; ++i) shares.push_back(pool->Allocate(100).Freeze());
    std::atomic<int> given_back{0};
    std::thread other([&given_back, shares = std::move(shares)]() mutable {
      while (!shares.empty()) {
        shares.pop_back();
        given_back.fetch_add(1);
      }
    });
    while (given_back.load() < round % 50) std::this_thread::yield();
    pool.reset();
    other.join();
    ASSERT_EQ(given_back.load(), 50);
  }
}

TEST(FrozenThreadsDeathTest, OneThreadAllocates) {
  BufferPool pool;
  (void)pool.Allocate(1);
  EXPECT_DEATH(std::thread([&pool] { (void)pool.Allocate(1); }).join(), "one thread allocates");
}

TEST(FrozenThreadsTest, AnyThreadMayBeTheOneThatAllocates) {
  BufferPool pool;
  std::thread([&pool] { (void)pool.Allocate(1); }).join();
  EXPECT_EQ(pool.cached_bytes(), 4096u);
}

TEST(SlabTest, PartsShareItAndKeepItAlive) {
  BufferPool pool;
  Frozen head;
  Frozen tail;
  {
    Slab slab(pool.Allocate(1000));
    EXPECT_EQ(slab.size(), 1000u);
    EXPECT_TRUE(slab.unshared());
    std::memcpy(slab.data(), "head, tail", 10);
    head = slab.Share(0, 4);
    tail = slab.Share(6, 4);
    EXPECT_EQ(tail.data(), slab.data() + 6);
    EXPECT_FALSE(slab.unshared());
    Frozen copy = head;
    head = Frozen();
    tail = Frozen();
    EXPECT_FALSE(slab.unshared()) << "a copy is left";
    copy = Frozen();
    EXPECT_TRUE(slab.unshared());
    head = slab.Share(0, 4);
    tail = head.Slice(1, 2);
  }
  EXPECT_EQ(pool.cached_bytes(), 0u);
  head = Frozen();
  EXPECT_EQ(Text(tail.bytes()), "ea");
  tail = Frozen();
  EXPECT_EQ(pool.cached_bytes(), 4096u);
}

TEST(SlabTest, LendsPartsToBeFilled) {
  BufferPool pool;
  Slab slab(pool.Allocate(100));
  Unfrozen draft = slab.Lend(50, 5);
  std::memcpy(draft.data(), "later", 5);
  Frozen part = std::move(draft).Freeze();
  Slab moved = std::move(slab);
  EXPECT_EQ(slab.size(), 0u);  // NOLINT(bugprone-use-after-move): what is left is defined
  EXPECT_EQ(part.data(), moved.data() + 50);
  EXPECT_EQ(Text(part.bytes()), "later");
  EXPECT_FALSE(moved.unshared());
}

// More parts than are taken from the count at a time.
TEST(SlabTest, HasNoEndOfParts) {
  BufferPool pool;
  Slab slab(pool.Allocate(100));
  std::vector<Frozen> parts;
  for (int i = 0; i < 200'000; ++i) parts.push_back(slab.Share(0, 1));
  parts.erase(parts.begin(), parts.end() - 1);
  EXPECT_FALSE(slab.unshared());
  parts.clear();
  EXPECT_TRUE(slab.unshared());
  slab = Slab();
  EXPECT_EQ(pool.cached_bytes(), 4096u);
}

TEST(SlabDeathTest, PartsLieWithin) {
  BufferPool pool;
  Slab slab(pool.Allocate(100));
  EXPECT_DEATH((void)slab.Share(101, 0), "a part lies within its slab");
  EXPECT_DEATH((void)slab.Lend(50, 51), "a part lies within its slab");
  EXPECT_DEATH((void)slab.Share(1, SIZE_MAX), "a part lies within its slab");
}

// Parts are copied, looked at and let go of on other threads, while the owner fills the rest; it
// starts over when they are all gone. What they saw was theirs (TSan looks on).
TEST(SlabThreadsTest, PartsLiveOnOtherThreads) {
  constexpr int kParts = 64;
  constexpr size_t kPart = 64;
  BufferPool pool;
  Slab slab(pool.Allocate(kParts * kPart));
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(slab.unshared()) << round;
    std::atomic<int> ready{0};
    std::vector<Frozen> parts(kParts);
    int good = 0;
    std::thread other([&] {
      for (int i = 0; i < kParts; ++i) {
        while (ready.load(std::memory_order_acquire) <= i) std::this_thread::yield();
        Frozen part = std::move(parts[i]);
        Frozen copy = part;
        part = Frozen();
        good += copy.bytes().back() == static_cast<std::byte>(round + i) ? 1 : 0;
      }
    });
    for (int i = 0; i < kParts; ++i) {
      std::memset(slab.data() + i * kPart, round + i, kPart);
      parts[i] = slab.Share(i * kPart, kPart);
      ready.store(i + 1, std::memory_order_release);
    }
    while (!slab.unshared()) std::this_thread::yield();
    std::memset(slab.data(), 0, slab.size());
    other.join();
    ASSERT_EQ(good, kParts);
  }
}

TEST(FrozenBatchTest, FeedsAVectoredWriteWithoutCopying) {
  BufferPool pool;
  Frozen header = pool.Copy(Bytes("head"));
  Frozen body = pool.Copy(Bytes("body!"));
  FrozenBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.Add(header);
  batch.Add(Frozen());  // takes no room on the wire
  batch.Add(body);
  EXPECT_EQ(batch.size(), 3u);
  EXPECT_EQ(batch.bytes(), 9u);
  ASSERT_EQ(batch.buffers().size(), 2u);
  EXPECT_EQ(batch.buffers()[0].iov_base, header.data());
  EXPECT_EQ(batch.buffers()[1].iov_base, body.data());
  EXPECT_EQ(batch.buffers()[1].iov_len, 5u);
  batch.Consume(4);
  EXPECT_EQ(batch.buffers().size(), 1u);
  batch.Consume(2);
  EXPECT_EQ(batch.buffers()[0].iov_base, body.data() + 2);
  EXPECT_EQ(batch.bytes(), 3u);
  EXPECT_FALSE(batch.empty());
  batch.Consume(3);
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.bytes(), 0u);
  EXPECT_EQ(batch.messages()[2].data(), body.data());  // kept until the batch is cleared
}

TEST(FrozenBatchTest, ClearLetsGo) {
  BufferPool pool;
  FrozenBatch batch;
  batch.Add(pool.Copy(Bytes("message")));
  batch.Consume(3);
  batch.Clear();
  EXPECT_EQ(pool.cached_bytes(), 4096u);
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.size(), 0u);
  EXPECT_EQ(batch.bytes(), 0u);
  batch.Add(pool.Copy(Bytes("next")));
  EXPECT_EQ(Text(batch.messages()[0].bytes()), "next");
  EXPECT_EQ(batch.buffers().size(), 1u);
}

TEST(FrozenBatchTest, PartsOfOneBufferThatLieBehindEachOtherGoAsOne) {
  BufferPool pool;
  Frozen whole = pool.Copy(Bytes("one two three four"));
  FrozenBatch batch;
  batch.Add(whole.Slice(0, 4));
  batch.Add(whole.Slice(4, 4));
  EXPECT_EQ(batch.size(), 2u);
  ASSERT_EQ(batch.buffers().size(), 1u);
  EXPECT_EQ(batch.buffers()[0].iov_base, whole.data());
  EXPECT_EQ(batch.buffers()[0].iov_len, 8u);
  batch.Add(whole.Slice(9, 5));  // a gap
  ASSERT_EQ(batch.buffers().size(), 2u);
  batch.Consume(8);
  batch.Add(whole.Slice(14, 4));
  ASSERT_EQ(batch.buffers().size(), 1u);
  EXPECT_EQ(batch.buffers()[0].iov_len, 9u);
  batch.Consume(9);
  EXPECT_TRUE(batch.empty());
  batch.Add(whole.Slice(0, 4));  // behind nothing that is left to write
  EXPECT_EQ(batch.buffers().size(), 1u);
  EXPECT_EQ(batch.bytes(), 4u);
}

// Where the pool has put two buffers is chance, and must not be seen.
TEST(FrozenBatchTest, NeighboursOfTwoBuffersStayTwo) {
  BufferPool pool;
  std::vector<Frozen> pages;
  for (int i = 0; i < 64; ++i) pages.push_back(pool.Copy(Bytes(std::string(4096, 'x'))));
  std::sort(pages.begin(), pages.end(),
            [](const Frozen& a, const Frozen& b) { return a.data() < b.data(); });
  FrozenBatch batch;
  for (const Frozen& page : pages) batch.Add(page);
  EXPECT_EQ(batch.buffers().size(), 64u);
}

TEST(FrozenBatchTest, EmptyMessagesAloneLeaveNothingToWrite) {
  FrozenBatch batch;
  batch.Add(Frozen());
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.size(), 1u);
  batch.Consume(0);
}

TEST(FrozenBatchTest, YieldsItsBytesInOrderHoweverTheyAreTaken) {
  BufferPool pool;
  uint64_t state = 3;
  auto draw = [&state](size_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((state >> 33) % bound);
  };
  FrozenBatch batch;
  for (int round = 0; round < 50; ++round) {
    std::string expected;
    for (size_t i = draw(30); i > 0; --i) {
      std::string text(draw(20), static_cast<char>('a' + draw(26)));
      expected += text;
      batch.Add(pool.Copy(Bytes(text)));
    }
    std::string taken;
    while (!batch.empty()) {
      size_t portion = 1 + draw(std::min<size_t>(batch.bytes(), 40));
      std::string next;
      for (const iovec& buffer : batch.buffers()) {
        next.append(static_cast<const char*>(buffer.iov_base), buffer.iov_len);
      }
      ASSERT_EQ(next.size(), batch.bytes());
      taken += next.substr(0, portion);
      batch.Consume(portion);
    }
    ASSERT_EQ(taken, expected);
    batch.Clear();
  }
}

TEST(FrozenBatchDeathTest, IsBounded) {
  FrozenBatch batch;
  for (size_t i = 0; i < FrozenBatch::kMaxBuffers; ++i) batch.Add(Frozen());
  EXPECT_TRUE(batch.full());
  EXPECT_DEATH(batch.Add(Frozen()), "a batch holds 512 messages");
  EXPECT_DEATH(batch.Consume(1), "more was written than there was");
}

}  // namespace
}  // namespace faultline
