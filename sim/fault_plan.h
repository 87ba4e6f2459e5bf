// FaultPlan: which faults strike a world, where, when and for how long. Given by hand, or drawn
// from the seed.
//
//   FaultPlan plan;                                      // given
//   plan.Add({.family = Fault::kPartition, .at = 2s, .lasts = 5s, .a = 0, .b = 2, .plane =
//   Plane::kReplica}); plan.Install(&world);
//
//   FaultPlan drawn = DrawFaultPlan(world.choices(), {.level = FaultLevel::kSwarm, .replicas = {0,
//   1, 2}, ...});
//
// Each fault is aimed at one plane and at one host, one pair of hosts, or everybody in that plane.
// Everything ends by itself; once the last fault has ended the world is as healthy as it was made.
// Each family draws by a chooser of its own, so that turning one family off leaves the others where
// they were.
#ifndef FAULTLINE_SIM_FAULT_PLAN_H_
#define FAULTLINE_SIM_FAULT_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/time.h"
#include "sim/choices.h"
#include "sim/config.h"
#include "sim/effects.h"
#include "sim/world.h"

namespace faultline::sim {

inline constexpr uint32_t kEveryHost = 0xffffffff;

struct PlannedFault {
  Fault family = Fault::kPartition;
  Duration at{};                  // from the beginning of the world
  Duration lasts{};               // ignored by what happens at an instant (a reset)
  uint32_t a = kEveryHost;        // kEveryHost: each host; of links, all
  uint32_t b = kEveryHost;        // the other host of a pair; kEveryHost: `a` against all others
  Plane plane = Plane::kReplica;  // of faults of paths; one of a host strikes it in both planes
  // What it means depends on the family. Loss, duplication, reordering, corruption, partial
  // transfers: parts per million. Clogs and bursts (slow): nanoseconds. Bandwidth: bytes a second.
  // MTU and small buffers: bytes. Descriptors: how many fewer than are open; ports, backlog: how
  // many are left. Clock skew: parts per billion by which the clocks run fast if it is even, half
  // as many by which they run slow if it is odd; the wall clock jumps ahead by as many
  // microseconds.
  uint64_t amount = 0;

  std::string ToString() const;
};

class FaultPlan {
 public:
  void Add(const PlannedFault& fault) { faults_.push_back(fault); }
  const std::vector<PlannedFault>& faults() const { return faults_; }
  // When the last fault has ended.
  Duration end() const;

  // Schedules everything in `world`, whose hosts exist. Times that have passed begin at once.
  void Install(World* world) const;

 private:
  std::vector<PlannedFault> faults_;
};

enum class FaultLevel : uint8_t {
  kNone,
  kLight,  // a few short faults of the common families
  kHeavy,  // every family, often
  kSwarm,  // a random subset of the families, each with a random weight: finds what a uniform mix
           // hides
};

// Families that only datagrams notice: TCP discards duplicates, and its segments fit every path.
inline constexpr Fault kDatagramFaults[] = {Fault::kDuplication, Fault::kMtu};

struct FaultPlanConfig {
  FaultLevel level = FaultLevel::kSwarm;
  Duration begin = 1s;
  Duration end = 30s;                 // every fault has ended by then
  std::vector<uint32_t> replicas{};   // hosts that the replica plane connects
  std::vector<uint32_t> clients{};    // hosts that talk to replicas over the client plane
  std::vector<uint32_t> crashable{};  // may lose power; restarted when the fault ends
  // Faults of paths are aimed at these planes. Faults of hosts strike replicas in any case, and
  // clients unless the client plane is spared.
  bool replica_plane = true;
  bool client_plane = true;
  // Whether anything but TCP passes between replicas: without it kDatagramFaults spare that plane.
  bool replica_datagrams = true;
  std::vector<Fault> without{};  // families that are not drawn: what could not bite in this world
};

FaultPlan DrawFaultPlan(Choices* choices, const FaultPlanConfig& config);

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_FAULT_PLAN_H_
