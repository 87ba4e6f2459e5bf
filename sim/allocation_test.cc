// Goal: once warm, simulated reads, writes, datagrams and sleeps ask the heap for nothing.
// Method: two hosts exchange messages; after the first thousand rounds, operator new is counted
// over ten thousand more, between two moments of the run, world and kernel included.
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "runtime/frame_pool.h"
#include "runtime/testing/allocation_counter.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::sim {
namespace {

constexpr int kWarm = 1000;
constexpr int kRounds = 11'000;

using Message = std::array<std::byte, 256>;

struct Meter {
  void Note(int round) {
    if (round == kWarm) before = faultline::testing::TotalAllocations();
    if (round == kRounds) allocations = faultline::testing::TotalAllocations() - before;
  }
  size_t before = 0;
  size_t allocations = SIZE_MAX;
};

Task<bool> ReadMessage(Stream* stream, Message* message) {
  for (size_t done = 0; done < message->size();) {
    absl::StatusOr<size_t> got = co_await stream->Read(std::span(*message).subspan(done));
    if (!got.ok() || *got == 0) co_return false;
    done += *got;
  }
  co_return true;
}

Task<bool> WriteMessage(Stream* stream, Message* message) {
  for (size_t done = 0; done < message->size();) {
    absl::StatusOr<size_t> took = co_await stream->Write(std::span(*message).subspan(done));
    if (!took.ok()) co_return false;
    done += *took;
  }
  co_return true;
}

Task<void> EchoMessages(Runtime runtime) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(80), {});
  auto stream = co_await (*listener)->Accept();
  Message message;
  while (co_await ReadMessage(stream->get(), &message)) {
    if (!co_await WriteMessage(stream->get(), &message)) co_return;
  }
}

Task<void> AskMessages(Runtime runtime, Endpoint to, Meter* meter) {
  auto stream = co_await runtime.network->Connect(to, {});
  Message message{};
  for (int round = 1; round <= kRounds; ++round) {
    if (!co_await WriteMessage(stream->get(), &message)) co_return;
    if (!co_await ReadMessage(stream->get(), &message)) co_return;
    if (round % 10 == 0) (void)co_await runtime.clock->SleepFor(1us);
    meter->Note(round);
  }
  (void)(*stream)->Close();
}

// One way, faster than the window: writers wait, segments queue.
Task<void> PourMessages(Runtime runtime, Endpoint to, Meter* meter) {
  auto stream = co_await runtime.network->Connect(to, {});
  Message message{};
  for (int round = 1; round <= kRounds; ++round) {
    if (!co_await WriteMessage(stream->get(), &message)) co_return;
    meter->Note(round);
  }
  (void)(*stream)->Close();
}

Task<void> DrainMessages(Runtime runtime) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(80), {});
  auto stream = co_await (*listener)->Accept();
  Message message;
  while (co_await ReadMessage(stream->get(), &message)) {
  }
}

Task<void> EchoDatagrams(Runtime runtime) {
  auto socket = runtime.network->Bind(Endpoint::Ipv4Any(53), {});
  Message message;
  DatagramInfo info;
  for (int round = 1; round <= kRounds; ++round) {
    absl::StatusOr<size_t> got = co_await (*socket)->ReceiveFrom(message, &info);
    if (!got.ok()) co_return;
    (void)co_await (*socket)->SendTo(&info.from, message);
  }
}

Task<void> AskDatagrams(Runtime runtime, Endpoint to, Meter* meter) {
  auto socket = runtime.network->Bind(Endpoint::Ipv4Any(0), {});
  Message message{};
  for (int round = 1; round <= kRounds; ++round) {
    (void)co_await (*socket)->SendTo(&to, message);
    (void)co_await (*socket)->ReceiveFrom(message, nullptr);
    meter->Note(round);
  }
}

using ServerMain = Task<void> (*)(Runtime);
using ClientMain = Task<void> (*)(Runtime, Endpoint, Meter*);

size_t AllocationsOf(const WorldConfig& config, ServerMain serve, ClientMain ask, uint16_t port) {
  const size_t at_start = faultline::testing::TotalAllocations();
  World world(config);
  Host* server = world.AddHost({});
  Host* client = world.AddHost({});
  Meter meter;
  server->Boot([=](const Runtime& runtime) { return serve(runtime); });
  client->Boot([&](const Runtime& runtime) {
    return ask(runtime, server->Address(Plane::kClient, port), &meter);
  });
  Verdict verdict = world.Run({});
  EXPECT_TRUE(verdict.passed()) << verdict.ToString();
  EXPECT_GT(meter.before, at_start) << "the counter counts what warming up allocates";
  return meter.allocations;
}

class Allocations : public ::testing::TestWithParam<Scheduling> {
 protected:
  WorldConfig Config() const {
    WorldConfig config;
    config.scheduling = GetParam();
    return config;
  }
};

TEST_P(Allocations, RequestsAndRepliesAllocateNothing) {
#if !FAULTLINE_FRAME_POOL
  GTEST_SKIP() << "frames are not recycled under AddressSanitizer";
#endif
  EXPECT_EQ(AllocationsOf(Config(), &EchoMessages, &AskMessages, 80), 0u);
}

TEST_P(Allocations, AWriterThatFillsTheWindowAllocatesNothing) {
#if !FAULTLINE_FRAME_POOL
  GTEST_SKIP() << "frames are not recycled under AddressSanitizer";
#endif
  EXPECT_EQ(AllocationsOf(Config(), &DrainMessages, &PourMessages, 80), 0u);
}

TEST_P(Allocations, JitteringLinksAllocateNothing) {
#if !FAULTLINE_FRAME_POOL
  GTEST_SKIP() << "frames are not recycled under AddressSanitizer";
#endif
  WorldConfig config = Config();
  config.links[static_cast<size_t>(Plane::kClient)].latency = Latency::Uniform(100us, 400us);
  EXPECT_EQ(AllocationsOf(config, &EchoMessages, &AskMessages, 80), 0u);
}

TEST_P(Allocations, DatagramsAllocateNothing) {
#if !FAULTLINE_FRAME_POOL
  GTEST_SKIP() << "frames are not recycled under AddressSanitizer";
#endif
  EXPECT_EQ(AllocationsOf(Config(), &EchoDatagrams, &AskDatagrams, 53), 0u);
}

INSTANTIATE_TEST_SUITE_P(Policies, Allocations,
                         ::testing::Values(Scheduling::kFifo, Scheduling::kRandom,
                                           Scheduling::kPct));

}  // namespace
}  // namespace faultline::sim
