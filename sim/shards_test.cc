// Goal: the shards of a simulated process keep what those of threads promise; their interleaving is
// a choice of the seed's, mailboxes deliver in order and overtake each other, and the same seed is
// the same run.
// Method: small programs of a few shards under many seeds and each scheduling policy.
#include "sim/shards.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/detached_stream.h"
#include "runtime/errors.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::sim {
namespace {

struct Outcome {
  ShardsReport report;
  bool ended = false;
};

Task<void> RunAndKeep(Host* host, ShardsOptions options, ShardMain main, Outcome* outcome) {
  outcome->report = co_await RunShards(host->process(), options, std::move(main));
  outcome->ended = true;
}

// A world with one host that runs `main` on its shards.
class OneHost {
 public:
  explicit OneHost(uint64_t seed, Scheduling scheduling = Scheduling::kRandom)
      : world_({.seed = seed, .scheduling = scheduling, .pct_steps = 500}),
        host_(world_.AddHost({.name = "sharded"})) {}

  void Boot(ShardsOptions options, ShardMain main) {
    host_->Boot([this, options, main](const Runtime&) {
      return RunAndKeep(host_, options, main, &outcome_);
    });
  }
  Verdict Run(Duration until = 1h) { return world_.Run({.until = until}); }

  World* world() { return &world_; }
  Host* host() { return host_; }
  const Outcome& outcome() const { return outcome_; }

 private:
  Outcome outcome_;
  World world_;
  Host* const host_;
};

// --- Order ---

constexpr int kNumbers = 40;

Task<absl::Status> SendNumbers(Shard* shard, uint32_t to) {
  for (int i = 0; i < kNumbers; ++i) {
    absl::Status sent = co_await shard->Send(to, Parcel::Of(i));
    if (!sent.ok()) co_return sent;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ReceiveNumbers(Shard* shard, uint32_t senders, std::string* order) {
  std::vector<int> next(shard->count(), 0);
  for (uint32_t left = senders * kNumbers; left > 0; --left) {
    absl::StatusOr<Delivery> came = co_await shard->Receive();
    if (!came.ok()) co_return came.status();
    if (std::move(came->parcel).Take<int>() != next[came->from]++) {
      co_return absl::InternalError("out of order");
    }
    order->push_back(static_cast<char>('0' + came->from));
  }
  co_return absl::OkStatus();
}

// Who sends to itself waits for nobody else.
Task<absl::Status> Everything(Shard* shard, std::string* order) {
  auto [to_0, to_1, to_2, received] =
      co_await All(SendNumbers(shard, 0), SendNumbers(shard, 1), SendNumbers(shard, 2),
                   ReceiveNumbers(shard, 3, order));
  for (const absl::Status& status : {to_0, to_1, to_2, received}) {
    if (!status.ok()) co_return status;
  }
  co_return absl::OkStatus();
}

struct Interleaving {
  std::string orders[3];
  TraceHash hash;
};

Interleaving Interleave(uint64_t seed, Scheduling scheduling) {
  Interleaving seen;
  OneHost one(seed, scheduling);
  one.Boot({.count = 3, .mailbox_capacity = 4},
           [&seen](Shard* shard) { return Everything(shard, &seen.orders[shard->index()]); });
  const Verdict verdict = one.Run();
  EXPECT_TRUE(verdict.passed() && one.outcome().ended) << seed << ": " << verdict.ToString();
  EXPECT_TRUE(one.outcome().report.status().ok()) << seed << ": " << one.outcome().report.status();
  EXPECT_EQ(one.outcome().report.undelivered(), 0u);
  seen.hash = one.world()->trace()->hash();
  return seen;
}

TEST(SimShards, EachMailboxKeepsItsOrderUnderAThousandSeeds) {
  std::set<std::string> orders;
  for (uint64_t seed = 1; seed <= 1000 && !::testing::Test::HasFailure(); ++seed) {
    orders.insert(Interleave(seed, static_cast<Scheduling>(seed % 3)).orders[0]);
  }
  EXPECT_GT(orders.size(), 500u) << "and the shards take turns in as many ways";
}

TEST(SimShards, TheSameSeedIsTheSameRun) {
  for (Scheduling scheduling : {Scheduling::kFifo, Scheduling::kRandom, Scheduling::kPct}) {
    const Interleaving first = Interleave(7, scheduling);
    const Interleaving again = Interleave(7, scheduling);
    EXPECT_EQ(first.hash, again.hash);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(first.orders[i], again.orders[i]);
    EXPECT_FALSE(first.hash == Interleave(8, scheduling).hash);
  }
}

// 0 tells 2, then 1; 1 thereupon tells 2. Which of the two does 2 hear first?
Task<absl::Status> TellBoth(Shard* shard) {
  absl::Status first = co_await shard->Send(2, Parcel::Of(1));
  co_return first.ok() ? co_await shard->Send(1, Parcel::Of(2)) : first;
}

Task<absl::Status> PassOn(Shard* shard) {
  absl::StatusOr<Delivery> came = co_await shard->Receive();
  co_return came.ok() ? co_await shard->Send(2, std::move(came->parcel)) : came.status();
}

Task<absl::Status> HearBoth(Shard* shard, std::string* heard) {
  for (int i = 0; i < 2; ++i) {
    absl::StatusOr<Delivery> came = co_await shard->Receive();
    if (!came.ok()) co_return came.status();
    heard->push_back(static_cast<char>('0' + std::move(came->parcel).Take<int>()));
  }
  co_return absl::OkStatus();
}

TEST(SimShards, MailboxesOvertakeEachOtherInSomeSeedsAndNotInOthers) {
  for (Scheduling scheduling : {Scheduling::kFifo, Scheduling::kRandom, Scheduling::kPct}) {
    std::set<std::string> heard;
    for (uint64_t seed = 1; seed <= 200; ++seed) {
      std::string now;
      OneHost one(seed, scheduling);
      one.Boot({.count = 3}, [&now](Shard* shard) {
        return shard->index() == 0   ? TellBoth(shard)
               : shard->index() == 1 ? PassOn(shard)
                                     : HearBoth(shard, &now);
      });
      EXPECT_TRUE(one.Run().passed());
      heard.insert(now);
    }
    EXPECT_EQ(heard, (std::set<std::string>{"12", "21"}));
  }
}

// --- Ends ---

Task<absl::Status> WaitForStop(Shard* shard) {
  absl::StatusOr<Delivery> came = co_await shard->Receive();
  co_return absl::IsCancelled(came.status()) ? absl::OkStatus() : absl::InternalError("not a stop");
}

Task<absl::Status> StopAll(Shard* shard) {
  shard->RequestStop();
  co_return co_await WaitForStop(shard);
}

Task<absl::Status> Fail() { co_return ErrnoStatus(ENOSPC, "write"); }

TEST(SimShards, AStopReachesEveryShard) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    OneHost one(seed);
    one.Boot({.count = 3}, [](Shard* shard) {
      return shard->index() == 1 ? StopAll(shard) : WaitForStop(shard);
    });
    EXPECT_TRUE(one.Run().passed());
    EXPECT_TRUE(one.outcome().report.status().ok()) << one.outcome().report.status();
  }
}

TEST(SimShards, AnErrorOfOneStopsTheOthers) {
  OneHost one(1);
  one.Boot({.count = 3},
           [](Shard* shard) { return shard->index() == 2 ? Fail() : WaitForStop(shard); });
  EXPECT_TRUE(one.Run().passed());
  EXPECT_EQ(ErrnoOf(one.outcome().report.status()), ENOSPC);
  EXPECT_TRUE(one.outcome().report.shards[0].status.ok());
}

Task<absl::Status> SendUntilItHasEnded(Shard* shard, std::shared_ptr<int> value, uint64_t* sent) {
  while (true) {
    absl::Status status = co_await shard->Send(1, Parcel::Of(value));
    if (absl::IsFailedPrecondition(status)) co_return absl::OkStatus();
    if (!status.ok()) co_return status;
    ++*sent;
  }
}

Task<absl::Status> ReceiveOne(Shard* shard) {
  absl::StatusOr<Delivery> came = co_await shard->Receive();
  co_return came.status();
}

TEST(SimShards, WhatNobodyReceivedIsDestroyedAndCounted) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    auto value = std::make_shared<int>(7);
    uint64_t sent = 0;
    OneHost one(seed);
    one.Boot({.count = 2, .mailbox_capacity = 4}, [value, &sent](Shard* shard) {
      return shard->index() == 0 ? SendUntilItHasEnded(shard, value, &sent) : ReceiveOne(shard);
    });
    EXPECT_TRUE(one.Run().passed());
    EXPECT_TRUE(one.outcome().report.status().ok());
    EXPECT_EQ(one.outcome().report.undelivered() + 1, sent);
    EXPECT_EQ(value.use_count(), 2) << "this, and the main's copy";
  }
}

TEST(SimShards, AShardThatWaitsForEverIsADeadlock) {
  OneHost one(1);
  one.Boot({.count = 2}, [](Shard* shard) {
    return shard->index() == 0 ? WaitForStop(shard) : ReceiveOne(shard);
  });
  EXPECT_EQ(one.Run().kind, VerdictKind::kDeadlock);
}

// --- Crashes and pauses ---

Task<absl::Status> SendForEver(Shard* shard, std::shared_ptr<int> value) {
  while (true) {
    absl::Status sent = co_await shard->Send(1 - shard->index(), Parcel::Of(value));
    if (!sent.ok()) co_return sent;
    absl::StatusOr<Delivery> came = co_await shard->Receive();
    if (!came.ok()) co_return came.status();
    if (absl::Status slept = co_await shard->runtime().clock->SleepFor(3us); !slept.ok()) {
      co_return slept;
    }
  }
}

TEST(SimShards, ACrashTakesAllShardsAndWhatIsUnderWay) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    auto value = std::make_shared<int>(7);
    OneHost one(seed);
    one.Boot({.count = 2, .mailbox_capacity = 4},
             [value](Shard* shard) { return SendForEver(shard, value); });
    one.world()->After(1ms, [&one] { one.host()->Crash(); });
    one.world()->After(2ms, [&one] { one.host()->Restart(); });
    one.world()->After(3ms, [&one] { one.host()->Crash(); });
    EXPECT_TRUE(one.Run().passed());
    EXPECT_FALSE(one.outcome().ended);
    EXPECT_LE(value.use_count(), 3) << "this, and what is kept for a restart";
  }
}

Task<absl::Status> Count(Shard* shard, int* count) {
  while ((co_await shard->runtime().clock->SleepFor(100us)).ok()) ++*count;
  co_return absl::OkStatus();
}

TEST(SimShards, APauseStopsAllShards) {
  int counts[3] = {};
  OneHost one(1);
  one.Boot({.count = 3}, [&counts](Shard* shard) { return Count(shard, &counts[shard->index()]); });
  std::vector<int> paused;
  one.world()->After(10ms, [&one] { one.host()->Pause(); });
  one.world()->After(50ms, [&] {
    paused.assign(counts, counts + 3);
    one.host()->Resume();
  });
  EXPECT_EQ(one.Run(60ms).kind, VerdictKind::kBound);
  for (int count : paused) EXPECT_LE(count, 100);
  for (int count : counts) EXPECT_GT(count, 150);
}

// --- Streams that change shards ---

constexpr uint16_t kPort = 80;
constexpr size_t kBytes = 20'000;

std::byte ByteAt(size_t position) { return static_cast<std::byte>(position * 7 + position / 251); }

struct Baton {
  std::unique_ptr<DetachedStream> stream;
  size_t done = 0;  // bytes that were read and checked
};

// Reads a little, puts some of it back, passes the stream on; the last one answers.
Task<absl::Status> TakeTurn(Shard* shard, Baton baton) {
  auto stream = shard->runtime().network->Adopt(std::move(baton.stream));
  if (!stream.ok()) co_return stream.status();
  std::vector<std::byte> buffer(1 + shard->runtime().random->Below(3000));
  auto got = co_await (*stream)->Read(buffer);
  if (!got.ok()) co_return got.status();
  for (size_t i = 0; i < *got; ++i) EXPECT_EQ(buffer[i], ByteAt(baton.done + i));
  if (*got == 0) {
    EXPECT_EQ(baton.done, kBytes);
    std::vector<std::byte> answer(1, std::byte{42});
    auto written = co_await (*stream)->Write(std::span<const std::byte>(answer));
    if (!written.ok()) co_return written.status();
    shard->RequestStop();
    co_return (*stream)->Close();
  }
  const size_t kept = *got - *got / 3;
  auto detached = (*stream)->Detach();
  if (!detached.ok()) co_return detached.status();
  (*detached)->Unread(std::span(buffer).subspan(kept, *got - kept));
  co_return co_await shard->Send((shard->index() + 1) % shard->count(),
                                 Parcel::Of(Baton{*std::move(detached), baton.done + kept}));
}

Task<absl::Status> TakeTurns(Shard* shard) {
  while (true) {
    absl::StatusOr<Delivery> came = co_await shard->Receive();
    if (absl::IsCancelled(came.status())) co_return absl::OkStatus();
    if (!came.ok()) co_return came.status();
    absl::Status turn = co_await TakeTurn(shard, std::move(came->parcel).Take<Baton>());
    if (!turn.ok()) co_return turn;
  }
}

Task<absl::Status> AcceptAndPassOn(Shard* shard) {
  auto listener = shard->runtime().network->Listen(Endpoint::Ipv4Any(kPort), {});
  if (!listener.ok()) co_return listener.status();
  auto accepted = co_await (*listener)->Accept();
  if (!accepted.ok()) co_return accepted.status();
  auto detached = (*accepted)->Detach();
  if (!detached.ok()) co_return detached.status();
  absl::Status sent = co_await shard->Send(1, Parcel::Of(Baton{*std::move(detached), 0}));
  co_return sent.ok() ? co_await TakeTurns(shard) : sent;
}

Task<void> SendBytesAndHearAnAnswer(Runtime runtime, Endpoint server, bool* answered) {
  auto stream = co_await runtime.network->Connect(server, {});
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (!stream.ok()) co_return;
  std::vector<std::byte> bytes(kBytes);
  for (size_t i = 0; i < kBytes; ++i) bytes[i] = ByteAt(i);
  for (size_t done = 0; done < kBytes;) {
    auto part =
        std::span<const std::byte>(bytes).subspan(done, std::min<size_t>(900, kBytes - done));
    auto taken = co_await (*stream)->Write(part);
    EXPECT_TRUE(taken.ok()) << taken.status();
    if (!taken.ok()) co_return;
    done += *taken;
  }
  EXPECT_TRUE((*stream)->ShutdownWrite().ok());
  auto got = co_await (*stream)->Read(std::span(bytes).first(10));
  *answered = got.ok() && *got == 1 && bytes[0] == std::byte{42};
}

TEST(SimShards, AStreamIsServedByManyShardsAndLosesNothing) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    bool answered = false;
    OneHost one(seed);
    Host* client = one.world()->AddHost(
        {.name = "client", .sockets = {.partial_write = {1, 4}, .partial_read = {1, 4}}});
    one.Boot({.count = 3}, [](Shard* shard) {
      return shard->index() == 0 ? AcceptAndPassOn(shard) : TakeTurns(shard);
    });
    const Endpoint server = one.host()->Address(Plane::kClient, kPort);
    client->Boot([&answered, server](const Runtime& runtime) {
      return SendBytesAndHearAnAnswer(runtime, server, &answered);
    });
    const Verdict verdict = one.Run();
    EXPECT_TRUE(verdict.passed()) << seed << ": " << verdict.ToString();
    EXPECT_TRUE(one.outcome().report.status().ok()) << one.outcome().report.status();
    EXPECT_TRUE(answered) << seed;
  }
}

Task<absl::Status> AcceptAndSend(Shard* shard) {
  auto listener = shard->runtime().network->Listen(Endpoint::Ipv4Any(kPort), {});
  if (!listener.ok()) co_return listener.status();
  auto accepted = co_await (*listener)->Accept();
  if (!accepted.ok()) co_return accepted.status();
  auto detached = (*accepted)->Detach();
  if (!detached.ok()) co_return detached.status();
  absl::Status sent = co_await shard->Send(1, Parcel::Of(*std::move(detached)));
  co_return sent.ok() ? co_await WaitForStop(shard) : sent;
}

Task<absl::Status> DoNotReceive(Shard* shard) {
  co_return co_await shard->runtime().clock->SleepFor(10s);
}

Task<void> ReadOnce(Runtime runtime, Endpoint server, absl::Status* end) {
  auto stream = co_await runtime.network->Connect(server, {});
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (!stream.ok()) co_return;
  std::vector<std::byte> byte(1);
  *end = (co_await (*stream)->Read(byte)).status();
}

TEST(SimShards, AStreamThatIsUnderWayInACrashFallsSilent) {
  absl::Status end = absl::UnknownError("nothing was heard");
  OneHost one(3);
  Host* client = one.world()->AddHost({.name = "client"});
  one.Boot({.count = 2}, [](Shard* shard) {
    return shard->index() == 0 ? AcceptAndSend(shard) : DoNotReceive(shard);
  });
  const Endpoint server = one.host()->Address(Plane::kClient, kPort);
  client->Boot([&end, server](const Runtime& runtime) { return ReadOnce(runtime, server, &end); });
  one.world()->After(1s, [&one] { one.host()->Crash(); });
  EXPECT_EQ(one.Run(1min).kind, VerdictKind::kDeadlock) << "the client waits: nobody has told it";
  EXPECT_TRUE(absl::IsUnknown(end)) << end;
}

Task<void> AdoptForeign(Runtime runtime, std::unique_ptr<DetachedStream>* taken,
                        absl::Status* refused) {
  while (*taken == nullptr) (void)co_await runtime.clock->SleepFor(1ms);
  *refused = runtime.network->Adopt(std::move(*taken)).status();
}

Task<void> AcceptAndLetGo(Runtime runtime, std::unique_ptr<DetachedStream>* taken) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(kPort), {});
  auto accepted = co_await (*listener)->Accept();
  EXPECT_TRUE(accepted.ok());
  *taken = *(*accepted)->Detach();
}

TEST(SimShards, AnotherProcessAdoptsNothing) {
  std::unique_ptr<DetachedStream> taken;
  absl::Status refused;
  absl::Status end;
  World world({.seed = 1});
  Host* server = world.AddHost({.name = "server"});
  Host* other = world.AddHost({.name = "other"});
  Host* client = world.AddHost({.name = "client"});
  server->Boot([&](const Runtime& runtime) { return AcceptAndLetGo(runtime, &taken); });
  other->Boot([&](const Runtime& runtime) { return AdoptForeign(runtime, &taken, &refused); });
  client->Boot([&](const Runtime& runtime) {
    return ReadOnce(runtime, server->Address(Plane::kClient, kPort), &end);
  });
  EXPECT_TRUE(world.Run({.until = 1min}).passed());
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_EQ(ErrnoOf(end), ECONNRESET) << "it was aborted";
}

}  // namespace
}  // namespace faultline::sim
