// Goal: shards run their mains on threads of their own, exchange parcels, wake each other, stop
// together, and report how each of them ended; nothing is lost on the way, and what nobody received
// is destroyed where it belongs.
// Method: on each real backend, small programs of a few shards. Nothing sleeps to wait for another
// thread: each test ends because of a message, or does not end.
#include "runtime/shards/shards.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "runtime/combine.h"
#include "runtime/errors.h"

namespace faultline::shards {
namespace {

using backend::Backend;

class ShardsTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    absl::StatusOr<backend::ChosenLoop> loop = backend::MakeLoop(GetParam());
    if (!loop.ok()) GTEST_SKIP() << loop.status();
  }
  std::unique_ptr<Shards> Make(uint32_t count, size_t capacity = 256) {
    auto shards =
        Shards::Create({.count = count, .backend = GetParam(), .mailbox_capacity = capacity});
    EXPECT_TRUE(shards.ok()) << shards.status();
    return shards.ok() ? *std::move(shards) : nullptr;
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, ShardsTest,
                         ::testing::Values(Backend::kEpoll, Backend::kIoUring),
                         [](const auto& info) { return backend::NameOf(info.param); });

TEST_P(ShardsTest, EachRunsOnAThreadAndALoopOfItsOwn) {
  auto shards = Make(3);
  std::thread::id threads[3];
  Executor* executors[3] = {};
  const ShardMain main = [&](Shard* shard) -> Task<absl::Status> {
    threads[shard->index()] = std::this_thread::get_id();
    executors[shard->index()] = shard->runtime().executor;
    EXPECT_EQ(shard->count(), 3u);
    return [](Clock* clock) -> Task<absl::Status> {
      co_return co_await clock->SleepFor(1ms);
    }(shard->runtime().clock);
  };
  const ShardsReport report = shards->Run(main);
  EXPECT_TRUE(report.status().ok()) << report.status();
  EXPECT_EQ(threads[0], std::this_thread::get_id()) << "shard 0 is the caller";
  EXPECT_EQ(std::set<std::thread::id>(threads, threads + 3).size(), 3u);
  EXPECT_EQ(std::set<Executor*>(executors, executors + 3).size(), 3u);
}

// A number goes round all shards, `laps` times.
Task<absl::Status> PassOn(Shard* shard, int laps) {
  const uint32_t next = (shard->index() + 1) % shard->count();
  if (shard->index() == 0) {
    if (absl::Status sent = co_await shard->Send(next, Parcel::Of(0)); !sent.ok()) co_return sent;
  }
  for (int lap = 0; lap < laps; ++lap) {
    absl::StatusOr<Delivery> came = co_await shard->Receive();
    if (!came.ok()) co_return came.status();
    const int number = std::move(came->parcel).Take<int>() + 1;
    EXPECT_EQ(came->from, (shard->index() + shard->count() - 1) % shard->count());
    if (shard->index() == 0 && lap + 1 == laps) {
      EXPECT_EQ(number, laps * static_cast<int>(shard->count()));
      co_return absl::OkStatus();
    }
    absl::Status sent = co_await shard->Send(next, Parcel::Of(number));
    if (!sent.ok()) co_return sent;
  }
  co_return absl::OkStatus();
}

TEST_P(ShardsTest, AShardThatSleepsIsWoken) {
  for (uint32_t count : {1u, 2u, 4u}) {
    const ShardsReport report = Make(count)->Run([](Shard* shard) { return PassOn(shard, 2000); });
    EXPECT_TRUE(report.status().ok()) << report.status();
    EXPECT_EQ(report.undelivered(), 0u);
  }
}

constexpr int kItems = 20'000;

Task<absl::Status> SendAll(Shard* shard, uint32_t to) {
  for (int i = 0; i < kItems; ++i) {
    absl::Status sent = co_await shard->Send(to, Parcel::Of(i));
    if (!sent.ok()) co_return sent;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ReceiveAll(Shard* shard, uint32_t senders) {
  std::vector<int> next(shard->count(), 0);
  for (uint32_t left = senders * kItems; left > 0; --left) {
    absl::StatusOr<Delivery> came = co_await shard->Receive();
    if (!came.ok()) co_return came.status();
    const int number = std::move(came->parcel).Take<int>();
    if (number != next[came->from]++) co_return absl::InternalError("out of order");
  }
  co_return absl::OkStatus();
}

// Mailboxes of one parcel: each send but the first waits, and both sides sleep all the time.
TEST_P(ShardsTest, FullMailboxesWaitAndLoseNothing) {
  for (size_t capacity : {1u, 3u, 256u}) {
    const ShardsReport report = Make(3, capacity)->Run([](Shard* shard) {
      return shard->index() == 0 ? ReceiveAll(shard, 2) : SendAll(shard, 0);
    });
    EXPECT_TRUE(report.status().ok()) << report.status() << " capacity " << capacity;
  }
}

Task<absl::Status> WaitForStop(Shard* shard) {
  absl::StatusOr<Delivery> came = co_await shard->Receive();
  co_return came.ok()                ? absl::InternalError("who sent that?")
  : absl::IsCancelled(came.status()) ? absl::OkStatus()
                                     : came.status();
}

Task<absl::Status> StopAll(Shard* shard) {
  shard->RequestStop();
  co_return co_await WaitForStop(shard);
}

TEST_P(ShardsTest, AStopReachesEveryShard) {
  for (uint32_t who : {0u, 2u}) {
    const ShardsReport report = Make(3)->Run([who](Shard* shard) {
      return shard->index() == who ? StopAll(shard) : WaitForStop(shard);
    });
    EXPECT_TRUE(report.status().ok()) << report.status();
  }
}

TEST_P(ShardsTest, AStopFromAnotherThreadReachesThemTooEvenBeforeTheyStart) {
  auto early = Make(2);
  early->RequestStop();
  EXPECT_TRUE(early->Run(&WaitForStop).status().ok());
  auto shards = Make(2);
  std::atomic<bool> running{false};
  std::thread stopper([&] {
    while (!running.load()) std::this_thread::yield();
    shards->RequestStop();
  });
  const ShardsReport report = shards->Run([&running](Shard* shard) {
    running = true;
    return WaitForStop(shard);
  });
  stopper.join();
  EXPECT_TRUE(report.status().ok()) << report.status();
}

Task<absl::Status> Fail() { co_return ErrnoStatus(ENOSPC, "write"); }

TEST_P(ShardsTest, AnErrorOfOneStopsTheOthersAndIsReportedWithItsNumber) {
  const ShardsReport report =
      Make(4)->Run([](Shard* shard) { return shard->index() == 2 ? Fail() : WaitForStop(shard); });
  EXPECT_EQ(ErrnoOf(report.status()), ENOSPC);
  EXPECT_TRUE(absl::StrContains(report.status().message(), "shard 2: ")) << report.status();
  EXPECT_TRUE(report.shards[0].status.ok());
  EXPECT_EQ(ErrnoOf(report.shards[2].status), ENOSPC);
}

// Notes the thread that destroys it.
class Note {
 public:
  explicit Note(std::vector<std::thread::id>* by) : by_(by) {}
  Note(Note&& other) noexcept : by_(std::exchange(other.by_, nullptr)) {}
  ~Note() {
    if (by_ != nullptr) by_->push_back(std::this_thread::get_id());
  }
  void Forget() { by_ = nullptr; }

 private:
  std::vector<std::thread::id>* by_;
};

struct Destroyed {
  std::vector<std::thread::id> by;  // touched by shard 1 alone
  std::thread::id shard_1;
};

Task<absl::Status> SendUntilItHasEnded(Shard* shard, Destroyed* destroyed, int* taken) {
  while (true) {
    Parcel parcel = Parcel::Of(Note(&destroyed->by));
    if (shard->TrySend(1, parcel)) {
      ++*taken;
      continue;
    }
    std::move(parcel).Take<Note>().Forget();  // it was not sent
    absl::Status sent = co_await shard->Send(1, Parcel::Of(7));
    if (absl::IsFailedPrecondition(sent)) co_return absl::OkStatus();
    if (!sent.ok()) co_return sent;
    ++*taken;
  }
}

Task<absl::Status> ReceiveOne(Shard* shard, Destroyed* destroyed) {
  destroyed->shard_1 = std::this_thread::get_id();
  absl::StatusOr<Delivery> first = co_await shard->Receive();
  co_return first.status();
}

TEST_P(ShardsTest, WhatNobodyReceivedIsDestroyedOnItsOwnThreadAndCounted) {
  Destroyed destroyed;
  int taken = 0;
  const ShardsReport report = Make(2, 16)->Run([&](Shard* shard) {
    return shard->index() == 0 ? SendUntilItHasEnded(shard, &destroyed, &taken)
                               : ReceiveOne(shard, &destroyed);
  });
  EXPECT_TRUE(report.status().ok()) << report.status();
  EXPECT_GE(taken, 1);
  EXPECT_EQ(report.undelivered(), static_cast<uint64_t>(taken) - 1);
  for (std::thread::id by : destroyed.by) EXPECT_EQ(by, destroyed.shard_1);
}

// What has been made and never runs ends too.
TEST_P(ShardsTest, ShardsThatNeverRunAreJoined) { EXPECT_NE(Make(4), nullptr); }

Task<absl::Status> SendOnce(Shard* shard) { co_return co_await shard->Send(1, Parcel::Of(1)); }

Task<absl::Status> SendTwoWithin(Shard* shard, Duration time) {
  if (absl::Status first = co_await SendOnce(shard); !first.ok()) co_return first;
  Clock* clock = shard->runtime().clock;
  const absl::Status late = co_await Deadline(clock, clock->Now() + time, SendOnce(shard));
  shard->RequestStop();
  co_return absl::IsDeadlineExceeded(late) ? absl::OkStatus() : late;
}

Task<absl::Status> SleepUntilStopped(Shard* shard) {
  absl::Status slept = co_await shard->runtime().clock->SleepFor(1h);
  co_return absl::IsCancelled(slept) ? absl::OkStatus() : slept;
}

TEST_P(ShardsTest, ADeadlineEndsASendToAShardThatDoesNotReceive) {
  const ShardsReport report = Make(2, 1)->Run([](Shard* shard) {
    return shard->index() == 0 ? SendTwoWithin(shard, 5ms) : SleepUntilStopped(shard);
  });
  EXPECT_TRUE(report.status().ok()) << report.status();
  EXPECT_EQ(report.shards[1].undelivered, 1u);
}

TEST_P(ShardsTest, ASignalStopsAllShards) {
  auto shards = Shards::Create({.count = 3, .backend = GetParam(), .stop_on_signals = true});
  ASSERT_TRUE(shards.ok()) << shards.status();
  std::atomic<int> running{0};
  const ShardsReport report = (*shards)->Run([&running](Shard* shard) {
    if (++running == 3) kill(getpid(), SIGTERM);
    return WaitForStop(shard);
  });
  EXPECT_TRUE(report.status().ok()) << report.status();
}

std::vector<uint32_t> Allowed() {
  cpu_set_t allowed;
  EXPECT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  std::vector<uint32_t> cores;
  for (uint32_t core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  }
  return cores;
}

TEST_P(ShardsTest, EachIsPinnedToItsCore) {
  const std::vector<uint32_t> before = Allowed();
  const std::vector<uint32_t> cores = {before.front(), before.back()};
  auto shards = Shards::Create({.count = 2, .backend = GetParam(), .cores = cores});
  ASSERT_TRUE(shards.ok()) << shards.status();
  std::vector<uint32_t> on[2];
  const ShardsReport report = (*shards)->Run([&on](Shard* shard) {
    on[shard->index()] = Allowed();
    return PassOn(shard, 10);
  });
  EXPECT_TRUE(report.status().ok()) << report.status();
  for (uint32_t i : {0u, 1u}) EXPECT_EQ(on[i], std::vector<uint32_t>{cores[i]});
  shards->reset();
  EXPECT_EQ(Allowed(), before);
}

TEST_P(ShardsTest, ACoreThatIsNotThereIsNamedWithItsShard) {
  const uint32_t core = Allowed().front();
  const absl::Status refused =
      Shards::Create({.count = 2, .backend = GetParam(), .cores = {core, 1023}}).status();
  EXPECT_EQ(ErrnoOf(refused), EINVAL);
  EXPECT_TRUE(absl::StrContains(refused.message(), "shard 1: ")) << refused;
  EXPECT_TRUE(absl::StrContains(refused.message(), "core 1023")) << refused;
}

TEST(ShardsOptions, MakeSenseOrAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(Shards::Create({.count = 0}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Shards::Create({.count = kMaxShards + 1}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Shards::Create({.mailbox_capacity = 0}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Shards::Create({.count = 2, .cores = {0}}).status()));
}

TEST(ShardsOptions, AutoIsTheSameBackendForAll) {
  auto shards = Shards::Create({.count = 2});
  ASSERT_TRUE(shards.ok()) << shards.status();
  EXPECT_NE((*shards)->backend(), Backend::kAuto);
  EXPECT_EQ((*shards)->why_not().ok(), (*shards)->backend() == Backend::kIoUring);
}

}  // namespace
}  // namespace faultline::shards
