// Goal: a configuration that cannot work is refused by name before anything starts.
// Method: one thing wrong at a time.
#include "scenarios/ledger/config.h"

#include <gtest/gtest.h>

#include <string>

namespace faultline::ledger {
namespace {

ReplicaConfig Good() {
  ReplicaConfig config;
  config.peers.resize(3, Endpoint::Ipv4Loopback(1));
  return config;
}

std::string Complaint(const ReplicaConfig& config) {
  return std::string(Validate(config).message());
}

TEST(ConfigTest, TheDefaultsAreGood) { EXPECT_TRUE(Validate(Good()).ok()) << Validate(Good()); }

// An entry in catch-up data takes 32 bytes more than in the request that brought it.
TEST(ConfigTest, WhatAClientMaySendFitsBetweenReplicas) {
  ReplicaConfig config = Good();
  config.replicas.pipe.max_message_size = config.clients.pipe.max_message_size + kEntryHeaderSize;
  EXPECT_EQ(Complaint(config), "");
  --config.replicas.pipe.max_message_size;
  EXPECT_NE(Complaint(config).find("an entry that is caught up on"), std::string::npos)
      << Complaint(config);
}

TEST(ConfigTest, AChunkFitsBetweenReplicas) {
  ReplicaConfig config = Good();
  config.catch_up.max_bytes = config.replicas.pipe.max_message_size - message::kHeaderSize;
  EXPECT_EQ(Complaint(config), "");
  ++config.catch_up.max_bytes;
  EXPECT_NE(Complaint(config).find("must hold a chunk"), std::string::npos) << Complaint(config);
}

TEST(ConfigTest, EachConnectionOfAClientHasASession) {
  ReplicaConfig config = Good();
  SetMaxClients(10'000, &config);
  EXPECT_EQ(config.clients.max_connections, 10'000u);
  EXPECT_EQ(config.sessions.max_sessions, 40'000u);
  EXPECT_EQ(Complaint(config), "");
  config.sessions.max_sessions = 9'999;
  EXPECT_NE(Complaint(config).find("a session for each"), std::string::npos) << Complaint(config);
}

TEST(ConfigTest, TheLargestPayloadFitsIntoBothPlanes) {
  ReplicaConfig config = Good();
  config.clients.pipe.max_message_size = 4096;
  config.replicas.pipe.max_message_size = 8192;
  EXPECT_EQ(MaxPayload(config), 4096 - message::kHeaderSize - kEntryHeaderSize);
}

}  // namespace
}  // namespace faultline::ledger
