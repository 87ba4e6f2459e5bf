// Goal: settings that cannot work are refused when they are made, by their names; certificates for
// development say what they were asked to say.
// Method: contexts and certificates from a fixed environment, read back.

#include "transports/tls/context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/testing/counting_entropy.h"
#include "runtime/testing/manual_clock.h"
#include "transports/tls/certificate.h"
#include "transports/tls/pem.h"
#include "transports/tls/testing.h"

namespace faultline::tls {
namespace {

using ::testing::HasSubstr;

struct ContextTest : ::testing::Test {
  ContextTest() {
    clock.set_wall_offset(24h * 365 * 56);
    certificates.emplace(environment);
  }

  void ExpectServerRefused(ServerOptions options, const std::string& why) {
    auto context = ServerContext::Create(environment, std::move(options));
    EXPECT_TRUE(absl::IsInvalidArgument(context.status())) << context.status();
    EXPECT_THAT(context.status().ToString(), HasSubstr(why));
  }
  void ExpectClientRefused(ClientOptions options, const std::string& why) {
    auto context = ClientContext::Create(environment, std::move(options));
    EXPECT_TRUE(absl::IsInvalidArgument(context.status())) << context.status();
    EXPECT_THAT(context.status().ToString(), HasSubstr(why));
  }

  faultline::testing::CountingEntropy entropy;
  faultline::testing::ManualClock clock;
  engine::Environment environment{&entropy, &clock};
  std::optional<testing::Certificates> certificates;
};

TEST_F(ContextTest, AServerNeedsAnIdentity) { ExpectServerRefused({}, "identities"); }

TEST_F(ContextTest, AnIdentityIsPem) {
  Identity good = certificates->server;
  ExpectServerRefused({.identities = {{"", good.private_key_pem}}},
                      "certificate_chain_pem: not a certificate in PEM: NO_START_LINE");
  ExpectServerRefused({.identities = {{good.certificate_chain_pem, "no key"}}},
                      "private_key_pem: not a private key in PEM without a passphrase");
  ExpectServerRefused({.identities = {good, {good.certificate_chain_pem.substr(0, 300), ""}}},
                      "certificate_chain_pem");
}

TEST_F(ContextTest, AKeyBelongsToItsCertificate) {
  ExpectServerRefused({.identities = {{certificates->server.certificate_chain_pem,
                                       certificates->other.private_key_pem}}},
                      "private_key_pem: not usable with the certificate of CN=server: "
                      "KEY_VALUES_MISMATCH");
}

TEST_F(ContextTest, ATruncatedChainIsNotHalfAChain) {
  std::string chain = certificates->server.certificate_chain_pem +
                      certificates->other.certificate_chain_pem.substr(0, 200);
  ExpectServerRefused({.identities = {{chain, certificates->server.private_key_pem}}},
                      "certificate_chain_pem");
}

TEST_F(ContextTest, RootsOfClientsArePem) {
  ExpectServerRefused({.identities = {certificates->server}, .client_roots_pem = "none"},
                      "client_roots_pem");
}

TEST_F(ContextTest, AlpnNamesHave1To255Bytes) {
  for (const std::string& name : {std::string(), std::string(256, 'x')}) {
    ExpectServerRefused({.identities = {certificates->server}, .common = {.alpn = {"a", name}}},
                        "alpn: a name has 1 to 255 bytes");
    ExpectClientRefused(
        {.roots_pem = certificates->authority.root_pem(), .common = {.alpn = {name}}}, "alpn");
  }
}

TEST_F(ContextTest, AClientTrustsSomebody) {
  ExpectClientRefused({}, "roots_pem");
  EXPECT_TRUE(ClientContext::Create(environment, {.trust_everybody = true}).ok());
}

TEST_F(ContextTest, AClientHasOneIdentityAtMost) {
  ExpectClientRefused({.roots_pem = certificates->authority.root_pem(),
                       .identity = {certificates->client, certificates->other}},
                      "identity");
}

TEST_F(ContextTest, ACertificateIsForItsNames) {
  auto identity =
      SelfSigned(environment, {.names = {"node-1", "10.0.0.1", "::1", "*.example.org"}});
  ASSERT_TRUE(identity.ok()) << identity.status();
  auto chain = CertificatesFromPem(identity->certificate_chain_pem);
  ASSERT_TRUE(chain.ok()) << chain.status();
  X509* certificate = chain->front().get();
  EXPECT_EQ(SubjectOf(certificate), "CN=node-1");
  EXPECT_EQ(X509_check_host(certificate, "node-1", 6, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(certificate, "a.example.org", 13, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(certificate, "node-2", 6, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(certificate, "10.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate, "::1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate, "10.0.0.2", 0), 0);
}

TEST_F(ContextTest, ANameThatACertificateCannotHoldIsRefused) {
  for (const std::string& name :
       {std::string(), std::string("a,IP:127.0.0.1"), std::string("a b"), std::string(254, 'a')}) {
    auto identity = SelfSigned(environment, {.names = {name}});
    EXPECT_TRUE(absl::IsInvalidArgument(identity.status())) << name;
  }
  EXPECT_TRUE(SelfSigned(environment, {.names = {std::string(253, 'a')}}).ok());
}

TEST_F(ContextTest, TheSameEntropyGivesTheSameKey) {
  faultline::testing::CountingEntropy again;
  faultline::testing::CountingEntropy later;
  later.drawn = 1000;
  auto first = SelfSigned({&again, &clock}, {.names = {"node"}});
  again.drawn = 0;
  auto second = SelfSigned({&again, &clock}, {.names = {"node"}});
  auto third = SelfSigned({&later, &clock}, {.names = {"node"}});
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_EQ(first->private_key_pem, second->private_key_pem);
  EXPECT_EQ(first->certificate_chain_pem, second->certificate_chain_pem);
  EXPECT_NE(first->private_key_pem, third->private_key_pem);
}

}  // namespace
}  // namespace faultline::tls
