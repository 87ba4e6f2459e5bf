// Goal: who may come in, and how many: certificates, ALPN, retry, limits, each with an error that
// names it; a stalled handshake holds nobody up.
// Method: a server and a client in both worlds; what each end is told, and what the listener
// counts.

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/errors.h"
#include "transports/message/frame_error.h"
#include "transports/quic/quic.h"
#include "transports/quic/testing/certificates.h"
#include "transports/quic/testing/fixture.h"
#include "transports/testing/samples.h"

namespace faultline::quic {
namespace {

using faultline::testing::Sample;
using faultline::testing::TagOf;
using message::Message;
using testing::AcceptUntilDone;
using testing::CheckEcho;
using testing::Context;
using testing::EchoClient;
using testing::EchoServer;
using testing::InBothWorlds;
using testing::kMax;
using testing::ListenAt;
using testing::NewContext;
using testing::OneTo;
using testing::Place;
using testing::UntilClientDone;

bool Says(const absl::Status& status, std::string_view word) {
  return std::string(status.message()).find(word) != std::string::npos;
}

// --- TLS ---

// Accepts until the client is through; nobody comes in.
Task<void> RefusingServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await AcceptUntilDone(place, context, &listener);
  context->server_end = accepted.status();
  context->counters = listener.counters();
}

Task<void> RefusedClient(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(context->address);
  context->client_end = connected.status();
  context->client_done = true;
}

void CheckUnauthenticated(const Context& context, std::string_view why) {
  EXPECT_TRUE(absl::IsCancelled(context.server_end)) << context.server_end;
  EXPECT_TRUE(absl::IsUnauthenticated(context.client_end)) << context.client_end;
  EXPECT_TRUE(Says(context.client_end, why)) << context.client_end;
}

TEST(QuicTls, AnUnknownSignerIsRefused) {
  Context context = NewContext();
  context.client.tls.trust_anchors_pem = testing::kOtherCertificate;
  InBothWorlds(
      RefusingServer, RefusedClient,
      [](const Context& context) { CheckUnauthenticated(context, "self signed certificate"); },
      context);
}

TEST(QuicTls, AnotherNameIsRefused) {
  Context context = NewContext();
  context.client.tls.server_name = "other.test";
  InBothWorlds(
      RefusingServer, RefusedClient,
      [](const Context& context) { CheckUnauthenticated(context, "ostname mismatch"); }, context);
}

TEST(QuicTls, AnotherProtocolIsRefused) {
  Context context = NewContext();
  context.client.tls.alpn = "something-else";
  InBothWorlds(
      RefusingServer, RefusedClient,
      [](const Context& context) {
        EXPECT_TRUE(absl::IsCancelled(context.server_end)) << context.server_end;
        EXPECT_TRUE(Says(context.client_end, "CRYPTO_ERROR (0x178)")) << context.client_end;
      },
      context);
}

TEST(QuicTls, VerificationCanBeSwitchedOff) {
  Context context = NewContext();
  context.client.tls.verify_server = false;
  context.client.tls.trust_anchors_pem = "";
  context.client.tls.server_name = "";
  InBothWorlds(EchoServer, EchoClient, CheckEcho, context);
}

// Loopback alone: the certificate names 127.0.0.1, not the address of a simulated host.
TEST(QuicTls, WithoutANameTheAddressIsVerified) {
  Context context = NewContext();
  context.client.tls.server_name = "";
  CheckEcho(testing::OnEpoll(EchoServer, EchoClient, context, Endpoint::Ipv4Loopback(0)));
  CheckEcho(testing::OnEpoll(EchoServer, EchoClient, context, Endpoint::Ipv6Loopback(0)));
}

Task<void> Nobody(Place, Context*) { co_return; }

Task<void> BadOptions(Place place, Context* context) {
  auto listen = [&] {
    return Listener::Listen(place.surroundings, place.runtime.buffers, Endpoint::Ipv4Any(7001),
                            context->server, {})
        .status();
  };
  context->server.tls.private_key_pem = "";
  EXPECT_TRUE(Says(listen(), "private_key_pem")) << listen();
  context->server.tls.certificate_chain_pem = "";
  EXPECT_TRUE(Says(listen(), "certificate_chain_pem")) << listen();
  context->server.tls.alpn = "";
  EXPECT_TRUE(Says(listen(), "alpn")) << listen();
  context->client.tls.trust_anchors_pem = "";
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(Endpoint::Ipv4Loopback(7001));
  EXPECT_TRUE(Says(connected.status(), "trust_anchors_pem")) << connected.status();
  EXPECT_TRUE(absl::IsInvalidArgument(connected.status())) << connected.status();
}

TEST(QuicTls, OptionsThatCannotBeUsedAreNamed) {
  InBothWorlds(BadOptions, Nobody, [](const Context&) {});
}

std::vector<std::string>* key_lines;

TEST(QuicTls, KeysAreLoggedForThoseWhoAsk) {
  std::vector<std::string> lines;
  key_lines = &lines;
  Context context = NewContext();
  context.server.tls.key_log = [](std::string_view line) { key_lines->emplace_back(line); };
  CheckEcho(testing::OnEpoll(EchoServer, EchoClient, context, Endpoint::Ipv4Loopback(0)));
  for (std::string label : {"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_HANDSHAKE_TRAFFIC_SECRET ",
                            "CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 "}) {
    EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                            [&](const std::string& line) { return line.starts_with(label); }),
              1)
        << label;
  }
}

// --- Certificates that are replaced ---

Task<uint64_t> ReadTag(Connection* connection) {
  auto read = co_await connection->ReadMessage(kMax);
  co_return read.ok() ? TagOf(*read) : 0;
}

Task<absl::Status> SendTag(const Place* place, Connection* connection, uint64_t tag) {
  FrozenBatch batch;
  batch.Add(Sample(place->runtime.buffers, tag, 10).frozen());
  co_return co_await connection->SendBatch(&batch);
}

Task<void> ReloadingServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto first = co_await listener.Accept();
  FAULTLINE_CHECK(first.ok()) << first.status();
  context->received.push_back(co_await ReadTag(&*first));
  TlsOptions bad = context->server.tls;
  bad.private_key_pem = testing::kOtherPrivateKey;
  EXPECT_TRUE(Says(listener.Reload(bad), "private_key_pem"));
  TlsOptions other = bad;
  other.certificate_chain_pem = testing::kOtherCertificate;
  EXPECT_TRUE(listener.Reload(other).ok());
  EXPECT_TRUE((co_await SendTag(&place, &*first, 9)).ok());
  auto second = co_await listener.Accept();
  FAULTLINE_CHECK(second.ok()) << second.status();
  context->received.push_back(co_await ReadTag(&*second));
  context->received.push_back(co_await ReadTag(&*first));
  EXPECT_TRUE(first->Close().ok());
  EXPECT_TRUE(second->Close().ok());
}

Task<void> TrustingClient(Place place, Context* context) {
  Connector before(place.surroundings, place.runtime.buffers, context->client, {});
  auto first = co_await before.Connect(context->address);
  FAULTLINE_CHECK(first.ok()) << first.status();
  EXPECT_TRUE((co_await SendTag(&place, &*first, 1)).ok());
  EXPECT_EQ(co_await ReadTag(&*first), 9u);  // by now the certificate is another
  context->client_end = (co_await before.Connect(context->address)).status();
  context->client.tls.trust_anchors_pem = testing::kOtherCertificate;
  context->client.tls.server_name = "other.test";
  Connector after(place.surroundings, place.runtime.buffers, context->client, {});
  auto second = co_await after.Connect(context->address);
  FAULTLINE_CHECK(second.ok()) << second.status();
  EXPECT_TRUE((co_await SendTag(&place, &*second, 2)).ok());
  EXPECT_TRUE((co_await SendTag(&place, &*first, 3)).ok());
  EXPECT_EQ(co_await ReadTag(&*first), 0u);
}

TEST(QuicTls, CertificatesAreReplacedUnderLiveSessions) {
  InBothWorlds(ReloadingServer, TrustingClient, [](const Context& context) {
    EXPECT_EQ(context.received, OneTo(3));
    EXPECT_TRUE(absl::IsUnauthenticated(context.client_end)) << context.client_end;
  });
}

// --- Retry ---

TEST(QuicRetry, AnAddressIsProvenFirst) {
  Context context = NewContext();
  context.server.limits.retry = RetryPolicy::kAlways;
  InBothWorlds(
      EchoServer, EchoClient,
      [](const Context& context) {
        CheckEcho(context);
        EXPECT_GE(context.counters.retries, 1u);
        EXPECT_EQ(context.counters.sessions, 1u);
      },
      context);
}

TEST(QuicRetry, SurvivesLoss) {
  Context context = NewContext();
  context.server.limits.retry = RetryPolicy::kAlways;
  context.client.transport.handshake_timeout = 60s;
  context.server.transport.handshake_timeout = 60s;
  testing::Weather weather;
  weather.link.loss = {1, 10};
  testing::UnderWeather(EchoServer, EchoClient, CheckEcho, context, weather, 25);
}

TEST(QuicRetry, IsNotAskedForWithoutLoad) {
  InBothWorlds(EchoServer, EchoClient, [](const Context& context) {
    CheckEcho(context);
    EXPECT_EQ(context.counters.retries, 0u);
  });
}

// --- Limits ---

Task<void> HoldingServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  std::vector<Connection> held;
  for (;;) {
    auto accepted = co_await AcceptUntilDone(place, context, &listener);
    if (!accepted.ok()) break;
    held.push_back(*std::move(accepted));
  }
  context->counters = listener.counters();
  context->count = held.size();
}

// Three connections, one after the other, all kept.
Task<void> ThriceClient(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  std::vector<Connection> held;
  for (int i = 0; i < 3; ++i) {
    auto connected = co_await connector.Connect(context->address);
    if (!connected.ok()) context->client_end.Update(connected.status());
    if (connected.ok()) held.push_back(*std::move(connected));
  }
  context->client_done = true;
}

TEST(QuicLimits, SessionsAreBounded) {
  Context context = NewContext();
  context.server.limits.max_sessions = 2;
  InBothWorlds(
      HoldingServer, ThriceClient,
      [](const Context& context) {
        EXPECT_EQ(context.count, 2u);
        EXPECT_EQ(context.counters.sessions, 2u);
        EXPECT_GE(context.counters.refusals, 1u);
        EXPECT_EQ(ErrnoOf(context.client_end), ECONNREFUSED) << context.client_end;
        EXPECT_TRUE(Says(context.client_end, "max_sessions")) << context.client_end;
      },
      context);
}

// A server that accepts nobody: sessions that wait for it count as handshakes.
Task<void> LazyServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  co_await UntilClientDone(place.runtime.clock, context);
  context->counters = listener.counters();
}

TEST(QuicLimits, HandshakesAreBounded) {
  Context context = NewContext();
  context.server.limits.max_handshakes = 2;
  InBothWorlds(
      LazyServer, ThriceClient,
      [](const Context& context) {
        EXPECT_EQ(context.counters.sessions, 2u);
        EXPECT_EQ(ErrnoOf(context.client_end), ECONNREFUSED) << context.client_end;
        EXPECT_TRUE(Says(context.client_end, "max_handshakes")) << context.client_end;
      },
      context);
}

// Opens sessions without streams: handshakes that never become connections.
Task<void> StallingClient(Place place, Context* context) {
  auto hub =
      Hub::Start(place.surroundings, Hub::Role::kClient, Endpoint::Ipv4Any(0), context->client);
  FAULTLINE_CHECK(hub.ok()) << hub.status();
  std::vector<SessionHandle> stalled;
  for (int i = 0; i < 5; ++i) {
    auto session = (*hub)->Connect(context->address);
    FAULTLINE_CHECK(session.ok()) << session.status();
    stalled.emplace_back(hub->Again(), *std::move(session));
    EXPECT_TRUE((co_await stalled.back().Settled()).ok());
  }
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(context->address);
  EXPECT_TRUE(connected.ok()) << connected.status();
  FrozenBatch batch;
  batch.Add(Sample(place.runtime.buffers, 7, 10).frozen());
  context->sent = co_await connected->SendBatch(&batch);
  auto stream = co_await stalled.front().AcceptStream();  // until the server has enough of it
  context->client_end = stream.status();
  context->client_done = true;
}

Task<void> OneMessageServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  auto read = co_await accepted->ReadMessage(kMax);
  context->server_end = read.status();
  if (read.ok()) context->received.push_back(TagOf(*read));
  co_await UntilClientDone(place.runtime.clock, context);
  context->counters = listener.counters();
}

TEST(QuicLimits, WithoutAHandshakeTimeoutThereIsNoDeadline) {
  Context context = NewContext();
  context.server.transport.handshake_timeout = 0s;
  context.client.transport.handshake_timeout = 0s;
  InBothWorlds(EchoServer, EchoClient, CheckEcho, context);
}

// Handshakes that fail, one by one.
Task<void> FailingClient(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  for (int i = 0; i < 12; ++i) {
    auto connected = co_await connector.Connect(context->address);
    EXPECT_FALSE(connected.ok());
    context->client_end = connected.status();
  }
  context->client_done = true;
}

// What has failed is closing for a while: as long it counts, or a flood of handshakes that fail
// would never be load, and would fill `max_sessions`.
TEST(QuicLimits, HandshakesThatFailAreLoadToo) {
  Context context = NewContext();
  context.client.tls.alpn = "something-else";
  context.server.limits.retry_above_handshakes = 4;
  context.server.limits.max_handshakes = 8;
  InBothWorlds(
      RefusingServer, FailingClient,
      [](const Context& context) {
        EXPECT_EQ(context.counters.sessions, 8u);
        EXPECT_GE(context.counters.retries, 4u);
        EXPECT_GE(context.counters.refusals, 4u);
        EXPECT_TRUE(Says(context.client_end, "max_handshakes")) << context.client_end;
      },
      context);
}

TEST(QuicLimits, StalledHandshakesHoldNobodyUpAndAreEvicted) {
  Context context = NewContext();
  context.server.transport.handshake_timeout = 2s;
  InBothWorlds(
      OneMessageServer, StallingClient,
      [](const Context& context) {
        EXPECT_TRUE(context.server_end.ok()) << context.server_end;
        EXPECT_EQ(context.received, std::vector<uint64_t>{7});
        EXPECT_EQ(CloseCodeOf(context.client_end), CloseCode::kNoStream) << context.client_end;
        EXPECT_TRUE(Says(context.client_end, "handshake_timeout")) << context.client_end;
      },
      context);
}

TEST(QuicLimits, UnderLoadAddressesAreProvenFirst) {
  Context context = NewContext();
  context.server.limits.retry_above_handshakes = 3;
  context.server.transport.handshake_timeout = 2s;
  InBothWorlds(
      OneMessageServer, StallingClient,
      [](const Context& context) {
        EXPECT_EQ(context.received, std::vector<uint64_t>{7});
        EXPECT_EQ(context.counters.sessions, 6u);
        EXPECT_GE(context.counters.retries, 3u);  // the 4th and 5th that stall, and the last
      },
      context);
}

// --- A peer that does not read ---

Task<void> MuteServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  co_await UntilClientDone(place.runtime.clock, context);
}

// Writes until nothing is taken for a second.
Task<void> StuffingClient(Place place, Context* context) {
  auto hub =
      Hub::Start(place.surroundings, Hub::Role::kClient, Endpoint::Ipv4Any(0), context->client);
  FAULTLINE_CHECK(hub.ok()) << hub.status();
  while (context->address == Endpoint()) (void)co_await place.runtime.clock->SleepFor(1ms);
  SessionHandle session(hub->Again(), *(*hub)->Connect(context->address));
  EXPECT_TRUE((co_await session.Settled()).ok());
  auto stream = session.OpenStream();
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  std::vector<std::byte> bytes(10'000);
  struct Once {
    static Task<absl::StatusOr<size_t>> Write(Stream* stream, std::span<const std::byte> bytes) {
      co_return co_await stream->Write(bytes);
    }
  };
  Clock* clock = place.runtime.clock;
  for (;;) {
    auto taken = co_await Deadline(clock, clock->Now() + 1s, Once::Write(stream->get(), bytes));
    context->client_end = taken.status();
    if (!taken.ok()) break;
    context->count += *taken;
  }
  session.Abort();
  context->client_done = true;
}

TEST(QuicLimits, WhatAMutePeerCostsIsBounded) {
  Context context = NewContext();
  context.client.transport.send_buffer_bytes = 50'000;
  context.server.transport.stream_window_bytes = 30'000;
  context.server.transport.session_window_bytes = 1'000'000;
  InBothWorlds(
      MuteServer, StuffingClient,
      [](const Context& context) {
        EXPECT_TRUE(absl::IsDeadlineExceeded(context.client_end)) << context.client_end;
        EXPECT_LE(context.count, 80'000u);
        EXPECT_GE(context.count, 65'000u);  // a write waits for a quarter of the buffer
      },
      context);
}

}  // namespace
}  // namespace faultline::quic
