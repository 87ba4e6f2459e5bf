// Goal: what goes into a channel comes out once, in order, and nothing is lost or invented by
// stops, closes or full buffers. Method: each rule by hand; then many senders and receivers with
// drawn stops and closes, where every item is accounted for.
#include "runtime/channel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::TestLoop;
using Log = std::vector<std::string>;

std::string NameOf(const absl::Status& status) { return absl::StatusCodeToString(status.code()); }

Task<void> SendAndNote(Channel<int>* channel, int item, Log* log) {
  absl::Status status = co_await channel->Send(item);
  log->push_back("sent " + std::to_string(item) + " " + NameOf(status));
}

Task<void> ReceiveAndNote(Channel<int>* channel, Log* log) {
  absl::StatusOr<int> item = co_await channel->Receive();
  log->push_back("got " + (item.ok() ? std::to_string(*item) : NameOf(item.status())));
}

TEST(ChannelTest, TryIsFirstInFirstOutAndBounded) {
  Channel<int> channel(3);
  EXPECT_EQ(channel.capacity(), 3u);
  EXPECT_EQ(channel.TryReceive(), std::nullopt);
  for (int round = 0; round < 5; ++round) {  // around the ring
    for (int item : {1, 2, 3}) EXPECT_TRUE(channel.TrySend(item));
    int fourth = 4;
    EXPECT_FALSE(channel.TrySend(fourth));
    EXPECT_EQ(channel.size(), 3u);
    EXPECT_EQ(channel.TryReceive(), 1);
    EXPECT_TRUE(channel.TrySend(fourth));
    for (int item : {2, 3, 4}) EXPECT_EQ(channel.TryReceive(), item);
    EXPECT_EQ(channel.size(), 0u);
  }
}

TEST(ChannelTest, ARefusedItemStaysWithItsSender) {
  Channel<std::unique_ptr<int>> channel(1);
  auto first = std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);
  EXPECT_TRUE(channel.TrySend(first));
  EXPECT_EQ(first, nullptr);
  EXPECT_FALSE(channel.TrySend(second));
  EXPECT_EQ(*second, 2);
  channel.Close();
  EXPECT_FALSE(channel.TrySend(second));
  EXPECT_EQ(*second, 2);
}

TEST(ChannelTest, SendersWaitForRoomInOrder) {
  TestLoop loop;
  Channel<int> channel(1);
  Log log;
  Scope root(loop.executor());
  for (int item : {1, 2, 3}) root.Spawn(SendAndNote(&channel, item, &log));
  loop.Run();
  EXPECT_EQ(log, (Log{"sent 1 OK"}));
  EXPECT_EQ(channel.TryReceive(), 1);
  EXPECT_EQ(channel.size(), 1u);  // refilled at once: nobody can slip in between
  int item = 9;
  EXPECT_FALSE(channel.TrySend(item));
  loop.Run();
  EXPECT_EQ(log, (Log{"sent 1 OK", "sent 2 OK"}));
  EXPECT_EQ(channel.TryReceive(), 2);
  EXPECT_EQ(channel.TryReceive(), 3);
  loop.Run();
  EXPECT_EQ(log.back(), "sent 3 OK");
}

TEST(ChannelTest, ReceiversWaitForItemsInOrder) {
  TestLoop loop;
  Channel<int> channel(4);
  Log log;
  Scope root(loop.executor());
  root.Spawn(ReceiveAndNote(&channel, &log));
  root.Spawn(ReceiveAndNote(&channel, &log));
  loop.Run();
  EXPECT_TRUE(log.empty());
  for (int item : {1, 2, 3}) EXPECT_TRUE(channel.TrySend(item));
  EXPECT_EQ(channel.size(), 1u);  // two were handed over
  loop.Run();
  EXPECT_EQ(log, (Log{"got 1", "got 2"}));
  EXPECT_EQ(channel.TryReceive(), 3);
}

TEST(ChannelTest, AStoppedSendWasNotSent) {
  TestLoop loop;
  Channel<int> channel(1);
  Log log;
  Scope stopped(loop.executor());
  Scope root(loop.executor());
  root.Spawn(SendAndNote(&channel, 1, &log));
  stopped.Spawn(SendAndNote(&channel, 2, &log));
  root.Spawn(SendAndNote(&channel, 3, &log));
  loop.Run();
  stopped.RequestStop();
  loop.Run();
  EXPECT_EQ(log, (Log{"sent 1 OK", "sent 2 CANCELLED"}));
  EXPECT_EQ(channel.TryReceive(), 1);
  EXPECT_EQ(channel.TryReceive(), 3);
  EXPECT_EQ(channel.TryReceive(), std::nullopt);
  loop.Run();
}

TEST(ChannelTest, AnAcceptedSendIsNotTakenBackByAStop) {
  TestLoop loop;
  Channel<int> channel(1);
  Log log;
  int first = 1;
  ASSERT_TRUE(channel.TrySend(first));
  Scope root(loop.executor());
  root.Spawn(SendAndNote(&channel, 2, &log));
  loop.Run();
  EXPECT_EQ(channel.TryReceive(), 1);  // takes the 2 in
  root.RequestStop();
  loop.Run();
  EXPECT_EQ(log, (Log{"sent 2 OK"}));
  EXPECT_EQ(channel.TryReceive(), 2);
}

TEST(ChannelTest, AStoppedReceiveTookNothing) {
  TestLoop loop;
  Channel<int> channel(1);
  Log log;
  Scope stopped(loop.executor());
  Scope root(loop.executor());
  stopped.Spawn(ReceiveAndNote(&channel, &log));
  root.Spawn(ReceiveAndNote(&channel, &log));
  loop.Run();
  stopped.RequestStop();
  int item = 1;
  EXPECT_TRUE(channel.TrySend(item));
  loop.Run();
  EXPECT_EQ(log, (Log{"got CANCELLED", "got 1"}));
}

TEST(ChannelTest, AnItemThatWasHandedOverIsNotTakenBackByAStop) {
  TestLoop loop;
  Channel<int> channel(1);
  Log log;
  Scope root(loop.executor());
  root.Spawn(ReceiveAndNote(&channel, &log));
  loop.Run();
  int item = 1;
  EXPECT_TRUE(channel.TrySend(item));
  root.RequestStop();
  loop.Run();
  EXPECT_EQ(log, (Log{"got 1"}));
}

TEST(ChannelTest, AfterAStopNothingMoves) {
  TestLoop loop;
  Channel<int> channel(2);
  Log log;
  int item = 1;
  ASSERT_TRUE(channel.TrySend(item));
  Scope root(loop.executor());
  root.RequestStop();
  root.Spawn(SendAndNote(&channel, 2, &log));
  root.Spawn(ReceiveAndNote(&channel, &log));
  loop.Run();
  EXPECT_EQ(log, (Log{"sent 2 CANCELLED", "got CANCELLED"}));
  EXPECT_EQ(channel.size(), 1u);
}

TEST(ChannelTest, ReceiversDrainAClosedChannel) {
  TestLoop loop;
  Channel<int> channel(2);
  Log log;
  Scope root(loop.executor());
  for (int item : {1, 2, 3}) root.Spawn(SendAndNote(&channel, item, &log));
  loop.Run();
  channel.Close();
  channel.Close();
  EXPECT_TRUE(channel.closed());
  loop.Run();
  EXPECT_EQ(log.back(), "sent 3 FAILED_PRECONDITION");
  log.clear();
  root.Spawn(SendAndNote(&channel, 4, &log));
  for (int i = 0; i < 3; ++i) root.Spawn(ReceiveAndNote(&channel, &log));
  loop.Run();
  EXPECT_EQ(log, (Log{"sent 4 FAILED_PRECONDITION", "got 1", "got 2", "got OUT_OF_RANGE"}));
  EXPECT_EQ(channel.TryReceive(), std::nullopt);
}

TEST(ChannelTest, CloseEndsWaitingReceivers) {
  TestLoop loop;
  Channel<int> channel(2);
  Log log;
  Scope root(loop.executor());
  root.Spawn(ReceiveAndNote(&channel, &log));
  root.Spawn(ReceiveAndNote(&channel, &log));
  loop.Run();
  channel.Close();
  loop.Run();
  EXPECT_EQ(log, (Log{"got OUT_OF_RANGE", "got OUT_OF_RANGE"}));
}

TEST(ChannelTest, ThoseWhoDieWaitingAreForgotten) {
  TestLoop loop;
  Channel<int> empty(1), full(1);
  Log log;
  int item = 1;
  ASSERT_TRUE(full.TrySend(item));
  {
    Scope doomed(loop.executor());
    doomed.Spawn(ReceiveAndNote(&empty, &log));
    doomed.Spawn(SendAndNote(&full, 2, &log));
    loop.Run();
  }
  EXPECT_TRUE(empty.TrySend(item));
  EXPECT_EQ(empty.size(), 1u);
  EXPECT_EQ(full.TryReceive(), 1);
  EXPECT_EQ(full.TryReceive(), std::nullopt);
  EXPECT_TRUE(log.empty());
}

TEST(ChannelTest, MayDieBeforeThoseWhoWait) {
  TestLoop loop;
  Log log;
  Scope root(loop.executor());
  auto channel = std::make_unique<Channel<int>>(1);
  root.Spawn(ReceiveAndNote(channel.get(), &log));
  loop.Run();
  channel.reset();
  root.RequestStop();
  loop.Run();
  EXPECT_EQ(log, (Log{"got CANCELLED"}));
}

TEST(ChannelDeathTest, HoldsAtLeastOneItem) {
  EXPECT_DEATH(Channel<int>(0), "a channel holds at least one item");
}

// Every item is a sender and a number. Senders note what was accepted, receivers what came.
struct Account {
  std::vector<std::vector<int>> accepted;
  std::vector<std::vector<int>> received;  // by sender
  size_t size_max = 0;
};

using Item = std::pair<int, int>;

uint64_t Draw(uint64_t* state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

Task<void> SendMany(Channel<Item>* channel, int sender, uint64_t seed, Account* account) {
  for (int number = 0; number < 50; ++number) {
    Item item(sender, number);
    if (Draw(&seed) % 4 == 0) {
      if (channel->TrySend(item)) account->accepted[sender].push_back(number);
    } else {
      absl::Status status = co_await channel->Send(item);
      if (status.ok()) account->accepted[sender].push_back(number);
      if (!status.ok()) co_return;
    }
    account->size_max = std::max(account->size_max, channel->size());
    if (Draw(&seed) % 3 == 0) co_await Yield();
  }
}

Task<void> ReceiveMany(Channel<Item>* channel, uint64_t seed, Account* account) {
  while (true) {
    absl::StatusOr<Item> item = co_await channel->Receive();
    if (!item.ok()) co_return;
    account->received[item->first].push_back(item->second);
    if (Draw(&seed) % 3 == 0) co_await Yield();
  }
}

// Picks by a seed, so that each seed is another interleaving.
class Shuffle final : public SchedulingPolicy {
 public:
  explicit Shuffle(uint64_t seed) : state_(seed) {}
  size_t Pick(const std::vector<Resumable*>& ready) override {
    return Draw(&state_) % ready.size();
  }

 private:
  uint64_t state_;
};

class ChannelHistoryTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(ChannelHistoryTest, EveryAcceptedItemComesOutOnceInItsSendersOrder) {
  constexpr int kSenders = 5;
  uint64_t state = GetParam();
  Shuffle policy(GetParam());
  TestLoop loop(&policy);
  Channel<Item> channel(1 + Draw(&state) % 4);
  Account account{std::vector<std::vector<int>>(kSenders), std::vector<std::vector<int>>(kSenders)};
  std::vector<std::unique_ptr<Scope>> scopes;
  auto spawn = [&](auto task) {
    scopes.push_back(std::make_unique<Scope>(loop.executor()));
    scopes.back()->Spawn(std::move(task));
  };
  for (int sender = 0; sender < kSenders; ++sender) {
    spawn(SendMany(&channel, sender, Draw(&state), &account));
  }
  uint64_t receivers = 1 + Draw(&state) % 3;
  for (uint64_t i = 0; i < receivers; ++i) spawn(ReceiveMany(&channel, Draw(&state), &account));
  size_t stops = Draw(&state) % 4;
  for (size_t i = 0; i < stops; ++i) {
    for (uint64_t steps = Draw(&state) % 200; steps > 0; --steps) loop.ResumeOne();
    scopes[Draw(&state) % scopes.size()]->RequestStop();
  }
  for (uint64_t steps = Draw(&state) % 2000; steps > 0; --steps) loop.ResumeOne();
  channel.Close();
  loop.Run();
  for (const auto& scope : scopes) EXPECT_EQ(scope->live(), 0u);
  while (std::optional<Item> item = channel.TryReceive()) {
    account.received[item->first].push_back(item->second);
  }
  EXPECT_LE(account.size_max, channel.capacity());
  for (int sender = 0; sender < kSenders; ++sender) {
    // Several receivers note what they got in the order in which they run.
    std::vector<int>& received = account.received[sender];
    if (receivers > 1) std::sort(received.begin(), received.end());
    EXPECT_EQ(account.received[sender], account.accepted[sender]) << "sender " << sender;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ChannelHistoryTest, ::testing::Range<uint64_t>(1, 101));

}  // namespace
}  // namespace faultline
