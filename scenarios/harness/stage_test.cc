// Goal: the faults that a stage draws are aimed at the planes that the options name, and at no
// other. Method: the plans of many seeds, under each aim.
#include "scenarios/harness/stage.h"

#include <gtest/gtest.h>

#include <set>

#include "sim/host.h"

namespace faultline::harness {
namespace {

constexpr uint32_t kReplicas = 3;
constexpr uint32_t kClients = 2;

// Which planes drawn partitions strike, and which hosts drawn pauses.
struct Struck {
  std::set<sim::Plane> planes;
  std::set<uint32_t> hosts;
};

Struck StruckUnder(Aim aim) {
  Struck struck;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.faults = sim::FaultLevel::kHeavy;
    options.plane = aim;
    Stage stage(options, {});
    for (uint32_t i = 0; i < kReplicas + kClients; ++i) stage.world()->AddHost({.name = "host"});
    stage.DrawFaults({.replicas = {0, 1, 2}, .clients = {3, 4}});
    for (const sim::PlannedFault& fault : stage.plan().faults()) {
      if (fault.family == sim::Fault::kPartition) struck.planes.insert(fault.plane);
      if (fault.family == sim::Fault::kPause) struck.hosts.insert(fault.a);
    }
  }
  return struck;
}

TEST(StageTest, FaultsOfTheClientPlaneSpareThePathsBetweenReplicas) {
  const Struck struck = StruckUnder(Aim::kClient);
  EXPECT_EQ(struck.planes, std::set{sim::Plane::kClient});
  EXPECT_EQ(struck.hosts, (std::set<uint32_t>{0, 1, 2, 3, 4})) << "hosts are struck as a whole";
}

TEST(StageTest, FaultsOfTheReplicaPlaneSpareClients) {
  const Struck struck = StruckUnder(Aim::kReplica);
  EXPECT_EQ(struck.planes, std::set{sim::Plane::kReplica});
  EXPECT_EQ(struck.hosts, (std::set<uint32_t>{0, 1, 2}));
}

TEST(StageTest, FaultsOfBothPlanesStrikeEverywhere) {
  const Struck struck = StruckUnder(Aim::kBoth);
  EXPECT_EQ(struck.planes, (std::set{sim::Plane::kReplica, sim::Plane::kClient}));
  EXPECT_EQ(struck.hosts, (std::set<uint32_t>{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace faultline::harness
