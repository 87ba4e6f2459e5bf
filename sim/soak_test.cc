// Goal: no sequence of faults makes TCP deliver a byte that was not written there, lose one without
// an error, hang, leak, or differ between two runs of a seed. Method: for many seeds, hosts open
// connections to each other at random, talk, close or abort, while links lose and delay, partitions
// come and go, hosts crash, restart and pause, connections are reset and limits are tight. What is
// read must be a prefix of what was written on that connection; after everything has healed a fresh
// exchange between each pair works; in the end no connection is left.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::sim {
namespace {

constexpr uint32_t kHosts = 4;
constexpr Duration kStorm = 60s;

// The byte at `position` of what is written on the connection that `key` names, in one direction.
std::byte ByteAt(uint32_t key, bool reply, size_t position) {
  return static_cast<std::byte>(key * 31 + position * 7 + position / 256 + (reply ? 101 : 0));
}

struct Tally {
  uint64_t exchanges = 0;
  uint64_t bytes = 0;
  uint64_t wrong = 0;
};

// Writes `size` bytes of the stream named `key`, from `*position` on.
Task<bool> WritePattern(Stream* stream, uint32_t key, bool reply, size_t size) {
  std::array<std::byte, 3000> chunk;
  for (size_t done = 0; done < size;) {
    size_t part = std::min(chunk.size(), size - done);
    for (size_t i = 0; i < part; ++i) chunk[i] = ByteAt(key, reply, done + i);
    absl::StatusOr<size_t> took = co_await stream->Write(std::span(chunk).first(part));
    if (!took.ok()) co_return false;
    done += *took;
  }
  co_return true;
}

// Reads up to `size` bytes and checks each.
Task<bool> ReadPattern(Stream* stream, uint32_t key, bool reply, size_t size, Tally* tally) {
  std::array<std::byte, 2000> chunk;
  for (size_t done = 0; done < size;) {
    size_t part = std::min(chunk.size(), size - done);
    absl::StatusOr<size_t> got = co_await stream->Read(std::span(chunk).first(part));
    if (!got.ok() || *got == 0) co_return false;
    for (size_t i = 0; i < *got; ++i) tally->wrong += chunk[i] != ByteAt(key, reply, done + i);
    done += *got;
    tally->bytes += *got;
  }
  co_return true;
}

struct Hello {
  uint32_t key;
  uint32_t size;
};

Task<absl::Status> Serve(std::unique_ptr<Stream> stream, Tally* tally) {
  Hello hello;
  auto bytes = std::as_writable_bytes(std::span(&hello, 1));
  for (size_t done = 0; done < sizeof(hello);) {
    absl::StatusOr<size_t> got = co_await stream->Read(bytes.subspan(done));
    if (!got.ok() || *got == 0) co_return absl::OkStatus();
    done += *got;
  }
  auto [sent, received] =
      co_await All(WritePattern(stream.get(), hello.key, true, hello.size),
                   ReadPattern(stream.get(), hello.key, false, hello.size, tally));
  if (sent && received) (void)stream->ShutdownWrite();
  std::byte end;
  (void)co_await stream->Read(std::span(&end, 1));
  if (hello.key % 3 == 0) {
    stream->Abort();
  } else {
    (void)stream->Close();
  }
  co_return absl::OkStatus();
}

Task<void> ServeBounded(Clock* clock, std::unique_ptr<Stream> stream, Tally* tally) {
  (void)co_await Deadline(clock, clock->Now() + 20s, Serve(std::move(stream), tally));
}

Task<absl::Status> Exchange(Runtime runtime, Endpoint to, Hello hello, Tally* tally) {
  auto stream = co_await runtime.network->Connect(to, {});
  if (!stream.ok()) co_return stream.status();
  auto bytes = std::as_bytes(std::span(&hello, 1));
  for (size_t done = 0; done < sizeof(hello);) {
    absl::StatusOr<size_t> took = co_await (*stream)->Write(bytes.subspan(done));
    if (!took.ok()) co_return took.status();
    done += *took;
  }
  auto [sent, received] =
      co_await All(WritePattern(stream->get(), hello.key, false, hello.size),
                   ReadPattern(stream->get(), hello.key, true, hello.size, tally));
  if (!sent || !received) co_return absl::AbortedError("cut short");
  ++tally->exchanges;
  if (hello.key % 5 == 0) co_return absl::OkStatus();  // destroyed unclosed: aborted
  co_return (*stream)->Close();
}

Task<void> TalkAtRandom(Runtime runtime, std::vector<Endpoint> peers, Duration until,
                        Tally* tally) {
  while (runtime.clock->Now().time_since_epoch() < until) {
    Hello hello{static_cast<uint32_t>(runtime.random->Next()),
                static_cast<uint32_t>(runtime.random->Below(60'000))};
    Endpoint to = peers[runtime.random->Below(peers.size())];
    Duration patience = runtime.random->Between(100ms, 10s);
    (void)co_await Deadline(runtime.clock, runtime.clock->Now() + patience,
                            Exchange(runtime, to, hello, tally));
    (void)co_await runtime.clock->SleepFor(runtime.random->Between(0ms, 300ms));
  }
}

Task<void> AcceptAll(Runtime runtime, Listener* listener, Scope* servers, Tally* tally) {
  while (true) {
    auto stream = co_await listener->Accept();
    if (!stream.ok()) co_return;
    servers->Spawn(ServeBounded(runtime.clock, *std::move(stream), tally));
  }
}

// Talks to all and serves all for the time of the storm, then once more to everybody.
Task<void> HostMain(Runtime runtime, std::vector<Endpoint> peers, Tally* tally, Tally* after) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(80), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) co_return;
  Scope acceptor(co_await ThisTask());
  Scope servers(co_await ThisTask());
  acceptor.Spawn(AcceptAll(runtime, listener->get(), &servers, tally));
  auto talk = [&] { return TalkAtRandom(runtime, peers, kStorm, tally); };
  Scope talkers(co_await ThisTask());
  for (int i = 0; i < 3; ++i) talkers.Spawn(talk());
  co_await talkers.Join();
  (void)co_await runtime.clock->SleepUntil(MonotonicTime(kStorm + 60s));
  for (const Endpoint& peer : peers) {
    absl::Status status = co_await Exchange(runtime, peer, {1, 10'000}, after);
    EXPECT_TRUE(status.ok()) << status;
  }
  (void)co_await runtime.clock->SleepUntil(MonotonicTime(kStorm + 120s));
  acceptor.RequestStop();
  co_await acceptor.Join();
  co_await servers.Join();
}

// --- The storm ---

// Draws its faults beside the hosts, by a chooser of its own.
class Storm {
 public:
  explicit Storm(World* world) : world_(world), chooser_(world->choices(), ChooserId({0x570a})) {
    for (int i = 0; i < 60; ++i) {
      world->At(MonotonicTime(Drawn(kStorm - 10s)), [this] { Strike(); });
    }
  }

 private:
  uint64_t Below(uint64_t bound) { return chooser_.Below(Choice::kFaultPlan, bound); }
  Duration Drawn(Duration most) { return Duration(static_cast<int64_t>(Below(most.count()))); }

  void Strike() {
    uint32_t a = static_cast<uint32_t>(Below(kHosts));
    uint32_t b = static_cast<uint32_t>((a + 1 + Below(kHosts - 1)) % kHosts);
    Duration lasts = Drawn(8s);
    Host* host = world_->host(a);
    switch (Below(6)) {
      case 0:
      case 1: {
        uint32_t cut = world_->Partition({.from = {a},
                                          .to = {b},
                                          .how = Below(2) ? Passage::kDrop : Passage::kHold,
                                          .symmetric = Below(2) == 1});
        world_->After(lasts, [this, cut] { world_->Heal(cut); });
        return;
      }
      case 2:
        if (!host->up()) return;
        host->Crash();
        world_->After(lasts, [host] { host->Restart(); });
        return;
      case 3:
        host->Pause();
        world_->After(lasts, [host] { host->Resume(); });
        return;
      case 4:
        return world_->ResetConnections(a, b, Plane::kClient);
      case 5:
        world_->Clog(a, b, Plane::kClient, Drawn(2s));
        world_->After(lasts, [this, a, b] { world_->Clog(a, b, Plane::kClient, 0s); });
        return;
    }
  }

  World* const world_;
  Chooser chooser_;
};

struct Outcome {
  Tally storm;
  Tally after;
  TraceHash hash;
  size_t connections = 0;
  FaultEffects effects;
};

WorldConfig ConfigOf(uint64_t seed) {
  WorldConfig config;
  config.seed = seed;
  config.scheduling = static_cast<Scheduling>(seed % 3);
  LinkConfig& link = config.links[static_cast<size_t>(Plane::kClient)];
  link.latency = Latency::Exponential(50us, 500us);
  link.loss = link.corrupt = link.duplicate = {1, 200};
  link.reorder = {1, 50};
  link.bytes_per_second = seed % 4 == 0 ? 2'000'000 : 0;
  link.queue_bytes = 40'000;
  return config;
}

// What a fault has left of a healthy host's limits.
HostLimits LimitsOf(uint64_t seed) {
  HostLimits limits;
  if (seed % 2 == 0) {
    limits.send_buffer_bytes = 5000;
    limits.receive_buffer_bytes = 4000;
  }
  if (seed % 5 == 0) {
    limits.descriptors = 12;
    limits.max_backlog = 1;
  }
  return limits;
}

Host* AddHost(World* world, uint64_t seed) {
  HostConfig config;
  config.sockets = {.partial_write = {1, 10}, .partial_read = {1, 10}, .yield = {1, 10}};
  Host* host = world->AddHost(config);
  host->SetLimits(LimitsOf(seed));
  return host;
}

void Calm(World* world) {
  LinkConfig calm;
  world->SetLink(Plane::kClient, calm);
  for (uint32_t id = 0; id < kHosts; ++id) {
    world->host(id)->SetLimits({});
    world->host(id)->SetSocketFaults({});
  }
}

Outcome RunStorm(uint64_t seed) {
  Outcome outcome;
  World world(ConfigOf(seed));
  std::vector<Endpoint> peers;
  for (uint32_t id = 0; id < kHosts; ++id) {
    peers.push_back(AddHost(&world, seed)->Address(Plane::kClient, 80));
  }
  for (uint32_t id = 0; id < kHosts; ++id) {
    world.host(id)->Boot([&](const Runtime& runtime) {
      return HostMain(runtime, peers, &outcome.storm, &outcome.after);
    });
  }
  Storm storm(&world);
  world.At(MonotonicTime(kStorm), [&] { Calm(&world); });
  Verdict verdict = world.Run({.until = 3h});
  EXPECT_TRUE(verdict.passed()) << "seed " << seed << ": " << verdict.ToString();
  outcome.hash = world.trace()->hash();
  outcome.connections = world.connection_count();
  outcome.effects = std::as_const(world).effects();
  return outcome;
}

TEST(Soak, NoStormCorruptsHangsOrLeaks) {
  FaultEffects effects;
  uint64_t exchanges = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Outcome outcome = RunStorm(seed);
    EXPECT_EQ(outcome.storm.wrong + outcome.after.wrong, 0u) << "seed " << seed;
    EXPECT_EQ(outcome.connections, 0u) << "seed " << seed;
    EXPECT_EQ(outcome.after.exchanges, uint64_t{kHosts * kHosts}) << "seed " << seed;
    exchanges += outcome.storm.exchanges;
    effects.Merge(outcome.effects);
  }
  EXPECT_GT(exchanges, 3000u);
  for (Fault fault : {Fault::kPartition, Fault::kOneWayPartition, Fault::kHold, Fault::kClog,
                      Fault::kLoss, Fault::kReordering, Fault::kCorruption, Fault::kBandwidth,
                      Fault::kCrash, Fault::kPause, Fault::kPartialWrite, Fault::kPartialRead,
                      Fault::kReset, Fault::kDescriptors, Fault::kBacklog, Fault::kSmallBuffers}) {
    EXPECT_GT(effects.bites(fault), 0u) << FaultName(fault);
  }
}

TEST(Soak, ASeedIsTheSameStormAgain) {
  for (uint64_t seed : {3, 4, 5}) {
    EXPECT_EQ(RunStorm(seed).hash, RunStorm(seed).hash) << "seed " << seed;
  }
  EXPECT_NE(RunStorm(3).hash, RunStorm(6).hash);
}

}  // namespace
}  // namespace faultline::sim
