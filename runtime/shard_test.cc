// Goal: what a shard promises of its mailboxes whatever world they are in: order, bounds, turns,
// stops, the end.
// Method: three shards of one thread, over mailboxes that are plain queues; the test decides when a
// shard looks at them.
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/scope.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

constexpr uint32_t kShards = 3;
constexpr size_t kCapacity = 2;

struct Queues {
  std::deque<Parcel> boxes[kShards][kShards];
  bool closed[kShards] = {};
  bool stopped = false;
};

class QueueLink final : public ShardLink {
 public:
  QueueLink(Queues* queues, uint32_t index) : queues_(queues), index_(index) {}
  Push TryPush(uint32_t to, Parcel* parcel, bool await_room) override {
    if (queues_->closed[to]) return Push::kEnded;
    std::deque<Parcel>& box = queues_->boxes[index_][to];
    if (box.size() == kCapacity) {
      asked_for_room = asked_for_room || await_room;
      return Push::kFull;
    }
    box.push_back(std::move(*parcel));
    return Push::kTaken;
  }
  bool TryPop(uint32_t from, Parcel* into) override {
    std::deque<Parcel>& box = queues_->boxes[from][index_];
    if (box.empty()) return false;
    *into = std::move(box.front());
    box.pop_front();
    return true;
  }
  void Close() override { queues_->closed[index_] = true; }
  void RequestStop() override { queues_->stopped = true; }

  bool asked_for_room = false;

 private:
  Queues* const queues_;
  const uint32_t index_;
};

class ShardTest : public ::testing::Test {
 protected:
  ShardTest() {
    for (uint32_t i = 0; i < kShards; ++i) {
      links_.push_back(std::make_unique<QueueLink>(&queues_, i));
      shards_.push_back(std::make_unique<Shard>(
          i, kShards, Runtime{.executor = loop_.executor(), .clock = loop_.clock()},
          links_[i].get()));
    }
  }

  testing::TestLoop loop_;
  Queues queues_;
  std::vector<std::unique_ptr<QueueLink>> links_;
  std::vector<std::unique_ptr<Shard>> shards_;
  Scope root_{loop_.executor()};
};

Task<void> SendNumbers(Shard* shard, uint32_t to, int first, int last,
                       std::vector<absl::Status>* sent) {
  for (int i = first; i <= last; ++i) sent->push_back(co_await shard->Send(to, Parcel::Of(i)));
}

struct Seen {
  std::vector<std::pair<uint32_t, int>> numbers;
  absl::Status last;
};

Task<void> ReceiveNumbers(Shard* shard, size_t count, Seen* seen) {
  for (size_t i = 0; i < count; ++i) {
    absl::StatusOr<Delivery> next = co_await shard->Receive();
    seen->last = next.status();
    if (!next.ok()) co_return;
    seen->numbers.emplace_back(next->from, std::move(next->parcel).Take<int>());
  }
}

TEST_F(ShardTest, ParcelsArriveOnceAndInOrder) {
  std::vector<absl::Status> sent;
  Seen seen;
  root_.Spawn(SendNumbers(shards_[0].get(), 1, 1, 100, &sent));
  root_.Spawn(ReceiveNumbers(shards_[1].get(), 100, &seen));
  while (root_.live() > 0) {
    loop_.RunReady();
    for (auto& shard : shards_) shard->Look();
  }
  ASSERT_EQ(seen.numbers.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen.numbers[i], std::make_pair(0u, i + 1));
}

TEST_F(ShardTest, ASendWaitsForRoomAndAsksForIt) {
  std::vector<absl::Status> sent;
  root_.Spawn(SendNumbers(shards_[0].get(), 1, 1, 3, &sent));
  loop_.RunReady();
  EXPECT_EQ(sent.size(), kCapacity);
  EXPECT_TRUE(links_[0]->asked_for_room);
  EXPECT_TRUE(shards_[0]->waiting());
  EXPECT_EQ(std::move(shards_[1]->TryReceive()->parcel).Take<int>(), 1);
  shards_[0]->Look();
  loop_.RunReady();
  EXPECT_EQ(sent.size(), 3u);
  EXPECT_FALSE(shards_[0]->waiting());
}

TEST_F(ShardTest, NobodyOvertakesThoseWhoWaitForRoom) {
  std::vector<absl::Status> sent;
  root_.Spawn(SendNumbers(shards_[0].get(), 1, 1, 3, &sent));
  loop_.RunReady();
  (void)shards_[1]->TryReceive();  // there is room, and somebody waits for it
  Parcel parcel = Parcel::Of(99);
  EXPECT_FALSE(shards_[0]->TrySend(1, parcel));
  EXPECT_FALSE(parcel.empty()) << "moved from only on success";
  std::vector<absl::Status> later;
  root_.Spawn(SendNumbers(shards_[0].get(), 1, 50, 50, &later));
  loop_.RunReady();
  EXPECT_TRUE(later.empty());
  for (int expected : {2, 3, 50}) {
    shards_[0]->Look();
    EXPECT_EQ(std::move(shards_[1]->TryReceive()->parcel).Take<int>(), expected);
  }
}

TEST_F(ShardTest, OneFullMailboxHoldsUpNoOther) {
  std::vector<absl::Status> full;
  std::vector<absl::Status> free;
  root_.Spawn(SendNumbers(shards_[0].get(), 1, 1, 3, &full));
  root_.Spawn(SendNumbers(shards_[0].get(), 2, 1, 2, &free));
  loop_.RunReady();
  EXPECT_EQ(full.size(), 2u);
  EXPECT_EQ(free.size(), 2u);
}

TEST_F(ShardTest, ShardsThatHaveSentTakeTurns) {
  std::vector<absl::Status> sent;
  for (uint32_t from : {0u, 1u, 2u}) {
    root_.Spawn(SendNumbers(shards_[from].get(), 1, 10, 11, &sent));
  }
  loop_.RunReady();
  std::vector<uint32_t> order;
  while (std::optional<Delivery> next = shards_[1]->TryReceive()) order.push_back(next->from);
  EXPECT_EQ(order, (std::vector<uint32_t>{0, 1, 2, 0, 1, 2}));
}

TEST_F(ShardTest, AShardMaySendToItself) {
  std::vector<absl::Status> sent;
  Seen seen;
  root_.Spawn(ReceiveNumbers(shards_[2].get(), 1, &seen));
  loop_.RunReady();
  root_.Spawn(SendNumbers(shards_[2].get(), 2, 5, 5, &sent));
  loop_.RunReady();
  shards_[2]->Look();
  loop_.RunReady();
  EXPECT_EQ(seen.numbers, (std::vector<std::pair<uint32_t, int>>{{2, 5}}));
}

TEST_F(ShardTest, AStoppedSendWasNotSent) {
  std::vector<absl::Status> sent;
  root_.Spawn(SendNumbers(shards_[0].get(), 1, 1, 3, &sent));
  loop_.RunReady();
  root_.RequestStop();
  loop_.RunReady();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_TRUE(absl::IsCancelled(sent[2]));
  EXPECT_EQ(queues_.boxes[0][1].size(), kCapacity);
  EXPECT_FALSE(shards_[0]->waiting());
}

TEST_F(ShardTest, AStoppedReceiveTakesNothing) {
  Seen seen;
  root_.Spawn(ReceiveNumbers(shards_[1].get(), 1, &seen));
  loop_.RunReady();
  root_.RequestStop();
  loop_.RunReady();
  EXPECT_TRUE(absl::IsCancelled(seen.last));
  Parcel parcel = Parcel::Of(4);
  ASSERT_TRUE(shards_[0]->TrySend(1, parcel));
  EXPECT_EQ(std::move(shards_[1]->TryReceive()->parcel).Take<int>(), 4);
}

TEST_F(ShardTest, WhatWasHandedToAReceiverIsItsOwnInSpiteOfAStop) {
  Seen seen;
  root_.Spawn(ReceiveNumbers(shards_[1].get(), 1, &seen));
  loop_.RunReady();
  Parcel parcel = Parcel::Of(4);
  ASSERT_TRUE(shards_[0]->TrySend(1, parcel));
  shards_[1]->Look();
  root_.RequestStop();
  loop_.RunReady();
  EXPECT_EQ(seen.numbers.size(), 1u);
}

Task<absl::Status> SendOne(Shard* shard, uint32_t to) {
  co_return co_await shard->Send(to, Parcel::Of(1));
}

Task<void> SendWithin(Shard* shard, uint32_t to, Duration time, absl::Status* sent) {
  Clock* clock = shard->runtime().clock;
  *sent = co_await Deadline(clock, clock->Now() + time, SendOne(shard, to));
}

TEST_F(ShardTest, ADeadlineEndsAWaitForRoom) {
  std::vector<absl::Status> sent;
  absl::Status late;
  root_.Spawn(SendNumbers(shards_[0].get(), 1, 1, 2, &sent));
  root_.Spawn(SendWithin(shards_[0].get(), 1, 5ms, &late));
  loop_.Run();
  EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
}

TEST_F(ShardTest, NobodySendsToAShardThatHasEnded) {
  std::vector<absl::Status> sent;
  root_.Spawn(SendNumbers(shards_[0].get(), 1, 1, 3, &sent));
  loop_.RunReady();
  shards_[1]->End();
  shards_[0]->Look();
  loop_.RunReady();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_TRUE(absl::IsFailedPrecondition(sent[2])) << sent[2];
  EXPECT_EQ(sent[2].message(), "shard 1 has ended");
  Parcel parcel = Parcel::Of(4);
  EXPECT_FALSE(shards_[0]->TrySend(1, parcel));
  EXPECT_EQ(shards_[1]->undelivered(), 2u);
}

TEST_F(ShardTest, WhatComesAfterTheEndIsDestroyedAndCounted) {
  shards_[1]->End();
  auto value = std::make_shared<int>(7);
  queues_.boxes[2][1].push_back(Parcel::Of(value));  // pushed before its sender saw the end
  EXPECT_EQ(value.use_count(), 2);
  shards_[1]->Look();
  EXPECT_EQ(value.use_count(), 1);
  EXPECT_EQ(shards_[1]->undelivered(), 1u);
}

TEST_F(ShardTest, TasksOfOtherShardsAreOurBug) {
  testing::TestLoop other;
  Seen seen;
  EXPECT_DEATH((void)other.RunToEnd(ReceiveNumbers(shards_[1].get(), 1, &seen)),
               "belong to its own tasks");
}

TEST(ShardsReport, NamesTheFirstErrorAndPrefersOneThatIsNotAStop) {
  ShardsReport report;
  report.shards = {{absl::OkStatus(), 1}, {absl::OkStatus(), 2}};
  EXPECT_TRUE(report.status().ok());
  EXPECT_EQ(report.undelivered(), 3u);
  report.shards = {{absl::CancelledError("stop requested"), 0},
                   {ErrnoStatus(EADDRINUSE, "bind"), 0},
                   {absl::InternalError("later"), 0}};
  EXPECT_EQ(ErrnoOf(report.status()), EADDRINUSE);
  EXPECT_TRUE(absl::StartsWith(report.status().message(), "shard 1: "));
  EXPECT_TRUE(absl::EndsWith(report.status().message(), "(and 2 more)"));
  report.shards.resize(1);
  EXPECT_TRUE(absl::IsCancelled(report.status()));
}

}  // namespace
}  // namespace faultline
