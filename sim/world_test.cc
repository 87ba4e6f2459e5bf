// Goal: a world ends in the right verdict, jumps over idle time, and is a function of its seed.
// Method: a small world for each verdict; hashes compared across runs, seeds and edits.
#include "sim/world.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/event.h"
#include "runtime/stream_io.h"
#include "sim/host.h"

namespace faultline::sim {
namespace {

Task<void> Sleep(Clock* clock, Duration duration) { (void)co_await clock->SleepFor(duration); }
Task<void> SpinForever() {
  while (true) co_await Yield();
}
Task<void> WaitForever() {
  Event never;
  (void)co_await never.Wait();
}
Task<void> TickForever(Clock* clock) {
  while (true) (void)co_await clock->SleepFor(1ms);
}

ProcessMain Main(Task<void> (*function)()) {
  return [function](const Runtime&) { return function(); };
}

TEST(World, PassesWhenEveryMainTaskHasEnded) {
  World world({.seed = 1});
  world.AddHost({.name = "host"})->Boot([](const Runtime& runtime) {
    return Sleep(runtime.clock, 5s);
  });
  Verdict verdict = world.Run({});
  EXPECT_TRUE(verdict.passed()) << verdict.ToString();
  EXPECT_EQ(verdict.time, MonotonicTime(5s));
}

TEST(World, DeadlockNamesTheHosts) {
  World world({.seed = 1});
  world.AddHost({.name = "stuck"})->Boot(Main(&WaitForever));
  world.AddHost({.name = "done"})->Boot([](const Runtime& runtime) {
    return Sleep(runtime.clock, 1s);
  });
  Verdict verdict = world.Run({});
  EXPECT_EQ(verdict.kind, VerdictKind::kDeadlock);
  EXPECT_EQ(verdict.time, MonotonicTime(1s)) << "only once nothing is left to happen";
  EXPECT_NE(verdict.ToString().find("stuck"), std::string::npos);
  EXPECT_EQ(verdict.ToString().find("done"), std::string::npos);
}

TEST(World, LivelockIsTurnsWithoutTime) {
  World world({.seed = 1, .max_turns_an_instant = 1000});
  world.AddHost({.name = "host"})->Boot(Main(&SpinForever));
  EXPECT_EQ(world.Run({}).kind, VerdictKind::kLivelock);
}

Task<void> ConnectForever(Network* network) {
  while (true) (void)co_await network->Connect(Endpoint(), {});
}

TEST(World, ARetryThatFailsAtOnceIsALivelock) {
  World world({.seed = 1, .max_turns_an_instant = 1000});
  world.AddHost({.name = "host"})->Boot([](const Runtime& runtime) {
    return ConnectForever(runtime.network);
  });
  EXPECT_EQ(world.Run({}).kind, VerdictKind::kLivelock);
}

// Has no descriptor left for whoever comes, and gives none back.
Task<void> AcceptWithoutDescriptors(Network* network) {
  auto listener = network->Listen(Endpoint::Ipv4Any(9), {});
  (void)co_await (*listener)->Accept();
}

Task<void> ConnectAndRead(Network* network, Endpoint server) {
  auto stream = co_await network->Connect(server, {});
  std::byte byte[1];
  if (stream.ok()) (void)co_await (*stream)->Read(byte);
}

TEST(World, EverybodyWaitingForADescriptorIsADeadlock) {
  World world({.seed = 1});
  HostConfig config{.name = "server"};
  config.limits.descriptors = 4;  // the standard three, and the listener
  Host* server = world.AddHost(config);
  server->Boot([](const Runtime& runtime) { return AcceptWithoutDescriptors(runtime.network); });
  world.AddHost({.name = "client"})->Boot([server](const Runtime& runtime) {
    return ConnectAndRead(runtime.network, server->Address(Plane::kClient, 9));
  });
  EXPECT_EQ(world.Run({}).kind, VerdictKind::kDeadlock);
}

Task<void> FillBacklog(Network* network) {
  const Endpoint path = Endpoint::Unix("/run/full.sock");
  auto listener = *network->Listen(path, {.backlog = 0});  // Linux admits one more
  auto first = co_await network->Connect(path, {});
  (void)co_await network->Connect(path, {});
}

TEST(World, AUnixConnectThatNobodyAcceptsIsADeadlock) {
  World world({.seed = 1});
  world.AddHost({.name = "host"})->Boot([](const Runtime& runtime) {
    return FillBacklog(runtime.network);
  });
  EXPECT_EQ(world.Run({}).kind, VerdictKind::kDeadlock);
}

TEST(World, TimeIsBounded) {
  World world({.seed = 1});
  world.AddHost({.name = "host"})->Boot([](const Runtime& runtime) {
    return TickForever(runtime.clock);
  });
  Verdict verdict = world.Run({.until = 10s});
  EXPECT_EQ(verdict.kind, VerdictKind::kBound);
  EXPECT_EQ(verdict.time, MonotonicTime(10s));
  EXPECT_EQ(world.Run({.until = 20s}).time, MonotonicTime(20s)) << "goes on from where it was";
}

TEST(World, EventsAreBounded) {
  World world({.seed = 1});
  world.AddHost({.name = "host"})->Boot([](const Runtime& runtime) {
    return TickForever(runtime.clock);
  });
  Verdict verdict = world.Run({.until = 10h, .max_events = 100});
  EXPECT_EQ(verdict.kind, VerdictKind::kBound);
  EXPECT_EQ(verdict.events, 100u);
}

TEST(World, ABrokenInvariantStopsEverything) {
  World world({.seed = 1});
  world.AddHost({.name = "host"})->Boot([](const Runtime& runtime) {
    return TickForever(runtime.clock);
  });
  world.At(MonotonicTime(3s), [&] { world.Fail(absl::DataLossError("entry 7 is gone")); });
  world.At(MonotonicTime(3s), [&] { world.Fail(absl::DataLossError("a later one")); });
  world.At(MonotonicTime(4s), [&] { ADD_FAILURE() << "something happened after the failure"; });
  Verdict verdict = world.Run({});
  EXPECT_EQ(verdict.kind, VerdictKind::kInvariant);
  EXPECT_EQ(verdict.ToString(), "invariant broken at 3.000000000s: entry 7 is gone");
}

TEST(World, IdleHoursCostNothing) {
  World world({.seed = 1});
  for (int i = 0; i < 1000; ++i) {
    world.AddHost({.name = "idle"})->Boot([](const Runtime& runtime) {
      return Sleep(runtime.clock, 24h * 365);
    });
  }
  Verdict verdict = world.Run({.until = 24h * 366});
  EXPECT_TRUE(verdict.passed());
  EXPECT_EQ(verdict.events, 1000u) << "one for each alarm clock, none for the year";
}

// --- Same seed, same run ---

Task<void> Echo(Runtime runtime) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(7), {});
  auto stream = co_await (*listener)->Accept();
  std::byte buffer[64];
  while ((co_await ReadExactly(stream->get(), buffer)).ok()) {
    (void)co_await WriteAll(stream->get(), buffer);
  }
  (void)(*stream)->Close();
}

Task<void> Call(Runtime runtime, Endpoint server) {
  auto stream = co_await runtime.network->Connect(server, {});
  for (int i = 0; i < 20; ++i) {
    std::byte buffer[64];
    runtime.entropy->Fill(buffer);
    (void)co_await WriteAll(stream->get(), buffer);
    (void)co_await ReadExactly(stream->get(), buffer);
    (void)co_await runtime.clock->SleepFor(Duration(runtime.random->Below(1'000'000)));
  }
  (void)(*stream)->Close();
}

struct RunResult {
  TraceHash hash;
  TraceHash server_hash;
  Tape tape;
};

RunResult RunEcho(uint64_t seed, const Tape* replay = nullptr, Duration extra_latency = 0ms) {
  RunResult result;
  LinkConfig link;
  link.latency = Latency::Exponential(100us + extra_latency, 1ms);
  link.loss = {1, 20};
  WorldConfig config{.seed = seed, .scheduling = Scheduling::kRandom};
  config.links[static_cast<size_t>(Plane::kClient)] = link;
  config.record_on = &result.tape;
  config.replay_from = replay;
  World world(config);
  SocketFaults cut{.partial_write = {1, 3}, .partial_read = {1, 3}};
  Host* server = world.AddHost({.name = "server", .sockets = cut});
  Host* client = world.AddHost({.name = "client", .sockets = cut});
  server->Boot([](const Runtime& runtime) { return Echo(runtime); });
  client->Boot([server](const Runtime& runtime) {
    return Call(runtime, server->Address(Plane::kClient, 7));
  });
  EXPECT_TRUE(world.Run({}).passed());
  result.hash = world.trace()->hash();
  result.server_hash = world.trace()->host_hash(server->id());
  return result;
}

TEST(World, SameSeedSameHash) {
  RunResult first = RunEcho(7);
  RunResult second = RunEcho(7);
  EXPECT_EQ(first.hash, second.hash);
  EXPECT_EQ(first.server_hash, second.server_hash);
  EXPECT_NE(first.hash, RunEcho(8).hash);
  EXPECT_NE(first.hash, first.server_hash);
}

TEST(World, ATapeRepeatsTheRunUnderAnotherSeed) {
  RunResult recorded = RunEcho(7);
  EXPECT_GT(recorded.tape.entries().size(), 100u);
  RunResult replayed = RunEcho(999, &recorded.tape);
  EXPECT_EQ(replayed.hash, recorded.hash);
  EXPECT_EQ(replayed.tape, recorded.tape);
}

TEST(World, AnEditInOnePlaceLeavesOtherDrawsAlone) {
  // Slower links change the run; the bytes that the client draws by entropy stay what they were.
  auto entropy = [](const Tape& tape) {
    std::vector<uint64_t> values;
    for (const TapeEntry& entry : tape.entries()) {
      if (entry.key.kind == Choice::kEntropy) values.push_back(entry.value);
    }
    return values;
  };
  RunResult before = RunEcho(7);
  RunResult after = RunEcho(7, nullptr, 3ms);
  EXPECT_NE(before.hash, after.hash);
  EXPECT_EQ(entropy(before.tape), entropy(after.tape));
}

}  // namespace
}  // namespace faultline::sim
