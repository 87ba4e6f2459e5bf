// Goal: the log names what happens to other replicas, with the time, a line each, and does not
// drown in clients. Method: a clock that stands still, and a string to write to.

#include "scenarios/node/node_log.h"

#include <sstream>

#include "gtest/gtest.h"

namespace faultline::node {
namespace {

using ledger::ConnectionId;
using ledger::Party;

class StoppedClock final : public Clock {
 public:
  MonotonicTime Now() const override { return MonotonicTime(); }
  // 2001-09-09 01:46:40.000123456 UTC
  WallTime WallNow() const override { return WallTime(Duration(1'000'000'000'000'123'456)); }

 private:
  void ArmTimer(Timer*) override {}
  void DisarmTimer(Timer*) override {}
};

TEST(NodeLog, EachLineHasTheTimeAndTheReplica) {
  StoppedClock clock;
  std::ostringstream out;
  NodeLog log(&out, &clock, "replica 0");
  log.Line("listening for clients on 127.0.0.1:7200");
  EXPECT_EQ(out.str(),
            "2001-09-09T01:46:40.000123Z replica 0: listening for clients on 127.0.0.1:7200\n");
}

TEST(NodeLog, ReplicasComeAndGo) {
  StoppedClock clock;
  std::ostringstream out;
  NodeLog log(&out, &clock, "r");
  const Party self = Party::Replica(0);
  log.OnConnected(self, Party::Replica(1), ConnectionId{1, 1});
  log.OnLost(self, Party::Replica(1), ConnectionId{1, 1}, absl::OkStatus());
  log.OnLost(self, Party::Replica(2), ConnectionId{2, 2}, absl::UnavailableError("reset"));
  EXPECT_EQ(out.str(),
            "2001-09-09T01:46:40.000123Z r: replica 1 connected\n"
            "2001-09-09T01:46:40.000123Z r: replica 1 lost: it closed the connection\n"
            "2001-09-09T01:46:40.000123Z r: replica 2 lost: UNAVAILABLE: reset\n");
}

TEST(NodeLog, WhyAReplicaCannotBeReachedIsSaidOnce) {
  StoppedClock clock;
  std::ostringstream out;
  NodeLog log(&out, &clock, "r");
  for (int i = 0; i < 3; ++i) {
    log.OnDialFailed(Party::Replica(0), Endpoint::Ipv4Loopback(7101),
                     absl::UnavailableError("ECONNREFUSED"));
  }
  EXPECT_EQ(out.str(),
            "2001-09-09T01:46:40.000123Z r: cannot reach 127.0.0.1:7101: UNAVAILABLE: "
            "ECONNREFUSED\n");
}

TEST(NodeLog, WhatAnOperatorHasToActUponIsSaidOnce) {
  StoppedClock clock;
  std::ostringstream out;
  NodeLog log(&out, &clock, "r");
  for (int i = 0; i < 3; ++i) {
    log.OnLogLost(1, 6000, 0);
    log.OnLogFull(0, absl::ResourceExhaustedError("the log holds 8 entries"));
  }
  EXPECT_EQ(out.str(),
            "2001-09-09T01:46:40.000123Z r: this primary has lost its log; replica 1 holds 6000 "
            "entries and this one 0: nothing is committed until all replicas are stopped and "
            "started together, empty\n"
            "2001-09-09T01:46:40.000123Z r: the log is full, further entries are refused: the log "
            "holds 8 entries (--max-log-entries, --max-log-bytes)\n");
}

TEST(NodeLog, ClientsAreNotMentioned) {
  StoppedClock clock;
  std::ostringstream out;
  NodeLog log(&out, &clock, "r");
  log.OnConnected(Party::Replica(0), Party::Client({0, 1}), ConnectionId{1, 1});
  log.OnLost(Party::Replica(0), Party::Client({0, 1}), ConnectionId{1, 1}, absl::OkStatus());
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace faultline::node
