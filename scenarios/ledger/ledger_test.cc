#include <gtest/gtest.h>

#include "scenarios/ledger/testing/sim_cluster.h"

namespace faultline::ledger {
namespace {

TEST(LedgerTest, CompletesWithoutFaults) {
  SimCluster cluster({.seed = 1});
  absl::Status status = cluster.Run();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(cluster.checkers()->log()->acknowledged(), 300u);
}

}  // namespace
}  // namespace faultline::ledger
