// Goal: an entry counts as committed exactly when a majority holds it, the primary among them.
// Method: compare with a count by hand over all small states; then the cases that go wrong in real
// systems: repeated acknowledgements, other incarnations, none at all. Each planted bug breaks one.
#include "scenarios/ledger/quorum.h"

#include <gtest/gtest.h>

namespace faultline::ledger {
namespace {

TEST(QuorumTest, OneReplicaIsAMajorityOfItself) {
  Quorum quorum(1);
  EXPECT_EQ(quorum.Committed(5), 5u);
}

TEST(QuorumTest, WithoutBackupsNothingIsCommitted) {
  Quorum quorum(3);
  EXPECT_EQ(quorum.Committed(5), 0u);
}

TEST(QuorumTest, CountsAsByHand) {
  for (uint64_t a = 0; a <= 4; ++a) {
    for (uint64_t b = 0; b <= 4; ++b) {
      for (uint64_t c = 0; c <= 4; ++c) {
        Quorum quorum(5);
        uint64_t held[] = {4, a, b, c, 0};
        for (ReplicaId r = 1; r <= 3; ++r) {
          quorum.Admit(r, 1);
          quorum.Acknowledge(r, held[r]);
        }
        uint64_t expected = 0;
        for (uint64_t op = 1; op <= 4; ++op) {
          int holders = 0;
          for (uint64_t h : held) holders += h >= op;
          if (holders >= 3) expected = op;
        }
        EXPECT_EQ(quorum.Committed(4), expected) << a << " " << b << " " << c;
      }
    }
  }
}

TEST(QuorumTest, NeverGoesBack) {
  Quorum quorum(3);
  quorum.Admit(1, 1);
  quorum.Acknowledge(1, 3);
  EXPECT_EQ(quorum.Committed(3), 3u);
  quorum.Admit(1, 2);
  EXPECT_EQ(quorum.held(1), 0u);
  EXPECT_EQ(quorum.Committed(4), 3u);
}

TEST(QuorumTest, AReturnInTheSameIncarnationForgetsNothing) {
  Quorum quorum(3);
  quorum.Admit(1, 1);
  quorum.Acknowledge(1, 3);
  quorum.Admit(1, 1);
  EXPECT_EQ(quorum.held(1), 3u);
}

// A backup cannot hold more than the primary has ordered.
TEST(QuorumTest, IsBoundedByThePrimarysLog) {
  Quorum quorum(3);
  quorum.Admit(1, 1);
  quorum.Acknowledge(1, 9);
  EXPECT_EQ(quorum.Committed(4), 4u);
}

// Of five: the same backup twice is not two backups.
void AcknowledgeTwice(Quorum* quorum) {
  quorum->Admit(1, 1);
  quorum->Acknowledge(1, 2);
  quorum->Acknowledge(1, 2);
}

TEST(QuorumTest, ARepeatedAcknowledgementCountsOnce) {
  Quorum quorum(5);
  AcknowledgeTwice(&quorum);
  EXPECT_EQ(quorum.Committed(2), 0u);
}

TEST(QuorumTest, PlantedAckCountedTwice) {
  LedgerBugs bugs{.ack_counted_twice = true};
  Quorum quorum(5, &bugs);
  AcknowledgeTwice(&quorum);
  EXPECT_EQ(quorum.Committed(2), 2u);
}

// Of five: backup 1 held op 2, then restarted empty; backup 2 holds it.
void LoseABackupsLog(Quorum* quorum) {
  quorum->Admit(1, 1);
  quorum->Acknowledge(1, 2);
  quorum->Admit(1, 7);
  quorum->Admit(2, 1);
  quorum->Acknowledge(2, 2);
}

TEST(QuorumTest, WhatAnOlderIncarnationHeldIsGone) {
  Quorum quorum(5);
  LoseABackupsLog(&quorum);
  EXPECT_EQ(quorum.Committed(2), 0u);
}

TEST(QuorumTest, PlantedAckOfOlderIncarnation) {
  LedgerBugs bugs{.ack_of_older_incarnation = true};
  Quorum quorum(5, &bugs);
  LoseABackupsLog(&quorum);
  EXPECT_EQ(quorum.Committed(2), 2u);
}

}  // namespace
}  // namespace faultline::ledger
