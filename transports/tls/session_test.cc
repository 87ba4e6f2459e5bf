// Goal: whatever bytes a peer or somebody in between makes of a connection, no plaintext comes out
// that was not sent, no end is clean that was not said, and what is kept is bounded.
// Method: two sessions without any stream; the test carries every byte between them itself, and
// cuts, flips, repeats and invents some.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/testing/counting_entropy.h"
#include "runtime/testing/manual_clock.h"
#include "transports/tls/context.h"
#include "transports/tls/pem.h"
#include "transports/tls/session_peer.h"
#include "transports/tls/testing.h"

namespace faultline::tls {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::Peer;
using testing::SeededEntropy;

// What somebody in between does with what one says: a change, given how much was said before.
using Change = std::function<Bytes(size_t before, Bytes bytes)>;

Bytes Unchanged(size_t, Bytes bytes) { return bytes; }

struct SessionTest : ::testing::Test {
  SessionTest() {
    clock.set_wall_offset(24h * 365 * 56);
    certificates.emplace(environment);
    server_context = *ServerContext::Create(environment, {.identities = {certificates->server}});
    client_context =
        *ClientContext::Create(environment, {.roots_pem = certificates->authority.root_pem()});
    Restart();
  }

  // A new connection, from the same entropy as every other one.
  void Restart() {
    entropy.state = 7;
    server.emplace(server_context->NewEngine(), environment, &pool);
    client.emplace(*client_context->NewEngine("server"), environment, &pool);
    said_by_client = said_by_server = 0;
  }

  // Carries bytes to and fro until nobody says anything. The number of rounds is bounded.
  void Exchange(const Change& from_client = Unchanged, const Change& from_server = Unchanged,
                size_t chunk = 4096) {
    client->Step();
    for (int round = 0; round < 20; ++round) {
      Bytes forth = client->Take();
      Bytes back = server->Take();
      if (forth.empty() && back.empty()) return;
      size_t before_client = std::exchange(said_by_client, said_by_client + forth.size());
      size_t before_server = std::exchange(said_by_server, said_by_server + back.size());
      server->Hear(from_client(before_client, std::move(forth)), chunk);
      client->Hear(from_server(before_server, std::move(back)), chunk);
    }
    ADD_FAILURE() << "the conversation does not end";
  }

  // Handshake, a message each way, close_notify each way.
  void Converse(const Change& from_client = Unchanged, const Change& from_server = Unchanged,
                size_t chunk = 4096) {
    Exchange(from_client, from_server, chunk);
    if (client->open()) Say(&*client, "from the client");
    if (server->open()) Say(&*server, "from the server");
    Exchange(from_client, from_server, chunk);
  }
  void Say(Peer* peer, std::string_view text) {
    if (!peer->fault().ok()) return;
    peer->Send(text);
    peer->session()->SayCloseNotify();
  }

  // What both have in plaintext is what the other has sent, or less.
  void ExpectNothingInvented() {
    EXPECT_TRUE(std::string("from the client").starts_with(server->plaintext()));
    EXPECT_TRUE(std::string("from the server").starts_with(client->plaintext()));
  }

  SeededEntropy entropy{7};
  faultline::testing::ManualClock clock;
  engine::Environment environment{&entropy, &clock};
  BufferPool pool;
  std::optional<testing::Certificates> certificates;
  std::unique_ptr<ServerContext> server_context;
  std::unique_ptr<ClientContext> client_context;
  std::optional<Peer> server;
  std::optional<Peer> client;
  size_t said_by_client = 0;  // bytes
  size_t said_by_server = 0;
};

TEST_F(SessionTest, AConversation) {
  Converse();
  EXPECT_TRUE(server->ended() && client->ended());
  EXPECT_EQ(server->plaintext(), "from the client");
  EXPECT_EQ(client->plaintext(), "from the server");
  EXPECT_EQ(SSL_version(server->ssl()), TLS1_3_VERSION);
}

TEST_F(SessionTest, OneByteAtATimeIsTheSame) {
  Converse(Unchanged, Unchanged, 1);
  EXPECT_TRUE(server->ended() && client->ended());
  EXPECT_EQ(server->plaintext(), "from the client");
  EXPECT_EQ(client->plaintext(), "from the server");
}

// --- Cut, flipped, repeated, reflected ---

Change CutAfter(size_t limit) {
  return [limit](size_t before, Bytes bytes) {
    bytes.resize(std::min(bytes.size(), limit > before ? limit - before : 0));
    return bytes;
  };
}

TEST_F(SessionTest, AStreamThatIsCutAnywhereHasNoCleanEnd) {
  Converse();
  size_t forth = said_by_client;
  size_t back = said_by_server;
  ASSERT_GT(forth, 200u);
  ASSERT_GT(back, 500u);
  for (size_t at = 0; at < forth; ++at) {
    Restart();
    Converse(CutAfter(at));
    EXPECT_FALSE(server->ended()) << at;
    EXPECT_TRUE(absl::IsDataLoss(server->session()->Truncated())) << at;
    ExpectNothingInvented();
  }
  for (size_t at = 0; at < back; ++at) {
    Restart();
    Converse(Unchanged, CutAfter(at));
    EXPECT_FALSE(client->ended()) << at;
    EXPECT_TRUE(absl::IsDataLoss(client->session()->Truncated())) << at;
    ExpectNothingInvented();
  }
}

Change FlipAt(size_t position, int bit) {
  return [position, bit](size_t before, Bytes bytes) {
    if (position >= before && position - before < bytes.size()) {
      bytes[position - before] ^= static_cast<std::byte>(1 << bit);
    }
    return bytes;
  };
}

// A flipped bit is noticed by somebody, or it changed nothing that anybody looks at (the version
// in the head of the first record, for one), and then everything has arrived.
TEST_F(SessionTest, ABitThatIsFlippedAnywhereInventsNothing) {
  Converse();
  size_t forth = said_by_client;
  size_t back = said_by_server;
  size_t unnoticed = 0;
  for (size_t at = 0; at < forth + back; ++at) {
    Restart();
    if (at < forth) {
      Converse(FlipAt(at, at % 8));
    } else {
      Converse(Unchanged, FlipAt(at - forth, at % 8));
    }
    ExpectNothingInvented();
    bool all = server->ended() && client->ended();
    if (all) {
      ++unnoticed;
      EXPECT_EQ(server->plaintext(), "from the client") << at;
      EXPECT_EQ(client->plaintext(), "from the server") << at;
    }
  }
  EXPECT_LT(unnoticed, (forth + back) / 50);
}

TEST_F(SessionTest, ARecordThatIsRepeatedIsRefused) {
  Exchange();
  client->Send("once");
  Bytes record = client->Take();
  server->Hear(record);
  EXPECT_EQ(server->plaintext(), "once");
  server->Hear(record);
  EXPECT_EQ(server->plaintext(), "once");
  EXPECT_TRUE(absl::IsDataLoss(server->fault())) << server->fault();
  EXPECT_THAT(server->fault().ToString(), HasSubstr("BAD_DECRYPT"));
}

TEST_F(SessionTest, WhatOneSaysComesBackToIt) {
  client->Step();
  client->Hear(client->Take());
  EXPECT_TRUE(absl::IsInvalidArgument(client->fault())) << client->fault();
  Restart();
  Exchange();
  client->Send("mirror");
  client->Hear(client->Take());
  EXPECT_EQ(client->plaintext(), "");
  EXPECT_TRUE(absl::IsDataLoss(client->fault())) << client->fault();
}

// --- Invented ---

TEST_F(SessionTest, GarbageIsRefusedAndNothingIsKept) {
  SeededEntropy noise(11);
  for (int run = 0; run < 300; ++run) {
    Restart();
    Bytes garbage(100'000);
    noise.Fill(garbage);
    if (run % 2 == 0) garbage[0] = std::byte{22};  // a handshake record
    if (run % 4 == 0) garbage[1] = std::byte{3};
    server->Hear(garbage, 1 + noise.Next() % 5000);
    EXPECT_FALSE(server->open());
    EXPECT_TRUE(absl::IsInvalidArgument(server->fault())) << run << ": " << server->fault();
    EXPECT_LT(server->Take().size(), 100u);
  }
}

// Each length that the head of a record can claim; above 2^14 + 2048 is an error at once.
TEST_F(SessionTest, ARecordCannotClaimToBeLong) {
  for (size_t length : {size_t{0}, size_t{16384 + 2048 + 1}, size_t{65535}}) {
    Restart();
    Bytes head = {std::byte{22}, std::byte{3}, std::byte{1}, static_cast<std::byte>(length >> 8),
                  static_cast<std::byte>(length & 0xFF)};
    for (int times = 0; times < 100; ++times) server->Hear(head);
    EXPECT_TRUE(absl::IsInvalidArgument(server->fault())) << length << ": " << server->fault();
  }
}

// A handshake message that claims 16 MiB: refused before it has arrived.
TEST_F(SessionTest, AHelloCannotClaimToBeLong) {
  Bytes bytes = {std::byte{22}, std::byte{3},    std::byte{1},    std::byte{0},   std::byte{4},
                 std::byte{1},  std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}};
  server->Hear(bytes);
  EXPECT_TRUE(absl::IsInvalidArgument(server->fault())) << server->fault();
  EXPECT_THAT(server->fault().ToString(), HasSubstr("EXCESSIVE_MESSAGE_SIZE"));
}

TEST_F(SessionTest, KeysAreChangedOnRequest) {
  Exchange();
  std::string sent;
  for (int times = 0; times < 50; ++times) {
    {
      engine::Entered entered(environment);
      ASSERT_EQ(SSL_key_update(client->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    }
    client->Send("new keys ");
    sent += "new keys ";
    server->Hear(client->Take());
  }
  EXPECT_EQ(server->plaintext(), sent);
  EXPECT_TRUE(server->fault().ok()) << server->fault();
  server->Send("and back");
  Bytes answer = server->Take();
  EXPECT_LT(answer.size(), 200u);  // one change of keys, however many were asked for
  client->Hear(answer);
  EXPECT_EQ(client->plaintext(), "and back");
}

// --- What is not spoken ---

bssl::UniquePtr<SSL_CTX> Foreign() {
  bssl::UniquePtr<SSL_CTX> engine(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_verify(engine.get(), SSL_VERIFY_NONE, nullptr);
  return engine;
}

TEST_F(SessionTest, NothingOlderThanTls13) {
  bssl::UniquePtr<SSL_CTX> old = Foreign();
  SSL_CTX_set_max_proto_version(old.get(), TLS1_2_VERSION);
  {
    engine::Entered entered(environment);
    bssl::UniquePtr<SSL> ssl(SSL_new(old.get()));
    SSL_set_connect_state(ssl.get());
    client.emplace(std::move(ssl), environment, &pool);
  }
  Exchange();
  EXPECT_TRUE(absl::IsInvalidArgument(server->fault())) << server->fault();
  EXPECT_THAT(server->fault().ToString(), HasSubstr("UNSUPPORTED_PROTOCOL"));
  EXPECT_TRUE(absl::IsAborted(client->fault())) << client->fault();
}

// A server of somebody else's that issues tickets for early data, and a client that takes them.
struct EarlyDataTest : SessionTest {
  EarlyDataTest() {
    issuing = Foreign();
    SSL_CTX_set_early_data_enabled(issuing.get(), 1);
    auto chain = CertificatesFromPem(certificates->server.certificate_chain_pem);
    auto key = KeyFromPem(certificates->server.private_key_pem);
    SSL_CTX_use_certificate(issuing.get(), chain->front().get());
    SSL_CTX_use_PrivateKey(issuing.get(), key->get());
    eager = Foreign();
    SSL_CTX_set_early_data_enabled(eager.get(), 1);
    SSL_CTX_set_session_cache_mode(eager.get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_set_app_data(eager.get(), this);
    SSL_CTX_sess_set_new_cb(eager.get(), [](SSL* ssl, SSL_SESSION* session) {
      auto* self = static_cast<EarlyDataTest*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
      self->ticket.reset(session);
      return 1;
    });
  }

  bssl::UniquePtr<SSL> Engine(SSL_CTX* context, bool is_server) {
    engine::Entered entered(environment);
    bssl::UniquePtr<SSL> ssl(SSL_new(context));
    if (is_server) {
      SSL_set_accept_state(ssl.get());
    } else {
      SSL_set_connect_state(ssl.get());
    }
    return ssl;
  }

  // One connection between the two strangers. Tickets come with the server's first words.
  void Meet() {
    bssl::UniquePtr<SSL> ssl = Engine(eager.get(), false);
    if (ticket != nullptr) SSL_set_session(ssl.get(), ticket.get());
    server.emplace(Engine(issuing.get(), true), environment, &pool);
    client.emplace(std::move(ssl), environment, &pool);
    Exchange();
    if (server->open()) server->Send("welcome");
    Exchange();
  }

  bssl::UniquePtr<SSL_CTX> issuing;
  bssl::UniquePtr<SSL_CTX> eager;
  bssl::UniquePtr<SSL_SESSION> ticket;
};

TEST_F(EarlyDataTest, AClientThatOffersEarlyDataIsRefused) {
  Meet();
  ASSERT_NE(ticket, nullptr);
  ASSERT_EQ(SSL_SESSION_early_data_capable(ticket.get()), 1);

  Restart();
  bssl::UniquePtr<SSL> ssl = Engine(eager.get(), false);
  ASSERT_EQ(SSL_set_session(ssl.get(), ticket.get()), 1);
  client.emplace(std::move(ssl), environment, &pool);
  Exchange();
  EXPECT_FALSE(server->open());
  EXPECT_TRUE(absl::IsInvalidArgument(server->fault())) << server->fault();
  EXPECT_THAT(server->fault().ToString(), HasSubstr("early data (0-RTT) is refused"));
}

// The second refusal: an engine that accepts early data all the same.
TEST_F(EarlyDataTest, EarlyDataThatAnEngineHasAcceptedIsRefusedToo) {
  Meet();
  EXPECT_EQ(client->plaintext(), "welcome");
  ASSERT_NE(ticket, nullptr);
  Meet();
  for (Peer* peer : {&*server, &*client}) {
    EXPECT_FALSE(peer->open());
    EXPECT_EQ(peer->plaintext(), "");
  }
  EXPECT_THAT(server->fault().ToString(), HasSubstr("early data (0-RTT) is refused"));
}

TEST_F(EarlyDataTest, TicketsOfAServerAreNotKept) {
  server.emplace(Engine(issuing.get(), true), environment, &pool);
  Exchange();
  server->Send("from the server");
  Exchange();
  EXPECT_EQ(client->plaintext(), "from the server");
  SSL_SESSION* kept = SSL_get_session(client->ssl());
  EXPECT_EQ(SSL_SESSION_has_ticket(kept), 0);
}

}  // namespace
}  // namespace faultline::tls
