// Goal: a node's command line means what it says or is refused with a message that helps.
// Method: good and bad command lines.

#include "scenarios/node/node_flags.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace faultline::node {
namespace {

using ::testing::HasSubstr;

const char kPeers[] = "--peers=127.0.0.1:7100,[::1]:7101,unix:/tmp/two";

absl::StatusOr<NodeFlags> Parse(const std::vector<std::string>& arguments) {
  return ParseNodeFlags(arguments);
}

std::string Refusal(const std::vector<std::string>& arguments) {
  absl::StatusOr<NodeFlags> flags = Parse(arguments);
  EXPECT_TRUE(absl::IsInvalidArgument(flags.status())) << flags.status();
  return std::string(flags.status().message());
}

TEST(NodeFlags, AWholeCommandLine) {
  absl::StatusOr<NodeFlags> flags =
      Parse({"--replica=2", kPeers, "--listen=127.0.0.1:0", "--cluster=9", "--drain=250ms",
             "--max-clients=7", "--max-log-bytes=1000", "--max-log-entries=10"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->config.replica, 2);
  ASSERT_EQ(flags->config.peers.size(), 3u);
  EXPECT_EQ(flags->config.peers[0], Endpoint::Ipv4Loopback(7100));
  EXPECT_EQ(flags->config.peers[1], Endpoint::Ipv6Loopback(7101));
  EXPECT_EQ(flags->config.peers[2], Endpoint::Unix("/tmp/two"));
  ASSERT_EQ(flags->listen.size(), 1u);
  EXPECT_EQ(flags->listen.front().ToString(), "tcp://127.0.0.1:0");
  EXPECT_EQ(flags->config.cluster, (message::Uint128{9, 0}));
  EXPECT_EQ(flags->config.drain_grace, 250ms);
  EXPECT_EQ(flags->config.clients.max_connections, 7u);
  EXPECT_EQ(flags->config.sessions.max_sessions, 28u);
  EXPECT_EQ(flags->log.max_payload_bytes, 1000u);
  EXPECT_EQ(flags->log.max_entries, 10u);
}

TEST(NodeFlags, ManyClientsHaveRoomForTheirSessions) {
  absl::StatusOr<NodeFlags> flags =
      Parse({"--replica=0", kPeers, "--listen=unix:c", "--max-clients=10000"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_GE(flags->config.sessions.max_sessions, 10000u);
}

TEST(NodeFlags, HelpSaysWhatARestartMeans) {
  EXPECT_THAT(NodeHelp(), HasSubstr("Replica 0 must not be restarted alone"));
}

TEST(NodeFlags, WhatIsNeededIsAskedFor) {
  EXPECT_THAT(Refusal({}), HasSubstr("--replica is needed"));
  EXPECT_THAT(Refusal({"--replica=0"}), HasSubstr("--peers is needed"));
  EXPECT_THAT(Refusal({"--replica=0", kPeers}), HasSubstr("--listen is needed"));
}

TEST(NodeFlags, HelpNeedsNothingElse) {
  absl::StatusOr<NodeFlags> flags = Parse({"--help"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_TRUE(flags->help);
  EXPECT_THAT(NodeHelp(), HasSubstr("--peers=HOST:PORT,..."));
}

TEST(NodeFlags, TheClusterIsOneThatCanBe) {
  EXPECT_THAT(Refusal({"--replica=3", kPeers, "--listen=unix:c"}),
              HasSubstr("there is no replica 3 of 3"));
  EXPECT_THAT(Refusal({"--replica=0", "--peers=unix:a,unix:b", "--listen=unix:c"}),
              HasSubstr("an odd number of replicas"));
  EXPECT_THAT(Refusal({"--replica=7", kPeers, "--listen=unix:c"}), HasSubstr("too large"));
}

TEST(NodeFlags, OthersMustBeAbleToFindAReplica) {
  EXPECT_THAT(Refusal({"--replica=0", "--peers=127.0.0.1:0,unix:b,unix:c", "--listen=unix:d"}),
              HasSubstr("port 0"));
  EXPECT_TRUE(Parse({"--replica=0", "--peers=127.0.0.1:0", "--listen=unix:d"}).ok());
}

TEST(NodeFlags, WhatIsNotMeantIsNamed) {
  EXPECT_THAT(Refusal({"--replica=0", "--peer=unix:a"}), HasSubstr("did you mean --peers?"));
  EXPECT_THAT(Refusal({"--listen=localhost:1"}), HasSubstr("--listen: "));
}

TEST(NodeFlags, CertificatesAreForUrlsWithTls) {
  auto with = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"--replica=0", kPeers});
    return more;
  };
  const char kTls[] = "--listen=unix:a,wss://0.0.0.0:1/b";
  EXPECT_THAT(Refusal(with({kTls})),
              HasSubstr("wss://0.0.0.0:1/b needs --tls-certificate and --tls-key, or"));
  EXPECT_THAT(Refusal(with({"--listen=ws://127.0.0.1:1", "--tls-self-signed"})),
              HasSubstr("--listen has none of them"));
  EXPECT_THAT(Refusal(with({"--listen=unix:a", "--tls-certificate=a", "--tls-key=b"})),
              HasSubstr("--listen has none of them"));
  EXPECT_THAT(Refusal(with({kTls, "--tls-certificate=a"})), HasSubstr("belong together"));
  EXPECT_THAT(Refusal(with({kTls, "--tls-certificate=", "--tls-key=b"})),
              HasSubstr("--tls-certificate: the value is empty"));
  EXPECT_THAT(
      Refusal(with({kTls, "--tls-certificate=a", "--tls-key=b", "--tls-names=db1.example"})),
      HasSubstr("--tls-names is for --tls-self-signed"));
  EXPECT_THAT(Refusal(with({kTls, "--tls-self-signed", "--tls-names=a,,b"})),
              HasSubstr("--tls-names: a name is missing"));
  absl::StatusOr<NodeFlags> flags =
      Parse(with({kTls, "--tls-self-signed", "--tls-names=localhost,10.0.0.5"}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->certificate.names, (std::vector<std::string>{"localhost", "10.0.0.5"}));
}

TEST(NodeFlags, TheBoundOfADrainCoversItsStages) {
  ledger::ReplicaConfig config;
  config.drain_grace = 3s;
  config.clients.pipe.close_grace = 2s;
  config.replicas.pipe.close_grace = 1s;
  EXPECT_GT(DrainBound(config), 6s);
  EXPECT_LE(DrainBound(config), 8s);
}

}  // namespace
}  // namespace faultline::node
