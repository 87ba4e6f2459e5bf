// Goal: QUIC delivers everything, in order and once, whatever the network does to datagrams, and a
// peer that falls silent is told from one that is slow.
// Method: the echo of fixture.h, in simulation, under sweeps over seeds of loss, duplication,
// reordering, corruption, small packets and slow links; the timers of silence are checked by the
// virtual time that they took.

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/check.h"
#include "runtime/errors.h"
#include "transports/message/frame_error.h"
#include "transports/quic/quic.h"
#include "transports/quic/testing/fixture.h"
#include "transports/testing/samples.h"

namespace faultline::quic {
namespace {

using faultline::testing::Sample;
using message::Message;
using testing::CheckEcho;
using testing::ConnectOne;
using testing::Context;
using testing::EchoClient;
using testing::EchoServer;
using testing::InSimulation;
using testing::kMax;
using testing::NewContext;
using testing::OneTo;
using testing::Place;
using testing::ReadingServer;
using testing::UnderWeather;
using testing::Weather;

constexpr uint64_t kSeeds = 25;

Weather With(const sim::LinkConfig& link) {
  Weather weather;
  weather.link = link;
  return weather;
}

void Sweep(const sim::LinkConfig& link, const Context& context = NewContext()) {
  UnderWeather(EchoServer, EchoClient, CheckEcho, context, With(link), kSeeds);
}

TEST(QuicWeather, LossIsMadeGood) { Sweep({.loss = {1, 20}}); }

TEST(QuicWeather, BbrMakesLossGood) {
  Context context = NewContext();
  context.server.transport.congestion_control = CongestionControl::kBbr;
  context.client.transport.congestion_control = CongestionControl::kBbr;
  Sweep({.loss = {1, 20}}, context);
}

TEST(QuicWeather, TheCongestionControlIsAChoice) {
  Context cubic = NewContext();
  Context bbr = NewContext();
  bbr.server.transport.congestion_control = CongestionControl::kBbr;
  Weather weather = With({.loss = {1, 20}});
  EXPECT_NE(InSimulation(EchoServer, EchoClient, cubic, weather).hash,
            InSimulation(EchoServer, EchoClient, bbr, weather).hash);
}

TEST(QuicWeather, DuplicatesAreSeenOnce) { Sweep({.duplicate = {1, 3}}); }

TEST(QuicWeather, ReorderingIsUndone) { Sweep({.reorder = {1, 4}}); }

TEST(QuicWeather, CorruptionIsLoss) { Sweep({.corrupt = {1, 20}}); }

TEST(QuicWeather, ASlowLinkIsOnlySlow) {
  Sweep({.bytes_per_second = 200'000, .queue_bytes = 20'000});
}

// 1280 bytes are the least that QUIC asks of a path: 1200 of payload. Larger probes vanish.
TEST(QuicWeather, ASmallPathIsFoundOut) { Sweep({.mtu = 1280}); }

TEST(QuicWeather, EverythingAtOnce) {
  Sweep({.bytes_per_second = 2'000'000,
         .loss = {1, 50},
         .duplicate = {1, 20},
         .reorder = {1, 10},
         .corrupt = {1, 50},
         .mtu = 1400});
}

TEST(QuicWeather, EqualSeedsAreEqualRunsInAnyWeather) {
  Weather weather = With({.loss = {1, 10}, .duplicate = {1, 10}, .reorder = {1, 10}});
  for (weather.seed = 1; weather.seed <= 5; ++weather.seed) {
    auto first = InSimulation(EchoServer, EchoClient, NewContext(), weather);
    auto again = InSimulation(EchoServer, EchoClient, NewContext(), weather);
    EXPECT_EQ(first.hash, again.hash) << "seed " << weather.seed;
  }
}

// --- The MTU of the path ---

Task<void> MeasuringClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  FrozenBatch batch;
  batch.Add(Sample(place.runtime.buffers, 1, 100'000).frozen());
  context->sent = co_await connection.SendBatch(&batch);
  (void)co_await place.runtime.clock->SleepFor(5s);
  SessionDetails details = connection.details();
  context->count = details.packet_bytes;
  EXPECT_EQ(details.alpn, "faultline");
  EXPECT_TRUE(details.cipher.starts_with("TLS_")) << details.cipher;
  EXPECT_GE(details.smoothed_rtt, 1ms);
  EXPECT_LT(details.smoothed_rtt, 100ms);
  EXPECT_TRUE(connection.Close().ok());
}

size_t FoundOn(size_t mtu, bool discovery) {
  Context context = NewContext();
  context.client.transport.path_mtu_discovery = discovery;
  Weather weather = With({.mtu = mtu});
  testing::SimResult result = InSimulation(ReadingServer, MeasuringClient, context, weather);
  EXPECT_EQ(result.context.received, OneTo(1));
  return result.context.count;
}

// ngtcp2 tries 1232, 1342, 1406 and 1444 bytes of payload, which IPv4 and UDP make 28 longer.
TEST(QuicWeather, TheMtuOfThePathIsFound) {
  EXPECT_EQ(FoundOn(1500, true), 1444u);
  EXPECT_EQ(FoundOn(1471, true), 1406u);
  EXPECT_EQ(FoundOn(1433, true), 1342u);
  EXPECT_EQ(FoundOn(1280, true), 1232u);
  EXPECT_EQ(FoundOn(1259, true), 1200u);
  EXPECT_EQ(FoundOn(1500, false), 1200u);
}

// --- Across processes ---

constexpr char kOneRun[] = "QuicWeather.OneRun";

std::string Line(const sim::TraceHash& hash) { return "hash " + hash.ToString() + "\n"; }

// What another process runs: addresses and hash tables lie elsewhere there.
TEST(QuicWeather, OneRun) {
  Weather weather = With({.loss = {1, 20}, .duplicate = {1, 20}, .reorder = {1, 10}});
  weather.seed = 77;
  testing::SimResult result = InSimulation(EchoServer, EchoClient, NewContext(), weather);
  CheckEcho(result.context);
  std::fputs(Line(result.hash).c_str(), stdout);
}

std::string RunElsewhere() {
  std::string program = std::filesystem::read_symlink("/proc/self/exe");
  // Without what the test runner tells this process: the reports are this one's.
  std::string clean = "env -u TEST_PREMATURE_EXIT_FILE -u XML_OUTPUT_FILE ";
  FILE* output = popen((clean + program + " --gtest_filter=" + kOneRun).c_str(), "r");
  FAULTLINE_CHECK(output != nullptr) << "popen";
  std::string found;
  std::array<char, 256> line;
  while (std::fgets(line.data(), line.size(), output) != nullptr) {
    if (std::string_view(line.data()).starts_with("hash ")) found = line.data();
  }
  EXPECT_EQ(pclose(output), 0);
  return found;
}

TEST(QuicWeather, EqualSeedsAreEqualRunsInEveryProcess) {
  Weather weather = With({.loss = {1, 20}, .duplicate = {1, 20}, .reorder = {1, 10}});
  weather.seed = 77;
  testing::SimResult here = InSimulation(EchoServer, EchoClient, NewContext(), weather);
  EXPECT_EQ(RunElsewhere(), Line(here.hash));
  EXPECT_EQ(RunElsewhere(), Line(here.hash));
}

// --- Silence ---

// One message, then nothing for `count` seconds, then another.
Task<void> PausingClient(Place place, Context* context) {
  Connection connection = co_await ConnectOne(place, context);
  FrozenBatch batch;
  batch.Add(Sample(place.runtime.buffers, 1, 10).frozen());
  context->sent = co_await connection.SendBatch(&batch);
  (void)co_await place.runtime.clock->SleepFor(std::chrono::seconds(context->count));
  batch.Add(Sample(place.runtime.buffers, 2, 10).frozen());
  context->sent = co_await connection.SendBatch(&batch);
  if (context->sent.ok()) context->sent = connection.Close();
}

Context Pausing(Duration idle, Duration keepalive) {
  Context context = NewContext();
  for (Options* options : {&context.server, &context.client}) {
    options->transport.idle_timeout = idle;
    options->transport.keepalive = keepalive;
  }
  context.count = 100;
  return context;
}

TEST(QuicWeather, SilenceEndsASession) {
  auto check = [](const Context& context) {
    EXPECT_EQ(context.received, OneTo(1));
    EXPECT_EQ(ErrnoOf(context.server_end), ETIMEDOUT) << context.server_end;
    EXPECT_EQ(ErrnoOf(context.sent), ETIMEDOUT) << context.sent;
  };
  UnderWeather(ReadingServer, PausingClient, check, Pausing(20s, 0s), {}, 3);
}

TEST(QuicWeather, KeepaliveBreaksTheSilence) {
  auto check = [](const Context& context) {
    EXPECT_EQ(context.received, OneTo(2));
    EXPECT_TRUE(message::IsConnectionClosed(context.server_end)) << context.server_end;
  };
  UnderWeather(ReadingServer, PausingClient, check, Pausing(20s, 10s), {}, 3);
}

// 0 is "never", not "at once".
TEST(QuicWeather, WithoutAnIdleTimeoutSilenceIsNoEnd) {
  auto check = [](const Context& context) {
    EXPECT_EQ(context.received, OneTo(2));
    EXPECT_TRUE(message::IsConnectionClosed(context.server_end)) << context.server_end;
  };
  UnderWeather(ReadingServer, PausingClient, check, Pausing(0s, 0s), {}, 3);
}

// --- Nobody there ---

Task<void> NoServer(Place, Context*) { co_return; }

Task<void> GivingUpClient(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(context->address);
  context->client_end = connected.status();
}

TEST(QuicWeather, AConnectorGivesUpAfterTheHandshakeTimeout) {
  Context context = NewContext();
  context.client.transport.handshake_timeout = 3s;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    testing::SimResult result = InSimulation(NoServer, GivingUpClient, context, {.seed = seed});
    EXPECT_EQ(ErrnoOf(result.context.client_end), ETIMEDOUT) << result.context.client_end;
    EXPECT_GE(result.took, 3s);
    EXPECT_LE(result.took, 6s);
  }
}

}  // namespace
}  // namespace faultline::quic
