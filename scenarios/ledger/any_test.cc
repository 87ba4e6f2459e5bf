// Goal: a service whose end was asked for still waits for the ends of its connections with TLS: the
// peer sees a clean end, not a reset.
// Method: a client that closes its connection and ends, with a stop request behind it from the
// start, over links so slow that the end takes a while.
#include "scenarios/ledger/any.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "runtime/scope.h"
#include "runtime/stop.h"
#include "sim/host.h"
#include "sim/world.h"
#include "transports/any/open.h"
#include "transports/message/frame_error.h"
#include "transports/tls/certificate.h"

namespace faultline::ledger {
namespace {

constexpr size_t kMax = 1 << 20;

struct Ends {
  any::Url url;
  std::string certificate;
  absl::Status server_saw;
  size_t left = 99;  // of the client's connections, when it ended
  bool client_ended = false;
};

Task<void> Serve(Runtime runtime, Ends* ends) {
  auto identity = tls::SelfSigned({runtime.entropy, runtime.clock},
                                  {.names = {any::IpText(ends->url.address)}});
  EXPECT_TRUE(identity.ok()) << identity.status();
  auto security = any::Security::Create(runtime, {.identity = *identity});
  EXPECT_TRUE(security.ok()) << security.status();
  ends->certificate = identity->certificate_chain_pem;
  Scope background(runtime.executor);
  {
    auto listener = any::Listen({runtime, &background}, ends->url, {.security = security->get()});
    EXPECT_TRUE(listener.ok()) << listener.status();
    auto connection = co_await listener->Accept();
    EXPECT_TRUE(connection.ok()) << connection.status();
    auto [reader, writer] = std::move(*connection).Split();
    ends->server_saw = (co_await reader.ReadMessage(kMax)).status();
    EXPECT_TRUE(writer.FinishWrites().ok());
  }
  co_await EndTransports(&background, security->get());
}

Task<void> CloseAndEnd(Runtime runtime, any::Security* security, Ends* ends) {
  Scope background(runtime.executor);
  {
    auto connector = any::MakeConnector({runtime, &background}, ends->url, {.security = security});
    EXPECT_TRUE(connector.ok()) << connector.status();
    auto connection = co_await Shielded(connector->Connect(ends->url.address));
    EXPECT_TRUE(connection.ok()) << connection.status();
    EXPECT_TRUE(connection->Close().ok());
    if (ends->url.scheme == any::Scheme::kTls) {
      EXPECT_EQ(security->client()->closing()->live(), 1u);
    }
  }
  co_await EndTransports(&background, security);
  ends->left = security->client()->closing()->live();
}

Task<void> Call(Runtime runtime, Ends* ends) {
  while (ends->certificate.empty()) (void)co_await runtime.clock->SleepFor(1ms);
  auto security = any::Security::Create(runtime, {.roots_pem = ends->certificate});
  EXPECT_TRUE(security.ok()) << security.status();
  StopSource stop(co_await CurrentStop());
  stop.RequestStop();
  co_await WithStop(&stop, CloseAndEnd(runtime, security->get(), ends));
  ends->client_ended = true;
}

class EndsTest : public ::testing::TestWithParam<any::Scheme> {};
INSTANTIATE_TEST_SUITE_P(ByTls, EndsTest,
                         ::testing::Values(any::Scheme::kTls, any::Scheme::kSecureWebSocket),
                         [](const auto& info) { return std::string(any::NameOf(info.param)); });

TEST_P(EndsTest, AreWaitedForAfterAStopRequest) {
  sim::WorldConfig config{.seed = 5};
  config.links[static_cast<size_t>(sim::Plane::kClient)].latency = sim::Latency::Constant(50ms);
  sim::World world(config);
  Ends ends;
  sim::Host* server = world.AddHost({.name = "server"});
  sim::Host* client = world.AddHost({.name = "client"});
  ends.url = {.scheme = GetParam(),
              .address = server->Address(sim::Plane::kClient, 8000),
              .path = GetParam() == any::Scheme::kTls ? "" : "/ledger"};
  server->Boot([&ends](const Runtime& runtime) { return Serve(runtime, &ends); });
  client->Boot([&ends](const Runtime& runtime) { return Call(runtime, &ends); });
  const sim::Verdict verdict = world.Run({.until = 1min});
  EXPECT_TRUE(verdict.passed()) << verdict.ToString();
  EXPECT_TRUE(ends.client_ended);
  EXPECT_EQ(ends.left, 0u);
  EXPECT_TRUE(message::IsConnectionClosed(ends.server_saw)) << ends.server_saw;
}

}  // namespace
}  // namespace faultline::ledger
