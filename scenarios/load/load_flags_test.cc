// Goal: a load's command line means what it says or is refused with a message that helps; clients
// do what it says. Method: good and bad command lines.

#include "scenarios/load/load_flags.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace faultline::load {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<LoadFlags> Parse(const std::vector<std::string>& arguments) {
  return ParseLoadFlags(arguments);
}

std::string Refusal(const std::vector<std::string>& arguments) {
  absl::StatusOr<LoadFlags> flags = Parse(arguments);
  EXPECT_TRUE(absl::IsInvalidArgument(flags.status())) << flags.status();
  return std::string(flags.status().message());
}

TEST(LoadFlags, AWholeCommandLine) {
  absl::StatusOr<LoadFlags> flags =
      Parse({"--connect=127.0.0.1:7200,unix:/tmp/one", "--clients=3", "--rate=2000",
             "--duration=1m30s", "--payload=1000", "--pipeline=7", "--timeout=2s", "--cluster=5",
             "--verify", "--verify-timeout=9s", "--json", "--quiet"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->connect.size(), 2u);
  EXPECT_EQ(flags->duration, 90s);
  EXPECT_TRUE(flags->verify && flags->json && flags->quiet && flags->check);
  EXPECT_EQ(flags->verify_timeout, 9s);

  const ledger::ClientConfig client = ClientConfigOf(*flags);
  EXPECT_EQ(client.servers, flags->connect);
  EXPECT_EQ(client.cluster, (message::Uint128{5, 0}));
  EXPECT_EQ(client.drain_grace, 2s);

  const ledger::WorkloadConfig workload = WorkloadOf(*flags);
  EXPECT_TRUE(ledger::Validate(workload).ok());
  EXPECT_EQ(workload.clients, 3u);
  EXPECT_EQ(workload.pipeline, 7u);
  EXPECT_EQ(workload.payload_min, 1000u);
  EXPECT_EQ(workload.payload_max, 1000u);
  EXPECT_EQ(workload.entries, ledger::WorkloadConfig::kEndless);
  EXPECT_EQ(workload.period, 1500us);  // 3 clients, 2000 a second
}

TEST(LoadFlags, AllReplicasAreReachedByOneTransport) {
  absl::StatusOr<LoadFlags> flags = Parse({"--connect=ws://127.0.0.1:1/a,ws://127.0.0.1:2/a"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->by.ToString(), "ws://127.0.0.1:1/a");
  EXPECT_EQ(flags->connect.size(), 2u);
  EXPECT_NE(Refusal({"--connect=ws://127.0.0.1:1/a,ws://127.0.0.1:2/b"}).find("/b"),
            std::string::npos);
  EXPECT_NE(Refusal({"--connect=ws://127.0.0.1:1/a,127.0.0.1:2"}).find("tcp://127.0.0.1:2"),
            std::string::npos);
}

TEST(LoadFlags, WithoutARateTheLoopIsClosedAndDoesNotThink) {
  absl::StatusOr<LoadFlags> flags = Parse({"--connect=unix:a"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  const ledger::WorkloadConfig workload = WorkloadOf(*flags);
  EXPECT_EQ(workload.period, Duration::zero());
  EXPECT_EQ(workload.think_max, Duration::zero());
}

TEST(LoadFlags, TheDefaultsFitTheService) {
  absl::StatusOr<LoadFlags> flags = Parse({"--connect=unix:a", "--pipeline=64"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_LE(WorkloadOf(*flags).pipeline, ClientConfigOf(*flags).window);
}

TEST(LoadFlags, HelpNeedsNothingElse) {
  absl::StatusOr<LoadFlags> flags = Parse({"--help"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_TRUE(flags->help);
  EXPECT_THAT(LoadHelp(), HasSubstr("--rate=PER_SECOND"));
}

TEST(LoadFlags, WhatIsWrongIsSaid) {
  EXPECT_THAT(Refusal({}), HasSubstr("--connect is needed"));
  EXPECT_THAT(Refusal({"--connect=unix:a,"}), HasSubstr("--connect: "));
  EXPECT_THAT(Refusal({"--connect=unix:a", "--clients=0"}), HasSubstr("--clients: "));
  EXPECT_THAT(Refusal({"--connect=unix:a", "--pipeline=65"}), HasSubstr("the largest is 64"));
  EXPECT_THAT(Refusal({"--connect=unix:a", "--payload=2000000"}), HasSubstr("too large"));
  EXPECT_THAT(Refusal({"--connect=unix:a", "--duration=5"}), HasSubstr("5s"));
  EXPECT_THAT(Refusal({"--connect=unix:a", "--connet=unix:a"}), HasSubstr("--connect?"));
}

TEST(LoadFlags, WhomToTrustIsForUrlsWithTls) {
  const char kTls[] = "--connect=quic://127.0.0.1:1";
  EXPECT_THAT(Refusal({kTls}), HasSubstr("quic://127.0.0.1:1 needs --tls-trust, or"));
  EXPECT_THAT(Refusal({kTls, "--tls-trust=a", "--tls-trust-everybody"}),
              HasSubstr("exclude each other"));
  EXPECT_THAT(Refusal({kTls, "--tls-trust="}), HasSubstr("--tls-trust: the value is empty"));
  EXPECT_THAT(Refusal({"--connect=unix:a", "--tls-trust=a"}), HasSubstr("not for unix://a"));
  EXPECT_THAT(Refusal({"--connect=ws://127.0.0.1:1", "--tls-trust-everybody"}),
              HasSubstr("not for ws://127.0.0.1:1"));
  EXPECT_TRUE(Parse({kTls, "--tls-trust=a"}).ok());
  EXPECT_TRUE(Parse({kTls, "--tls-trust-everybody"}).ok());
}

TEST(LoadFlags, WhatDoesNotFitTogetherIsSaid) {
  EXPECT_THAT(Refusal({"--connect=unix:a", "--verify", "--unchecked"}), HasSubstr("--unchecked"));
  EXPECT_THAT(Refusal({"--connect=unix:a", "--verify-timeout=3s"}), HasSubstr("for --verify"));
  EXPECT_THAT(Refusal({"--connect=unix:1,unix:2,unix:3,unix:4,unix:5,unix:6,unix:7,unix:8"}),
              HasSubstr("at most 7 replicas"));
}

}  // namespace
}  // namespace faultline::load
