// Goal: a host gives its processes addresses, incarnations and limits; a crash and a pause do to a
// process what losing power and SIGSTOP do, and no more; a world ends cleanly in any state.
// Method: agents on two hosts, crashed, restarted, paused and resumed at given times; what the
// other side sees of it, and which effects are counted.
#include "sim/host.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "sim/testing/two_hosts.h"

namespace faultline::sim {
namespace {

class Hosts : public TwoHosts {};

TEST_F(Hosts, EachHasItsOwnAddressInEachPlaneAndFamily) {
  EXPECT_EQ(client->host()->Address(Plane::kReplica, 1).ToString(), "10.0.0.1:1");
  EXPECT_EQ(server->host()->Address(Plane::kClient, 2).ToString(), "10.1.0.2:2");
  EXPECT_EQ(client->host()->Address(Plane::kLoopback, 3).ToString(), "127.0.0.1:3");
  EXPECT_EQ(client->host()->Ipv6Address(Plane::kReplica, 1).ToString(), "[fd00::1]:1");
  EXPECT_EQ(server->host()->Ipv6Address(Plane::kClient, 2).ToString(), "[fd00:1::2]:2");
  EXPECT_EQ(client->host()->Ipv6Address(Plane::kLoopback, 3).ToString(), "[::1]:3");
}

TEST_F(Hosts, AddressesLeadBackToTheirHost) {
  World* world = lab.world();
  for (Plane plane : {Plane::kReplica, Plane::kClient}) {
    for (const Endpoint& address :
         {server->host()->Address(plane, 1), server->host()->Ipv6Address(plane, 1)}) {
      World::Located located = world->Locate(address, client->host());
      EXPECT_EQ(located.host, server->host());
      EXPECT_EQ(located.plane, plane);
      EXPECT_EQ(world->Locate(address, server->host()).plane, Plane::kLoopback);
    }
  }
  for (const char* text : {"10.0.0.0:1", "10.0.0.3:1", "10.2.0.1:1", "11.0.0.1:1", "[fd00::3]:1",
                           "[fd00:2::1]:1", "[fe80::1]:1", "[fd00::1:0:0:1]:1"}) {
    EXPECT_EQ(world->Locate(*Endpoint::Parse(text), client->host()).host, nullptr) << text;
  }
}

// --- Crash and restart ---

struct Canary {
  explicit Canary(int* destroyed) : destroyed(destroyed) {}
  ~Canary() { ++*destroyed; }
  int* const destroyed;
};

Task<absl::StatusOr<bool>> HoldCanary(Clock* clock, int* destroyed) {
  Canary canary(destroyed);
  (void)co_await clock->SleepFor(1h);
  co_return true;
}

TEST_F(Hosts, ACrashDestroysEveryFrameAndResumesNone) {
  int destroyed = 0;
  Job<bool> holding = client->Start(HoldCanary(client->runtime().clock, &destroyed));
  client->Crash();
  EXPECT_EQ(destroyed, 1);
  lab.Advance(2h);
  EXPECT_FALSE(holding.done());
  EXPECT_FALSE(client->host()->up());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"crash", 1}}));
  client->Crash();  // nothing runs: nothing happens
  EXPECT_EQ(lab.bites(), Lab::Bites({{"crash", 1}}));
}

// Says goodbye as it is destroyed, as owners of connections do.
struct Polite {
  Polite(Stream* stream, int way) : stream(stream), way(way) {}
  ~Polite() {
    if (way == 0) (void)stream->ShutdownWrite();
    if (way == 1) (void)stream->Close();
    if (way == 2) stream->Abort();
  }
  Stream* const stream;
  const int way;
};

Task<absl::StatusOr<bool>> HoldPolite(Clock* clock, Stream* stream, int way) {
  Polite polite(stream, way);
  (void)co_await clock->SleepFor(1h);
  co_return true;
}

Task<absl::StatusOr<size_t>> ReadOnce(Stream* stream) {
  std::byte buffer[16];
  co_return co_await stream->Read(buffer);
}

TEST_F(Hosts, DestructorsThatSayGoodbyeSendNothingInACrash) {
  for (int way = 0; way < 3; ++way) {
    SCOPED_TRACE(way);
    auto [near, far] = lab.Connect(client, server);
    Job<bool> holding = client->Start(HoldPolite(client->runtime().clock, near, way));
    Job<size_t> reading = server->Start(ReadOnce(far));
    const size_t ends = lab.Count(TraceKind::kFin) + lab.Count(TraceKind::kReset);
    client->Crash();
    lab.Advance(1h);
    EXPECT_FALSE(reading.done()) << "the peer is not told";
    EXPECT_EQ(lab.Count(TraceKind::kFin) + lab.Count(TraceKind::kReset), ends);
    server->Crash();
    client->Restart();
    server->Restart();
  }
}

TEST_F(Hosts, ATaskThatIsReadyDiesInTheCrashToo) {
  int destroyed = 0;
  client->host()->Pause();
  Job<bool> ready = client->Start(HoldCanary(client->runtime().clock, &destroyed));
  client->Crash();
  client->host()->Resume();
  lab.Advance(2h);
  EXPECT_EQ(destroyed, 0) << "it never began";
  EXPECT_FALSE(ready.done());
}

TEST_F(Hosts, ARestartIsANewIncarnationWithNothingOpen) {
  EXPECT_EQ(server->host()->incarnation(), 1u);
  server->Listen(server->At(80));
  server->Crash();
  EXPECT_EQ(server->host()->incarnation(), 1u);
  server->Restart();
  EXPECT_EQ(server->host()->incarnation(), 2u);
  EXPECT_EQ(server->host()->process()->descriptors(), 3u);
  server->Listen(server->At(80));
  EXPECT_TRUE(lab.Await(client->Connect(server->At(80))).ok());
  EXPECT_EQ(lab.Count(TraceKind::kBoot, kServer), 2u);
  EXPECT_EQ(lab.Count(TraceKind::kCrash, kServer), 1u);
}

TEST_F(Hosts, AnIncarnationDrawsItsOwnRandomNumbers) {
  uint64_t first = client->runtime().random->Next();
  std::array<std::byte, 16> entropy{};
  client->runtime().entropy->Fill(entropy);
  client->Crash();
  client->Restart();
  EXPECT_NE(client->runtime().random->Next(), first);
  std::array<std::byte, 16> again{};
  client->runtime().entropy->Fill(again);
  EXPECT_NE(again, entropy);
}

Task<void> WatchMain(Runtime runtime, std::vector<MonotonicTime>* starts) {
  starts->push_back(runtime.clock->Now());
  (void)co_await runtime.clock->SleepFor(1h);
}

TEST_F(Hosts, TheMonotonicClockGoesOnOverARestart) {
  std::vector<MonotonicTime> starts;
  Host* host = lab.world()->AddHost({});
  host->Boot([&](const Runtime& runtime) { return WatchMain(runtime, &starts); });
  lab.AdvanceTo(10s);
  host->Crash();
  lab.AdvanceTo(15s);
  host->Restart();
  lab.AdvanceTo(20s);
  EXPECT_EQ(starts, std::vector<MonotonicTime>({MonotonicTime(0s), MonotonicTime(15s)}));
}

Task<void> OpenAndReturn(Runtime runtime, Endpoint to, bool close) {
  auto stream = co_await runtime.network->Connect(to, {});
  if (stream.ok() && close) (void)(*stream)->Close();
}

TEST_F(Hosts, AProcessThatEndsClosesNothingInOrderByItself) {
  for (bool closes : {true, false}) {
    Listener* listener = server->Listen(server->At(80));
    Host* host = lab.world()->AddHost({});
    host->Boot(
        [&](const Runtime& runtime) { return OpenAndReturn(runtime, server->At(80), closes); });
    Stream* stream = *lab.Await(server->Accept(listener));
    Job<std::string> reading = server->Read(stream);
    lab.Advance(1s);
    EXPECT_EQ(ErrorOf(reading), closes ? 0 : ECONNRESET);
    ASSERT_TRUE(reading.done());
    ASSERT_TRUE(listener->Close().ok());
  }
}

// --- Pause ---

TEST_F(Hosts, APausedProcessStandsStillAndItsTimersAreLate) {
  Job<bool> sleeping = client->Sleep(10ms);
  client->host()->Pause();
  lab.Advance(1s);
  EXPECT_FALSE(sleeping.done());
  EXPECT_EQ(client->runtime().clock->Now(), MonotonicTime(1s)) << "time does not stand still";
  client->host()->Resume();
  EXPECT_EQ(lab.bites(), Lab::Bites({{"pause", 1}}));
  lab.Advance(0s);
  EXPECT_TRUE(sleeping.done());
}

TEST_F(Hosts, ATimerThatIsNotYetDueIsOnTime) {
  Job<bool> sleeping = client->Sleep(2s);
  client->host()->Pause();
  lab.Advance(1s);
  client->host()->Resume();
  EXPECT_EQ(lab.bites(), Lab::Bites()) << "nothing was late";
  lab.AdvanceTo(2s - 1ns);
  EXPECT_FALSE(sleeping.done());
  lab.AdvanceTo(2s);
  EXPECT_TRUE(sleeping.done());
}

TEST_F(Hosts, WorkThatCameDuringAPauseWaitsForItsEnd) {
  auto [near, far] = lab.Connect(client, server);
  Job<std::string> reading = server->Read(far);
  server->host()->Pause();
  client->Write(near, "wake up");
  lab.Advance(1s);
  EXPECT_FALSE(reading.done());
  server->host()->Resume();
  lab.Settle();
  EXPECT_EQ(*reading.result(), "wake up");
  EXPECT_EQ(lab.bites(), Lab::Bites({{"pause", 1}}));
}

TEST_F(Hosts, ThePausedKernelAcknowledgesUntilItsBuffersAreFull) {
  auto [near, far] = lab.Connect(client, server);
  server->host()->Pause();
  Job<size_t> writing = client->WriteAll(near, Pattern(200'000));
  lab.Advance(1h);
  EXPECT_FALSE(writing.done());
  uint64_t delivered = 0;
  for (const TraceRecord& record : lab.Records(TraceKind::kDeliver, kServer)) delivered += record.b;
  EXPECT_EQ(delivered, uint64_t{64 << 10});
  EXPECT_EQ(lab.Count(TraceKind::kRetransmit), 0u);
  server->host()->Resume();
  EXPECT_EQ(*lab.Await(server->ReadAll(far, 200'000)), Pattern(200'000));
}

TEST_F(Hosts, NestedPausesCount) {
  Job<bool> sleeping = client->Sleep(1ms);
  client->host()->Pause();
  client->host()->Pause();
  lab.Advance(1s);
  client->host()->Resume();
  lab.Advance(1s);
  EXPECT_TRUE(client->host()->paused());
  EXPECT_FALSE(sleeping.done());
  client->host()->Resume();
  lab.Advance(0s);
  EXPECT_TRUE(sleeping.done());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"pause", 1}}));
}

TEST_F(Hosts, APauseThatDelaysNothingIsNotCounted) {
  client->host()->Pause();
  lab.Advance(1s);
  client->host()->Resume();
  EXPECT_EQ(lab.bites(), Lab::Bites());
}

TEST_F(Hosts, APauseIsAccountedToItsFamily) {
  client->Sleep(1ms);
  client->host()->Pause(Fault::kSlow);
  lab.Advance(1s);
  client->host()->Resume();
  EXPECT_EQ(lab.bites(), Lab::Bites({{"slow", 1}}));
}

TEST_F(Hosts, APausedProcessCanCrashAndRestartPaused) {
  auto [near, far] = lab.Connect(client, server);
  server->Read(far);
  server->host()->Pause();
  client->Write(near, "x");
  lab.Advance(1s);
  server->Crash();
  server->Restart();
  EXPECT_EQ(lab.Count(TraceKind::kBoot, kServer), 2u);
  client->Write(near, "x");
  lab.Advance(2 * kOneWay);
  EXPECT_EQ(ErrorOf(client->Read(near)), ECONNRESET) << "the kernel answers";
  server->host()->Resume();
  lab.Settle();
  server->Listen(server->At(80));
  EXPECT_TRUE(lab.Await(client->Connect(server->At(80))).ok());
}

// --- Limits and buffers change ---

TEST_F(Hosts, NewLimitsHoldForSocketsThatHaveNotSetTheirOwn) {
  auto [near, far] = lab.Connect(client, server);
  auto [own, third] = lab.Connect(client, server, 81);
  ASSERT_TRUE(own->SetSendBufferSize(999).ok());
  client->host()->SetLimits(WithBuffers(100, 200));
  EXPECT_EQ(*near->SendBufferSize(), 100u);
  EXPECT_EQ(*near->ReceiveBufferSize(), 200u);
  EXPECT_EQ(*far->SendBufferSize(), size_t{64 << 10});
  EXPECT_EQ(*own->SendBufferSize(), 999u);
  auto [later, other] = lab.Connect(client, server);
  EXPECT_EQ(*later->SendBufferSize(), 100u);
  EXPECT_EQ(*later->ReceiveBufferSize(), 200u);
  EXPECT_EQ(*other->SendBufferSize(), size_t{64 << 10});
  (void)third;
}

// --- Worlds end in any state ---

TEST(WorldEnd, ConnectionsInEveryStateAreLeftBehindSafely) {
  for (int closer = 0; closer < 4; ++closer) {
    auto lab = std::make_unique<Lab>();
    Agent* a = lab->AddAgent();
    Agent* b = lab->AddAgent();
    auto [near, far] = lab->Connect(a, b);
    Job<std::string> reading = b->Read(far);
    Job<size_t> writing = b->WriteAll(far, Pattern(1 << 20));
    Listener* listener = b->Listen(b->At(81));
    Job<Stream*> accepting = b->Accept(listener);
    a->Connect(b->At(81));
    a->Send(a->Bind(a->At(9)), b->At(9), "under way");
    Job<Received> receiving = b->Receive(b->Bind(b->At(10)));
    lab->Advance(700us);
    if (closer == 1) (void)near->Close();
    if (closer == 2) near->Abort();
    if (closer == 3) lab->world()->Partition({.from = {0}, .to = {1}, .how = Passage::kHold});
    lab->Advance(700us);
    a->Connect(b->At(82));
    lab.reset();
    EXPECT_FALSE(receiving.done());
  }
}

TEST(WorldEnd, AClosedClientsPortIsNotGivenBackToADeadHost) {
  auto lab = std::make_unique<Lab>();
  Agent* a = lab->AddAgent();
  Agent* b = lab->AddAgent();
  auto [near, far] = lab->Connect(a, b);
  ASSERT_TRUE(near->Close().ok());
  lab->Advance(1s);
  EXPECT_EQ(lab->world()->connection_count(), 1u);
  (void)far;
  lab.reset();
}

}  // namespace
}  // namespace faultline::sim
