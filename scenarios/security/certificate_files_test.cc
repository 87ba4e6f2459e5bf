// Goal: a program finds its certificates, makes one if it is told to, and says what is wrong.
// Method: files written by one side and read by the other; every combination that makes no sense.

#include "scenarios/security/certificate_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "sim/host.h"
#include "sim/world.h"

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

TEST(CertificateFiles, CombinationsThatMakeNoSenseAreRefused) {
  EXPECT_TRUE(Validate({}).ok());
  EXPECT_TRUE(Validate({.chain_file = "a", .key_file = "b"}).ok());
  EXPECT_TRUE(Validate({.self_signed = true, .written_to = "a"}).ok());
  EXPECT_FALSE(Validate({.chain_file = "a"}).ok());
  EXPECT_FALSE(Validate({.key_file = "a"}).ok());
  EXPECT_FALSE(Validate({.chain_file = "a", .key_file = "b", .self_signed = true}).ok());
  EXPECT_FALSE(Validate({.written_to = "a"}).ok());
}

}  // namespace
}  // namespace faultline::scenarios
