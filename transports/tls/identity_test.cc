// Goal: whoever is not who they should be is refused, and the error says why, in both worlds; what
// the two ends agree on, both of them know.
// Method: servers and clients as in testing.h, with certificates that are wrong in one way each.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/stream_io.h"
#include "transports/tls/scenarios.h"
#include "transports/tls/stream.h"
#include "transports/tls/testing.h"

namespace faultline::tls {
namespace {

using ::testing::HasSubstr;
using namespace testing;  // NOLINT: the scenarios

// --- Who is who ---

Setup ServedBy(Identity Certificates::* identity) {
  return [=](Shared* shared) { shared->server.identities = {shared->certificates->*identity}; };
}

// The client refuses, and says so to both sides.
void ExpectRefused(const Setup& setup, const std::string& why, const std::string& told) {
  InBothWorlds(
      ConversingServer, ConversingClient,
      [&](const Shared& shared) {
        EXPECT_TRUE(absl::IsUnauthenticated(shared.client_end)) << shared.client_end;
        EXPECT_THAT(shared.client_end.ToString(), HasSubstr(why));
        EXPECT_TRUE(absl::IsUnauthenticated(shared.server_end)) << shared.server_end;
        EXPECT_THAT(shared.server_end.ToString(), HasSubstr(told));
      },
      setup, 4);
}

TEST(TlsVerification, AnotherNameIsRefused) {
  ExpectRefused(ServedBy(&Certificates::other), "wanted server, and it is for DNS:other",
                "the peer refused: bad certificate");
}

TEST(TlsVerification, AnExpiredCertificateIsRefused) {
  ExpectRefused(ServedBy(&Certificates::expired), "certificate has expired (depth 0, CN=server)",
                "the peer refused: certificate expired");
}

TEST(TlsVerification, ACertificateOfTheFutureIsRefused) {
  ExpectRefused(ServedBy(&Certificates::future),
                "certificate is not yet valid (depth 0, CN=server)",
                "the peer refused: certificate expired");
}

TEST(TlsVerification, AnUnknownAuthorityIsRefused) {
  ExpectRefused(ServedBy(&Certificates::unknown),
                "unable to get local issuer certificate (depth 0, CN=server)",
                "the peer refused: unknown CA");
}

TEST(TlsVerification, AnotherAddressIsRefused) {
  ExpectRefused([](Shared* shared) { shared->server_name = "127.0.0.2"; },
                "wanted 127.0.0.2, and it is for DNS:server, IP Address:127.0.0.1",
                "the peer refused: bad certificate");
}

// A certificate without any subjectAltName; its common name is "faultline".
TEST(TlsVerification, ACommonNameIsNoName) {
  ExpectRefused(
      [](Shared* shared) {
        shared->server.identities = {shared->certificates->nameless};
        shared->server_name = "faultline";
      },
      "wanted faultline, and it is for no names", "the peer refused: bad certificate");
}

TEST(TlsVerification, AnAddressIsANameToo) {
  InBothWorlds(ConversingServer, ConversingClient, CheckConversation,
               [](Shared* shared) { shared->server_name = "127.0.0.1"; });
}

TEST(TlsVerification, ACertificateThatIsItsOwnRootIsAccepted) {
  InBothWorlds(ConversingServer, ConversingClient, CheckConversation, [](Shared* shared) {
    shared->server.identities = {shared->certificates->self_signed};
    shared->client.roots_pem = shared->certificates->self_signed.certificate_chain_pem;
  });
}

TEST(TlsVerification, ACertificateThatIsItsOwnRootIsRefusedByOthers) {
  ExpectRefused(ServedBy(&Certificates::self_signed), "self signed certificate",
                "the peer refused: unknown CA");
}

TEST(TlsVerification, WhoeverTrustsEverybodyHasAskedForIt) {
  InBothWorlds(ConversingServer, ConversingClient, CheckConversation, [](Shared* shared) {
    shared->server.identities = {shared->certificates->expired};
    shared->client.trust_everybody = true;
  });
}

TEST(TlsVerification, TheNameThatIsAskedForChoosesTheCertificate) {
  for (const char* name : {"server", "other"}) {
    InBothWorlds(
        ConversingServer, ConversingClient, CheckConversation,
        [name](Shared* shared) {
          shared->server.identities = {shared->certificates->server, shared->certificates->other};
          shared->server_name = name;
        },
        3);
  }
}

Task<void> NamelessClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  auto stream = co_await Dial(runtime, shared, context.get());
  shared->client_end = stream.status();
}

Task<void> RawServer(Runtime runtime, Shared* shared) {
  std::unique_ptr<Stream> raw = co_await AcceptRaw(runtime, shared);
  std::array<std::byte, 100> bytes;
  absl::StatusOr<size_t> read = co_await raw->Read(bytes);
  shared->server_end = read.status();
}

TEST(TlsVerification, AServerWithoutANameIsNotAskedFor) {
  for (std::string name : {std::string(), std::string("a\0b", 3)}) {
    InBothWorlds(
        RawServer, NamelessClient,
        [](const Shared& shared) {
          EXPECT_TRUE(absl::IsInvalidArgument(shared.client_end)) << shared.client_end;
          EXPECT_THAT(shared.client_end.ToString(), HasSubstr("server_name"));
          EXPECT_EQ(ErrnoOf(shared.server_end), ECONNRESET) << shared.server_end;
        },
        [name](Shared* shared) { shared->server_name = name; }, 2);
  }
}

// --- Mutual TLS ---

void Mutual(Shared* shared) {
  shared->server.client_roots_pem = shared->certificates->authority.root_pem();
}

TEST(TlsMutual, AClientThatProvesItselfIsSeen) {
  InBothWorlds(
      ConversingServer, ConversingClient,
      [](const Shared& shared) {
        CheckConversation(shared);
        EXPECT_EQ(shared.server_saw, shared.client.identity.front().certificate_chain_pem);
        EXPECT_EQ(shared.client_saw, shared.server.identities.front().certificate_chain_pem);
      },
      [](Shared* shared) {
        Mutual(shared);
        shared->bytes = 1000;
        shared->client.identity = {shared->certificates->client};
      });
}

TEST(TlsMutual, AClientWithoutACertificateIsRefused) {
  InBothWorlds(
      ConversingServer, ConversingClient,
      [](const Shared& shared) {
        EXPECT_TRUE(absl::IsUnauthenticated(shared.server_end)) << shared.server_end;
        EXPECT_THAT(shared.server_end.ToString(), HasSubstr("the peer shows no certificate"));
        EXPECT_TRUE(absl::IsUnauthenticated(shared.client_end)) << shared.client_end;
        EXPECT_THAT(shared.client_end.ToString(), HasSubstr("certificate required"));
      },
      Mutual);
}

TEST(TlsMutual, AClientOfAnotherAuthorityIsRefused) {
  InBothWorlds(
      ConversingServer, ConversingClient,
      [](const Shared& shared) {
        EXPECT_TRUE(absl::IsUnauthenticated(shared.server_end)) << shared.server_end;
        EXPECT_THAT(shared.server_end.ToString(),
                    HasSubstr("unable to get local issuer certificate (depth 0, CN=client)"));
        EXPECT_TRUE(absl::IsUnauthenticated(shared.client_end)) << shared.client_end;
        EXPECT_THAT(shared.client_end.ToString(), HasSubstr("unknown CA"));
      },
      [](Shared* shared) {
        Mutual(shared);
        shared->client.identity = {shared->certificates->impostor};
      });
}

// --- ALPN ---

TEST(TlsAlpn, TheServersPreferenceDecides) {
  InBothWorlds(
      ConversingServer, ConversingClient,
      [](const Shared& shared) {
        CheckConversation(shared);
        EXPECT_EQ(shared.client_alpn, "second");
        EXPECT_EQ(shared.server_alpn, "second");
      },
      [](Shared* shared) {
        shared->server.common.alpn = {"second", "first"};
        shared->client.common.alpn = {"first", "second", "third"};
      },
      4);
}

TEST(TlsAlpn, NothingInCommonIsRefused) {
  InBothWorlds(
      ConversingServer, ConversingClient,
      [](const Shared& shared) {
        EXPECT_TRUE(absl::IsFailedPrecondition(shared.server_end)) << shared.server_end;
        EXPECT_THAT(shared.server_end.ToString(), HasSubstr("no protocol in common"));
        EXPECT_TRUE(absl::IsAborted(shared.client_end)) << shared.client_end;
        EXPECT_THAT(shared.client_end.ToString(), HasSubstr("no application protocol"));
      },
      [](Shared* shared) {
        shared->server.common.alpn = {"first"};
        shared->client.common.alpn = {"second"};
      },
      4);
}

TEST(TlsAlpn, WhoeverHasNoneAgreesToNone) {
  InBothWorlds(
      ConversingServer, ConversingClient,
      [](const Shared& shared) {
        CheckConversation(shared);
        EXPECT_EQ(shared.client_alpn, "");
      },
      [](Shared* shared) { shared->client.common.alpn = {"first"}; }, 4);
}

// --- New certificates, secrets, keys ---

Task<void> ReloadingServer(Runtime runtime, Shared* shared) {
  auto context = NewServer(runtime, *shared);
  std::unique_ptr<faultline::Listener> listener = ListenAt(runtime, shared);
  std::array<std::unique_ptr<TlsStream>, 2> streams;
  for (auto& stream : streams) {
    auto raw = co_await listener->Accept();
    auto done = co_await ServerHandshake(*std::move(raw), context.get(), runtime.buffers);
    shared->server_end.Update(done.status());
    if (!done.ok()) co_return;
    stream = *std::move(done);
    shared->notes.push_back(context->Reload({}).ok() ? "reloaded nothing" : "refused");
    shared->server_end.Update(context->Reload({shared->certificates->other}));
  }
  for (auto& stream : streams) {
    shared->server_end.Update(co_await ReceivePattern(stream.get(), &shared->received));
    shared->received = 0;
    shared->server_end.Update(co_await stream->CloseOrderly());
  }
}

Task<void> TwiceDialingClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  auto first = co_await Dial(runtime, shared, context.get());
  shared->server_name = "other";
  auto second = co_await Dial(runtime, shared, context.get());
  shared->client_end.Update(first.status());
  shared->client_end.Update(second.status());
  if (!shared->client_end.ok()) co_return;
  shared->client_saw = (*first)->peer_certificate_pem() + (*second)->peer_certificate_pem();
  for (TlsStream* stream : {first->get(), second->get()}) {
    shared->client_end.Update(co_await SendPattern(stream, 1000));
    shared->client_end.Update(co_await stream->CloseOrderly());
  }
}

TEST(TlsReload, NewConnectionsGetTheNewCertificateAndOldOnesLive) {
  std::string server;
  std::string other;
  InBothWorlds(
      ReloadingServer, TwiceDialingClient,
      [&](const Shared& shared) {
        EXPECT_TRUE(shared.server_end.ok()) << shared.server_end;
        EXPECT_TRUE(shared.client_end.ok()) << shared.client_end;
        EXPECT_EQ(shared.notes, (std::vector<std::string>{"refused", "refused"}));
        EXPECT_EQ(shared.client_saw, server + other);
      },
      [&](Shared* shared) {
        server = shared->certificates->server.certificate_chain_pem;
        other = shared->certificates->other.certificate_chain_pem;
      });
}

class Lines final : public KeyLog {
 public:
  void OnLine(std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

TEST(TlsKeyLog, BothSidesTellTheSameSecrets) {
  Lines server;
  Lines client;
  InBothWorlds(
      ConversingServer, ConversingClient,
      [&](const Shared& shared) {
        CheckConversation(shared);
        std::sort(server.lines.begin(), server.lines.end());
        std::sort(client.lines.begin(), client.lines.end());
        EXPECT_EQ(server.lines, client.lines);
        EXPECT_GE(client.lines.size(), 5u);
        EXPECT_THAT(client.lines,
                    ::testing::Contains(::testing::StartsWith("CLIENT_TRAFFIC_SECRET_0 ")));
      },
      [&](Shared* shared) {
        server.lines.clear();
        client.lines.clear();
        shared->server.common.key_log = &server;
        shared->client.common.key_log = &client;
      },
      3);
}

Task<void> ExportingServer(Runtime runtime, Shared* shared) {
  auto context = NewServer(runtime, *shared);
  auto stream = co_await Serve(runtime, shared, context.get());
  shared->server_end = stream.status();
  if (!stream.ok()) co_return;
  shared->server_saw = (*stream)->ExportKey("label", "context", 32);
  shared->server_end = co_await (*stream)->CloseOrderly();
}

Task<void> ExportingClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  auto stream = co_await Dial(runtime, shared, context.get());
  shared->client_end = stream.status();
  if (!stream.ok()) co_return;
  shared->client_saw = (*stream)->ExportKey("label", "context", 32);
  shared->notes.push_back((*stream)->ExportKey("label", "another", 32));
  shared->client_end = co_await (*stream)->CloseOrderly();
}

TEST(TlsExport, BothSidesHaveTheSameKeyAndNobodyElse) {
  InBothWorlds(
      ExportingServer, ExportingClient,
      [](const Shared& shared) {
        EXPECT_TRUE(shared.client_end.ok()) << shared.client_end;
        EXPECT_EQ(shared.client_saw.size(), 32u);
        EXPECT_EQ(shared.client_saw, shared.server_saw);
        EXPECT_NE(shared.client_saw, shared.notes.front());
      },
      nullptr, 3);
}

}  // namespace
}  // namespace faultline::tls
