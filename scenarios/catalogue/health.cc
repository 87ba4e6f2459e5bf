#include "scenarios/catalogue/health.h"

#include <algorithm>
#include <set>

namespace faultline::catalogue {
namespace {

using ledger::Health;
using sim::Fault;
using sim::PlannedFault;

// Whether a fault concerns paths, not a host as a whole.
bool OfPaths(Fault family) {
  switch (family) {
    case Fault::kPartition:
    case Fault::kOneWayPartition:
    case Fault::kHold:
    case Fault::kClog:
    case Fault::kLoss:
    case Fault::kDuplication:
    case Fault::kReordering:
    case Fault::kCorruption:
    case Fault::kBandwidth:
    case Fault::kMtu:
    case Fault::kReset:
      return true;
    default:
      return false;
  }
}

bool Names(const PlannedFault& fault, uint32_t host) {
  return fault.a == host || fault.b == host || fault.a == sim::kEveryHost;
}

// Whether it may touch what the hosts say to each other in `plane`.
bool Touches(const PlannedFault& fault, uint32_t a, uint32_t b, sim::Plane plane) {
  if (!OfPaths(fault.family)) return fault.a == a || fault.a == b;
  if (fault.plane != plane) return false;
  const bool pair = fault.a != sim::kEveryHost && fault.b != sim::kEveryHost;
  return pair ? Names(fault, a) && Names(fault, b) : Names(fault, a) || Names(fault, b);
}

// Whether it touches a client, or the way from a client to the primary.
bool TouchesClients(const PlannedFault& fault, const ClusterShape& shape) {
  if (!OfPaths(fault.family)) return fault.a >= shape.replicas;
  if (fault.plane != sim::Plane::kClient) return false;
  return Names(fault, 0) || fault.a >= shape.replicas || fault.b >= shape.replicas;
}

// From just before it strikes: what it does at that instant is its doing.
Duration Begin(const PlannedFault& fault) { return fault.at - Duration(1); }

bool During(const PlannedFault& fault, Duration now, Duration after) {
  return Begin(fault) <= now && now <= fault.at + fault.lasts + after;
}

Health At(const sim::FaultPlan& plan, const ClusterShape& shape, Duration now) {
  bool calm = true;
  bool served = true;  // the clients and the primary are whole
  std::vector<bool> counts(shape.replicas, true);
  for (const PlannedFault& fault : plan.faults()) {
    if (During(fault, now, Duration::zero())) calm = false;
    if (!During(fault, now, shape.recovery)) continue;
    if (TouchesClients(fault, shape)) served = false;
    if (!OfPaths(fault.family) && fault.a == 0) served = false;
    for (uint32_t backup = 1; backup < shape.replicas; ++backup) {
      if (Touches(fault, 0, backup, sim::Plane::kReplica)) counts[backup] = false;
    }
  }
  if (calm) return Health::kAll;
  const auto majority = static_cast<ptrdiff_t>(shape.replicas / 2 + 1);
  const bool quorum = std::count(counts.begin(), counts.end(), true) >= majority;
  return served && quorum ? Health::kQuorum : Health::kNone;
}

}  // namespace

std::vector<HealthChange> HealthDuring(const sim::FaultPlan& plan, const ClusterShape& shape) {
  std::set<Duration> moments;
  for (const PlannedFault& fault : plan.faults()) {
    const Duration end = fault.at + fault.lasts;
    moments.insert({Begin(fault), end + Duration(1), end + shape.recovery + Duration(1)});
  }
  std::vector<HealthChange> changes;
  Health before = Health::kAll;
  for (Duration moment : moments) {
    const Health health = At(plan, shape, moment);
    if (health == before) continue;
    changes.push_back({MonotonicTime(moment), health});
    before = health;
  }
  return changes;
}

}  // namespace faultline::catalogue
