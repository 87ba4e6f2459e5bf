// Goal: a server that wants to know its clients lets in those alone whom somebody it trusts vouches
// for, and says so to the others; PEM that cannot be read to its end is refused.
// Method: servers and clients with certificates that sign themselves, in both worlds; what each end
// is told. A client is through with its handshake before the server has seen its certificate.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "transports/quic/quic.h"
#include "transports/quic/testing/certificates.h"
#include "transports/quic/testing/fixture.h"
#include "transports/testing/samples.h"

namespace faultline::quic {
namespace {

using faultline::testing::Sample;
using testing::AcceptUntilDone;
using testing::Context;
using testing::InBothWorlds;
using testing::kMax;
using testing::ListenAt;
using testing::NewContext;
using testing::Place;

std::string_view seen;  // by the server: whose certificate

// A server that trusts the owner of kOtherCertificate.
Context Mutual() {
  Context context = NewContext();
  context.server.tls.client_trust_anchors_pem = testing::kOtherCertificate;
  return context;
}

Task<void> AskingServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await AcceptUntilDone(place, context, &listener);
  context->server_end = accepted.status();
  if (!accepted.ok()) co_return;
  ++context->count;
  if (accepted->details().peer_certificate_pem == testing::kOtherCertificate) seen = "other";
  EXPECT_TRUE((co_await accepted->ReadMessage(kMax)).ok());
  EXPECT_TRUE(accepted->Close().ok());
}

Task<void> AskedClient(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(context->address);
  context->sent = connected.status();
  if (connected.ok()) {
    EXPECT_EQ(connected->details().peer_certificate_pem, testing::kCertificate);
    FrozenBatch batch;
    // A train of packets follows the certificate: the refusal is not lost over it.
    batch.Add(Sample(place.runtime.buffers, 1, 8'000).frozen());
    (void)co_await connected->SendBatch(&batch);
    context->client_end = (co_await connected->ReadMessage(kMax)).status();
  }
  context->client_done = true;
}

TEST(QuicIdentity, AClientThatIsVouchedForComesIn) {
  Context context = Mutual();
  context.client.tls.certificate_chain_pem = testing::kOtherCertificate;
  context.client.tls.private_key_pem = testing::kOtherPrivateKey;
  InBothWorlds(
      AskingServer, AskedClient,
      [](const Context& context) {
        EXPECT_EQ(context.count, 1u);
        EXPECT_EQ(std::exchange(seen, ""), "other");
        EXPECT_TRUE(context.server_end.ok()) << context.server_end;
      },
      context);
}

void CheckRefused(const Context& context, std::string_view alert) {
  EXPECT_EQ(context.count, 0u);
  EXPECT_TRUE(absl::IsCancelled(context.server_end)) << context.server_end;
  EXPECT_TRUE(context.sent.ok()) << context.sent;
  EXPECT_NE(std::string(context.client_end.message()).find(alert), std::string::npos)
      << context.client_end;
}

TEST(QuicIdentity, AClientWithoutACertificateIsRefused) {
  InBothWorlds(
      AskingServer, AskedClient,
      [](const Context& context) { CheckRefused(context, "CRYPTO_ERROR (0x174)"); }, Mutual());
}

TEST(QuicIdentity, AClientWhomNobodyVouchesForIsRefused) {
  Context context = Mutual();
  context.client.tls.certificate_chain_pem = testing::kCertificate;
  context.client.tls.private_key_pem = testing::kPrivateKey;
  InBothWorlds(
      AskingServer, AskedClient,
      [](const Context& context) { CheckRefused(context, "CRYPTO_ERROR (0x130)"); }, context);
}

// Not asked, it shows nothing.
TEST(QuicIdentity, AServerThatDoesNotAskSeesNobody) {
  Context context = NewContext();
  context.client.tls.certificate_chain_pem = testing::kOtherCertificate;
  context.client.tls.private_key_pem = testing::kOtherPrivateKey;
  InBothWorlds(
      AskingServer, AskedClient,
      [](const Context& context) {
        EXPECT_EQ(context.count, 1u);
        EXPECT_EQ(seen, "");
      },
      context);
}

// --- Options ---

bool Names(const absl::Status& status, std::string_view option) {
  return absl::IsInvalidArgument(status) &&
         std::string(status.message()).find(option) != std::string::npos;
}

Task<void> DamagedOptions(Place place, Context* context) {
  auto start = [&](Hub::Role role, const TlsOptions& tls) {
    Options options;
    options.tls = tls;
    return Hub::Start(place.surroundings, role, Endpoint::Ipv4Any(0), options).status();
  };
  std::string damaged = std::string(testing::kCertificate) + testing::kOtherCertificate;
  damaged[damaged.size() - 100] = '!';
  TlsOptions server = context->server.tls;
  server.client_trust_anchors_pem = damaged;
  EXPECT_TRUE(Names(start(Hub::Role::kServer, server), "client_trust_anchors_pem"));
  server = context->server.tls;
  server.certificate_chain_pem = damaged;
  EXPECT_TRUE(Names(start(Hub::Role::kServer, server), "certificate_chain_pem"));
  TlsOptions client = context->client.tls;
  client.trust_anchors_pem = damaged;
  EXPECT_TRUE(Names(start(Hub::Role::kClient, client), "trust_anchors_pem"));
  client = context->client.tls;
  client.certificate_chain_pem = testing::kOtherCertificate;
  EXPECT_TRUE(Names(start(Hub::Role::kClient, client), "private_key_pem"));
  co_return;
}

Task<void> Nobody(Place, Context*) { co_return; }

TEST(QuicIdentity, WhatCannotBeReadToItsEndIsNamed) {
  InBothWorlds(DamagedOptions, Nobody, [](const Context&) {});
}

}  // namespace
}  // namespace faultline::quic
