// Goal: WebSocket over TLS is both of them: close_notify comes after the close frame, a stream that
// is cut under the TLS is no clean end, one deadline holds for both handshakes, and a certificate
// that nobody vouches for makes no connection. Method: a listener with TLS under it, and a client
// that speaks TLS and writes the bytes of WebSocket by hand; on epoll over loopback, and between
// two simulated hosts under many seeds.

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/epoll/loop.h"
#include "runtime/scope.h"
#include "runtime/stream_io.h"
#include "sim/host.h"
#include "sim/world.h"
#include "transports/any/security.h"
#include "transports/message/frame_error.h"
#include "transports/tls/certificate.h"
#include "transports/tls/stream.h"
#include "transports/websocket/websocket.h"

namespace faultline::any {
namespace {

constexpr uint64_t kSeeds = 20;
constexpr size_t kMax = 4096;
constexpr Duration kGrace = 100ms;
constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
// 1000, with a mask of zeros.
constexpr std::string_view kClose("\x88\x82\0\0\0\0\x03\xe8", 8);
constexpr std::string_view kCloseOfServer("\x88\x02\x03\xe8", 4);

struct FailedUpgrades final : websocket::UpgradeObserver {
  void OnUpgradeFailed(const Endpoint&, const absl::Status& why) override { all.push_back(why); }
  std::vector<absl::Status> all;
};

// What the two sides share. Each writes its own part, the test reads all of it.
struct Shared {
  Endpoint listen;
  Endpoint address;
  std::string roots;        // once the server is there
  bool trusted = true;      // by the client
  Duration late{};          // of the client, before it shakes hands
  size_t accepts = 1;       // that the server waits for
  absl::Status server_end;  // of its reads
  FailedUpgrades failures;
  absl::Status client_end;  // how the client's plaintext ended; OK: close_notify
  std::string plaintext;    // that the client got
  Duration took{};          // from the client's connection to its end
};

using Client = Task<void> (*)(Runtime runtime, tls::ClientContext* context, Shared* shared);

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Task<void> Serve(Runtime runtime, Shared* shared) {
  Scope scope(co_await ThisTask());
  const Endpoint name = shared->address == Endpoint() ? shared->listen : shared->address;
  absl::StatusOr<tls::Identity> identity =
      tls::SelfSigned({runtime.entropy, runtime.clock}, {.names = {IpText(name)}});
  FAULTLINE_CHECK(identity.ok()) << identity.status();
  const std::unique_ptr<Security> security = *Security::Create(runtime, {.identity = *identity});
  {
    const websocket::Environment environment{runtime.clock, runtime.entropy, runtime.buffers,
                                             &scope};
    auto listener = websocket::Listener::Listen(
        environment, runtime.network, shared->listen,
        {.connection = {.handshake_grace = kGrace, .close_grace = kGrace},
         .layer = security->server_layer(),
         .observer = &shared->failures});
    FAULTLINE_CHECK(listener.ok()) << listener.status();
    if (shared->address == Endpoint()) shared->address = listener->local_address();
    shared->roots = identity->certificate_chain_pem;
    if (shared->accepts == 0) {
      while (shared->failures.all.empty()) (void)co_await runtime.clock->SleepFor(1ms);
    } else {
      auto connection = co_await listener->Accept();
      FAULTLINE_CHECK(connection.ok()) << connection.status();
      auto [reader, writer] = (*std::move(connection)).Split();
      shared->server_end = (co_await reader.ReadMessage(kMax)).status();
      (void)writer.FinishWrites();
    }
  }
  co_await scope.Join();
  co_await security->Drain();
}

Task<void> RunClient(Runtime runtime, Client client, Shared* shared) {
  while (shared->roots.empty()) (void)co_await runtime.clock->SleepFor(1ms);
  SecurityOptions options{.roots_pem = shared->roots};
  if (!shared->trusted) {
    options.roots_pem = tls::SelfSigned({runtime.entropy, runtime.clock}, {.names = {"other"}})
                            ->certificate_chain_pem;
  }
  const std::unique_ptr<Security> security = *Security::Create(runtime, options);
  const MonotonicTime begin = runtime.clock->Now();
  co_await client(runtime, security->client(), shared);
  shared->took = runtime.clock->Now() - begin;
  co_await security->Drain();
}

// Null, and `client_end`, if the handshake fails. `below` may be null.
Task<std::unique_ptr<tls::TlsStream>> Dial(Runtime runtime, tls::ClientContext* context,
                                           Shared* shared, Stream** below) {
  auto stream = co_await runtime.network->Connect(shared->address, {});
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  if (below != nullptr) *below = stream->get();
  (void)co_await runtime.clock->SleepFor(shared->late);
  auto secure = co_await tls::ClientHandshake(*std::move(stream), context, runtime.buffers,
                                              IpText(shared->address));
  shared->client_end = secure.status();
  co_return secure.ok() ? *std::move(secure) : nullptr;
}

Task<void> ReadToEnd(Stream* stream, Shared* shared) {
  std::array<std::byte, 512> buffer{};
  for (;;) {
    absl::StatusOr<size_t> read = co_await stream->Read(buffer);
    shared->client_end = read.status();
    if (!read.ok() || *read == 0) co_return;
    shared->plaintext.append(reinterpret_cast<const char*>(buffer.data()), *read);
  }
}

Task<void> ClosingClient(Runtime runtime, tls::ClientContext* context, Shared* shared) {
  auto stream = co_await Dial(runtime, context, shared, nullptr);
  FAULTLINE_CHECK(stream != nullptr) << shared->client_end;
  std::string wire(kRequest);
  wire.append(kClose);
  EXPECT_TRUE((co_await WriteAll(stream.get(), Bytes(wire))).ok());
  co_await ReadToEnd(stream.get(), shared);
  (void)stream->Close();
}

// Ends the stream under the TLS.
Task<void> CuttingClient(Runtime runtime, tls::ClientContext* context, Shared* shared) {
  Stream* below = nullptr;
  auto stream = co_await Dial(runtime, context, shared, &below);
  FAULTLINE_CHECK(stream != nullptr) << shared->client_end;
  EXPECT_TRUE((co_await WriteAll(stream.get(), Bytes(kRequest))).ok());
  std::array<std::byte, 512> buffer{};
  EXPECT_TRUE((co_await stream->Read(buffer)).ok());  // what was written has left
  EXPECT_TRUE(below->ShutdownWrite().ok());
  co_await ReadToEnd(stream.get(), shared);
}

// Shakes the first hand and never asks for an upgrade.
Task<void> MuteClient(Runtime runtime, tls::ClientContext* context, Shared* shared) {
  auto stream = co_await Dial(runtime, context, shared, nullptr);
  if (stream != nullptr) co_await ReadToEnd(stream.get(), shared);
}

Task<void> Together(Runtime runtime, Client client, Shared* shared) {
  Scope scope(co_await ThisTask());
  scope.Spawn(Serve(runtime, shared));
  scope.Spawn(RunClient(runtime, client, shared));
  co_await scope.Join();
}

Shared OnEpoll(Client client, Shared shared) {
  shared.listen = Endpoint::Ipv4Loopback(0);
  auto loop = epoll::Loop::Create({});
  FAULTLINE_CHECK(loop.ok()) << loop.status();
  (*loop)->Run(Together((*loop)->runtime(), client, &shared));
  return shared;
}

Shared InSimulation(Client client, Shared shared, uint64_t seed) {
  sim::World world({.seed = seed, .scheduling = sim::Scheduling::kRandom});
  sim::Host* server = world.AddHost({.name = "server"});
  shared.listen = Endpoint::Ipv4Any(7000);
  shared.address = server->Address(sim::Plane::kClient, 7000);
  server->Boot([&](const Runtime& runtime) { return Serve(runtime, &shared); });
  world.AddHost({.name = "client"})->Boot([&](const Runtime& runtime) {
    return RunClient(runtime, client, &shared);
  });
  const sim::Verdict verdict = world.Run({.until = 60s});
  EXPECT_TRUE(verdict.passed()) << verdict.ToString();
  return shared;
}

void InBothWorlds(Client client, const Shared& start,
                  const std::function<void(const Shared&)>& check) {
  {
    SCOPED_TRACE("epoll");
    check(OnEpoll(client, start));
  }
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    check(InSimulation(client, start, seed));
  }
}

TEST(SecureWebSocket, CloseNotifyComesAfterTheCloseFrame) {
  InBothWorlds(&ClosingClient, {}, [](const Shared& done) {
    EXPECT_TRUE(message::IsConnectionClosed(done.server_end)) << done.server_end;
    EXPECT_TRUE(done.client_end.ok()) << done.client_end;
    EXPECT_TRUE(done.plaintext.starts_with("HTTP/1.1 101 ")) << done.plaintext;
    EXPECT_TRUE(done.plaintext.ends_with(kCloseOfServer)) << done.plaintext;
  });
}

TEST(SecureWebSocket, AStreamThatIsCutIsNoCleanEnd) {
  InBothWorlds(&CuttingClient, {}, [](const Shared& done) {
    EXPECT_TRUE(absl::IsDataLoss(done.server_end)) << done.server_end;
    EXPECT_NE(done.server_end.message().find("truncated"), absl::string_view::npos)
        << done.server_end;
  });
}

// The upgrade has what the handshake of TLS has left of the time.
TEST(SecureWebSocket, OneDeadlineHoldsForBothHandshakes) {
  for (Duration late : {0ms, 80ms, 200ms}) {
    SCOPED_TRACE(FormatSeconds(late));
    Shared start;
    start.late = late;
    start.accepts = 0;
    InBothWorlds(&MuteClient, start, [](const Shared& done) {
      ASSERT_EQ(done.failures.all.size(), 1u);
      EXPECT_TRUE(absl::IsDeadlineExceeded(done.failures.all[0])) << done.failures.all[0];
      EXPECT_NE(done.failures.all[0].message().find("handshake_grace, 0.100"),
                absl::string_view::npos)
          << done.failures.all[0];
      EXPECT_FALSE(done.client_end.ok());
      EXPECT_GE(done.took, kGrace);
    });
    const Shared done = InSimulation(&MuteClient, start, 1);
    EXPECT_LT(done.took, std::max(late, kGrace) + 50ms);  // of virtual time
  }
}

TEST(SecureWebSocket, NobodyConnectsToWhomHeDoesNotTrust) {
  Shared start;
  start.trusted = false;
  start.accepts = 0;
  InBothWorlds(&MuteClient, start, [](const Shared& done) {
    EXPECT_TRUE(absl::IsUnauthenticated(done.client_end)) << done.client_end;
    ASSERT_EQ(done.failures.all.size(), 1u);
    EXPECT_TRUE(absl::IsUnauthenticated(done.failures.all[0])) << done.failures.all[0];
  });
}

}  // namespace
}  // namespace faultline::any
