// Goal: a program finds its certificates, makes one if it is told to, and says what is wrong.
// Method: files written by one side and read by the other; every combination that makes no sense.

#include "scenarios/security/certificate_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "sim/host.h"
#include "sim/world.h"
#include "transports/tls/pem.h"

namespace faultline::scenarios {
namespace {

using ::testing::HasSubstr;

std::string File(const std::string& name) { return ::testing::TempDir() + "/" + name; }

Task<void> MakeAndTrust(Runtime runtime) {
  const std::string path = File("own.pem");
  const std::vector<any::Url> urls = {*any::ParseUrl("tls://127.0.0.1:1")};
  auto server = OpenServerSecurity(runtime, {.self_signed = true, .written_to = path}, urls);
  EXPECT_TRUE(server.ok()) << server.status();
  if (!server.ok()) co_return;
  EXPECT_NE((*server)->server(), nullptr);
  auto client = OpenClientSecurity(runtime, {.roots_file = path});
  EXPECT_TRUE(client.ok()) << client.status();
  if (!client.ok()) co_return;
  EXPECT_NE((*client)->client(), nullptr);
  EXPECT_EQ((*client)->server(), nullptr);
}

Task<void> OpenNothing(Runtime runtime) {
  EXPECT_EQ(*OpenServerSecurity(runtime, {}, {}), nullptr);
  EXPECT_EQ(*OpenClientSecurity(runtime, {}), nullptr);
  co_return;
}

Task<void> OpenWhatIsNotThere(Runtime runtime) {
  const std::string missing = File("missing.pem");
  auto server = OpenServerSecurity(runtime, {.chain_file = missing, .key_file = missing}, {});
  EXPECT_THAT(server.status().ToString(), HasSubstr(missing));
  auto client = OpenClientSecurity(runtime, {.roots_file = missing});
  EXPECT_THAT(client.status().ToString(), HasSubstr(missing));
  auto unwritable =
      OpenServerSecurity(runtime, {.self_signed = true, .written_to = File("no/such/folder")}, {});
  EXPECT_THAT(unwritable.status().ToString(), HasSubstr("no/such/folder"));
  co_return;
}

void InSimulation(Task<void> (*what)(Runtime)) {
  sim::World world({.seed = 1});
  world.AddHost({.name = "host"})->Boot([what](const Runtime& runtime) { return what(runtime); });
  EXPECT_TRUE(world.Run({}).passed());
}

TEST(CertificateFiles, WhatAServerWritesAClientTrusts) { InSimulation(&MakeAndTrust); }

TEST(CertificateFiles, NothingAskedForIsNothing) { InSimulation(&OpenNothing); }

TEST(CertificateFiles, WhatIsNotThereIsNamed) { InSimulation(&OpenWhatIsNotThere); }

const std::vector<any::Url>& Plain() {
  static const std::vector<any::Url> urls = {*any::ParseUrl("ws://127.0.0.1:1")};
  return urls;
}
const std::vector<any::Url>& Secure() {
  static const std::vector<any::Url> urls = {*any::ParseUrl("tcp://127.0.0.1:1"),
                                             *any::ParseUrl("quic://127.0.0.1:2")};
  return urls;
}

TEST(CertificateFiles, CombinationsThatMakeNoSenseAreRefused) {
  EXPECT_TRUE(Validate({}, Plain()).ok());
  EXPECT_TRUE(Validate({.chain_file = "a", .key_file = "b"}, Secure()).ok());
  EXPECT_TRUE(Validate({.self_signed = true, .names = {"n"}, .written_to = "a"}, Secure()).ok());
  EXPECT_FALSE(Validate({.chain_file = "a"}, Secure()).ok());
  EXPECT_FALSE(Validate({.key_file = "a"}, Secure()).ok());
  EXPECT_FALSE(Validate({.chain_file = "a", .key_file = "b", .self_signed = true}, Secure()).ok());
  EXPECT_FALSE(Validate({.chain_file = "a", .key_file = "b", .written_to = "a"}, Secure()).ok());
  EXPECT_FALSE(Validate({.chain_file = "a", .key_file = "b", .names = {"n"}}, Secure()).ok());
}

TEST(CertificateFiles, WhoUsesTlsHasACertificateAndNobodyElse) {
  EXPECT_FALSE(Validate({}, Secure()).ok());
  EXPECT_FALSE(Validate({.self_signed = true}, Plain()).ok());
  EXPECT_FALSE(Validate({.chain_file = "a", .key_file = "b"}, Plain()).ok());
  EXPECT_TRUE(Validate(ClientTrust{}, Plain()[0]).ok());
  EXPECT_TRUE(Validate({.roots_file = "a"}, Secure()[1]).ok());
  EXPECT_TRUE(Validate({.everybody = true}, Secure()[1]).ok());
  EXPECT_FALSE(Validate(ClientTrust{}, Secure()[1]).ok());
  EXPECT_FALSE(Validate({.roots_file = "a"}, Plain()[0]).ok());
  EXPECT_FALSE(Validate({.everybody = true}, Plain()[0]).ok());
  EXPECT_FALSE(Validate({.roots_file = "a", .everybody = true}, Secure()[1]).ok());
}

// --- Files with something else in them ---

std::string Store(const std::string& name, const std::string& content) {
  std::ofstream(File(name)) << content;
  return File(name);
}

void ExpectRefused(const absl::Status& status, const std::vector<std::string>& named) {
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  for (const std::string& part : named) EXPECT_THAT(status.ToString(), HasSubstr(part));
}

Task<void> OpenWhatIsNone(Runtime runtime) {
  const std::string empty = Store("empty.pem", "");
  const std::string prose = Store("prose.pem", "Dear server, here is my certificate.");
  const std::string own = File("whole.pem");
  auto server = OpenServerSecurity(runtime, {.self_signed = true, .written_to = own}, {});
  EXPECT_TRUE(server.ok()) << server.status();
  ExpectRefused(OpenServerSecurity(runtime, {.chain_file = empty, .key_file = own}, {}).status(),
                {"--tls-certificate", empty, "is empty"});
  ExpectRefused(OpenServerSecurity(runtime, {.chain_file = own, .key_file = empty}, {}).status(),
                {"--tls-key", empty, "is empty"});
  ExpectRefused(OpenServerSecurity(runtime, {.chain_file = prose, .key_file = own}, {}).status(),
                {"--tls-certificate", prose, "certificate_chain_pem: not a certificate in PEM"});
  ExpectRefused(OpenServerSecurity(runtime, {.chain_file = own, .key_file = prose}, {}).status(),
                {"--tls-key", prose, "private_key_pem: not a private key in PEM"});
  ExpectRefused(OpenClientSecurity(runtime, {.roots_file = empty}).status(),
                {"--tls-trust", empty, "is empty"});
  ExpectRefused(OpenClientSecurity(runtime, {.roots_file = prose}).status(),
                {"--tls-trust", prose, "roots_pem: not a certificate in PEM"});
  ExpectRefused(OpenServerSecurity(runtime, {.self_signed = true, .names = {"a b"}}, {}).status(),
                {"--tls-names", "'a b'"});
  co_return;
}

TEST(CertificateFiles, WhatIsNoCertificateIsRefusedByItsFlag) { InSimulation(&OpenWhatIsNone); }

// --- Names ---

Task<void> NameOneself(Runtime runtime) {
  const std::vector<any::Url> anywhere = {*any::ParseUrl("tls://0.0.0.0:1"),
                                          *any::ParseUrl("tls://10.0.0.7:2")};
  auto names_of = [&](std::vector<std::string> names) {
    const std::string path = File("named.pem");
    auto server = OpenServerSecurity(
        runtime, {.self_signed = true, .names = std::move(names), .written_to = path}, anywhere);
    EXPECT_TRUE(server.ok()) << server.status();
    std::ostringstream pem;
    pem << std::ifstream(path).rdbuf();
    auto chain = tls::CertificatesFromPem(pem.str());
    EXPECT_TRUE(chain.ok()) << chain.status();
    return std::move(chain->front());
  };
  auto usual = names_of({});
  EXPECT_EQ(X509_check_host(usual.get(), "localhost", 9, 0, nullptr), 1);
  for (const char* address : {"127.0.0.1", "::1", "10.0.0.7"}) {
    EXPECT_EQ(X509_check_ip_asc(usual.get(), address, 0), 1) << address;
  }
  EXPECT_EQ(X509_check_ip_asc(usual.get(), "0.0.0.0", 0), 0);
  auto asked = names_of({"db1.example", "192.168.0.1"});
  EXPECT_EQ(X509_check_host(asked.get(), "db1.example", 11, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(asked.get(), "localhost", 9, 0, nullptr), 0);
  for (const char* address : {"192.168.0.1", "10.0.0.7"}) {
    EXPECT_EQ(X509_check_ip_asc(asked.get(), address, 0), 1) << address;
  }
  co_return;
}

TEST(CertificateFiles, ASelfSignedOneHasTheNamesThatWereAskedFor) { InSimulation(&NameOneself); }

}  // namespace
}  // namespace faultline::scenarios
