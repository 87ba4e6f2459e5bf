// Goal: whatever shards do to each other at whatever moment, each parcel is received once and in
// its pair's order, or destroyed on the thread that it was sent to; nobody hangs; there is no race.
// Method: rounds of a few shards that send to random others and receive, until a random one of them
// asks all to stop, or ends, or fails, after a random number of parcels. What was sent, received
// and destroyed is counted. Run under ThreadSanitizer too.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/combine.h"
#include "runtime/shards/shards.h"

namespace faultline::shards {
namespace {

using backend::Backend;

constexpr uint32_t kMost = 5;

// A step of a generator that is good enough for tests (splitmix64).
uint64_t Next(uint64_t* state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

enum class Finish : uint8_t { kStop, kFail, kEnd };

struct Round {
  Finish finish;
  uint32_t who;    // brings the end about
  uint64_t after;  // so many of its own sends
  uint64_t seed;
  std::atomic<int> live{0};                             // items
  std::array<std::atomic<uint64_t>, kMost> sent{};      // by their sender
  std::array<std::atomic<uint64_t>, kMost> received{};  // by their receiver
};

// Counts itself, and says from whom and which one it is.
class Item {
 public:
  Item(Round* round, uint32_t from, uint64_t number) : round_(round), from(from), number(number) {
    ++round_->live;
  }
  Item(Item&& other) noexcept
      : round_(std::exchange(other.round_, nullptr)), from(other.from), number(other.number) {}
  ~Item() {
    if (round_ != nullptr) --round_->live;
  }

 private:
  Round* round_;

 public:
  const uint32_t from;
  const uint64_t number;
};

Task<absl::Status> SendAround(Shard* shard, Round* round) {
  uint64_t state = round->seed + shard->index();
  std::array<uint64_t, kMost> numbers{};
  for (uint64_t i = 0;; ++i) {
    if (shard->index() == round->who && i == round->after) {
      if (round->finish == Finish::kFail) co_return absl::DataLossError("planned");
      if (round->finish == Finish::kStop) shard->RequestStop();
      if (round->finish == Finish::kEnd) co_return absl::OkStatus();
    }
    const uint32_t to = static_cast<uint32_t>(Next(&state) % shard->count());
    absl::Status sent =
        co_await shard->Send(to, Parcel::Of(Item(round, shard->index(), numbers[to])));
    if (absl::IsFailedPrecondition(sent)) {
      shard->RequestStop();  // one has ended: so do all
      continue;
    }
    if (!sent.ok()) co_return absl::OkStatus();
    ++numbers[to];
    ++round->sent[shard->index()];
  }
}

Task<absl::Status> ReceiveAround(Shard* shard, Round* round) {
  std::array<uint64_t, kMost> next{};
  while (true) {
    absl::StatusOr<Delivery> came = co_await shard->Receive();
    if (!came.ok()) co_return absl::OkStatus();
    const Item item = std::move(came->parcel).Take<Item>();
    EXPECT_EQ(item.from, came->from);
    EXPECT_EQ(item.number, next[item.from]++);
    ++round->received[shard->index()];
  }
}

// Ends when the sending has ended.
Task<absl::Status> Both(Shard* shard, Round* round) {
  auto raced = co_await Race(SendAround(shard, round), ReceiveAround(shard, round));
  co_return std::get<0>(raced.results);
}

void RunRound(Backend backend, uint64_t seed) {
  uint64_t state = seed;
  const uint32_t count = 1 + static_cast<uint32_t>(Next(&state) % kMost);
  const size_t capacity = 1 + Next(&state) % 8;
  auto shards = Shards::Create({.count = count, .backend = backend, .mailbox_capacity = capacity});
  if (!shards.ok()) GTEST_SKIP() << shards.status();
  Round round;
  round.finish = static_cast<Finish>(Next(&state) % 3);
  round.who = static_cast<uint32_t>(Next(&state) % count);
  round.after = Next(&state) % 300;
  round.seed = Next(&state);
  const ShardsReport report =
      (*shards)->Run([&round](Shard* shard) { return Both(shard, &round); });
  if (round.finish == Finish::kFail) {
    EXPECT_EQ(report.shards[round.who].status.code(), absl::StatusCode::kDataLoss);
  } else {
    EXPECT_TRUE(report.status().ok()) << report.status();
  }
  uint64_t sent = 0;
  uint64_t received = 0;
  for (uint32_t i = 0; i < count; ++i) {
    sent += round.sent[i];
    received += round.received[i];
  }
  EXPECT_EQ(sent, received + report.undelivered());
  EXPECT_EQ(round.live, 0);
}

class Exchange : public ::testing::TestWithParam<Backend> {};
INSTANTIATE_TEST_SUITE_P(Backends, Exchange, ::testing::Values(Backend::kEpoll, Backend::kIoUring),
                         [](const auto& info) { return backend::NameOf(info.param); });

TEST_P(Exchange, LosesNothingWheneverItEnds) {
  for (uint64_t seed = 1; seed <= 60 && !HasFailure() && !IsSkipped(); ++seed) {
    SCOPED_TRACE(seed);
    RunRound(GetParam(), seed);
  }
}

}  // namespace
}  // namespace faultline::shards
